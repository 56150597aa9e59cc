//! What a client says first.

use bytes::BytesMut;
use penstock_inspect::postgres::{First, FirstWords, Startup, reply};

/// The first byte says whether the rest comes at once or packet by packet, as from a client that waits for its answers.
pub(crate) fn first_words(data: &[u8]) {
    let Some((kind, mut rest)) = data.split_first() else { return };
    let mut words = FirstWords::default();
    let mut heard = BytesMut::new();
    let mut encryption = 0;
    while !rest.is_empty() {
        let length = if kind & 1 == 0 { rest.len() } else { packet(rest) };
        let (piece, after) = rest.split_at(length);
        rest = after;
        heard.extend_from_slice(piece);
        match words.feed(&mut heard) {
            Err(_) => return,
            Ok(None) => {}
            Ok(Some(First::Tls | First::Gss)) => {
                encryption += 1;
                assert!(heard.is_empty(), "CVE-2021-23214: bytes behind an encryption request");
                assert!(encryption <= 2, "each may be asked for once");
            }
            Ok(Some(First::Cancel { secret, .. })) => return assert!(secret.len() <= 256),
            Ok(Some(First::Start(startup))) => return is_sound(&startup),
        }
    }
}

/// Bytes of the first packet, or of all there is.
fn packet(bytes: &[u8]) -> usize {
    let length = bytes.first_chunk().map_or(bytes.len(), |length| u32::from_be_bytes(*length) as usize);
    length.clamp(1, bytes.len())
}

fn is_sound(startup: &Startup) {
    assert!(!startup.user.is_empty() && !startup.database.is_empty());
    for (name, value) in &startup.parameters {
        assert!(!name.contains('\0') && !value.contains('\0'));
        assert!(!["user", "database", "options", "replication", "role"].contains(&name.as_str()));
    }
    let welcome = reply::welcome(&startup.parameters, 1, *b"abcd", startup.negotiate.as_deref());
    assert!(are_messages(&welcome), "what the client is told is no message");
}

/// Whether bytes are whole messages, nothing before, between and behind them.
fn are_messages(mut bytes: &[u8]) -> bool {
    while let Some((&[_tag, a, b, c, d], _)) = bytes.split_first_chunk::<5>() {
        let length = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
        match bytes.get(length..) {
            Some(rest) if length > 4 => bytes = rest,
            _ => return false,
        }
    }
    bytes.is_empty()
}

//! What a server says while it is logged in to.

use bytes::BytesMut;
use penstock_inspect::postgres::{Login, Ready};

use crate::cuts::{Pieces, SIZES};

const PASSWORD: &str = "a-password-that-nobody-guesses";

/// AuthenticationOk.
const OK: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];

/// A server that may be anyone never sees the password, and lets nobody in without saying so.
pub(crate) fn login(data: &[u8]) {
    // What the server says itself is no secret: errors name what it offers, without what cannot be printed.
    if PASSWORD.as_bytes().windows(4).any(|part| contains(data, part)) {
        return;
    }
    let whole = log_in(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        assert!(log_in(data, sizes) == whole, "other pieces, another login");
    }
    assert!(whole.is_none() || contains(data, &OK), "in, and the server did not say so");
}

/// What the server said of itself, if it let us in.
fn log_in(data: &[u8], sizes: &[usize]) -> Option<Ready> {
    let mut login = Login::new("user", Some(PASSWORD), "database", &[]).channel_binding(Some(vec![7; 32]));
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    assert!(login.start(&mut output).is_ok());
    for piece in Pieces::new(data, sizes) {
        input.extend_from_slice(piece);
        let fed = login.feed(&mut input, &mut output);
        assert!(!contains(&output, PASSWORD.as_bytes()), "the password in clear");
        assert!(output.len() < 4096 && input.len() <= data.len(), "no answer is so long");
        match fed {
            Ok(None) => {}
            Ok(ready) => return ready,
            Err(error) => {
                assert!(!error.message.contains(PASSWORD), "the password in an error");
                return None;
            }
        }
    }
    None
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

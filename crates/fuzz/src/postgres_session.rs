//! Both directions of a session that is logged in.

use penstock_domain::Event;
use penstock_inspect::postgres::{Inspector, Malformed};

use crate::cuts::{Pieces, SIZES};

/// Bytes of a statement that are kept: few, so that long ones are met.
const STATEMENT_BYTES: usize = 64;

/// The longest text of our own, of what was executed and never prepared: it holds a name of 63 bytes, each of which may
/// take six to be shown.
const OWN_BYTES: usize = 63 * 6 + 70;

/// The input is a row of chunks, each behind a byte of its side (the highest bit) and its length.
pub(crate) fn session(data: &[u8]) {
    let whole = watch(data, SIZES[0]);
    for sizes in &SIZES[1..] {
        assert!(watch(data, sizes) == whole, "other pieces, other events");
    }
    for event in &whole.0 {
        if let Event::Statement { text, .. } = event {
            let most = if text.starts_with("-- ") { OWN_BYTES } else { 3 * STATEMENT_BYTES };
            assert!(text.len() <= most, "more of a statement than may be kept");
        }
    }
}

/// What an inspector tells, and how it ends.
fn watch(data: &[u8], sizes: &[usize]) -> (Vec<Event>, Result<(), Malformed>) {
    let mut inspector = Inspector::new(STATEMENT_BYTES);
    let mut events = Vec::new();
    let mut rest = data;
    while let Some((head, after)) = rest.split_first() {
        let length = usize::from(head & 0x7f).min(after.len());
        let (chunk, after) = after.split_at(length);
        rest = after;
        for piece in Pieces::new(chunk, sizes) {
            let looked = if head & 0x80 == 0 {
                inspector.client(piece, &mut events)
            } else {
                inspector.upstream(piece, &mut events)
            };
            if looked.is_err() {
                return (events, looked);
            }
        }
    }
    (events, Ok(()))
}

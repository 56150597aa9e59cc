//! Takes in a text of any length: the first bytes of it, its length, and the digest of all of it.

use blake3::{Hash, Hasher};

/// A text that is coming in piece by piece.
#[derive(Debug)]
pub(super) struct Capture {
    limit: usize,
    kept: Vec<u8>,
    length: u64,
    /// Present once the text is longer than what is kept.
    hasher: Option<Box<Hasher>>,
}

/// A text that is whole, of which `kept` may be the start only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Captured {
    /// The text, up to the limit.
    pub(super) kept: Vec<u8>,
    /// The whole text's length in bytes.
    pub(super) length: u64,
    /// BLAKE3 of the whole text, if `kept` is not all of it.
    pub(super) digest: Option<Hash>,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), length: 0, hasher: None }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
            return;
        }
        let room = self.limit.saturating_sub(self.kept.len());
        let (kept, beyond) = bytes.split_at(room.min(bytes.len()));
        self.kept.extend_from_slice(kept);
        if !beyond.is_empty() {
            let mut hasher = Box::new(Hasher::new());
            hasher.update(&self.kept).update(beyond);
            self.hasher = Some(hasher);
        }
    }

    /// The text; what comes in next is another.
    pub(super) fn finish(&mut self) -> Captured {
        let done = std::mem::replace(self, Self::new(self.limit));
        Captured { kept: done.kept, length: done.length, digest: done.hasher.map(|hasher| hasher.finalize()) }
    }
}

impl Captured {
    /// All of a short text of our own.
    pub(super) fn whole(text: String) -> Self {
        Self { length: text.len() as u64, kept: text.into_bytes(), digest: None }
    }

    /// BLAKE3 of the whole text.
    pub(super) fn digest(&self) -> Hash {
        self.digest.unwrap_or_else(|| blake3::hash(&self.kept))
    }

    /// Keeps less of it.
    pub(super) fn shorten(&mut self, limit: usize) {
        if self.kept.len() > limit {
            self.digest = Some(self.digest());
            self.kept.truncate(limit);
            self.kept.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_all_of_a_text_within_the_limit() {
        let mut capture = Capture::new(8);
        capture.push(b"select 1");
        assert_eq!(capture.finish(), Captured::whole("select 1".to_owned()));
        assert_eq!(capture.finish(), Captured::default());
    }

    #[test]
    fn shortens_once_and_keeps_the_first_digest() {
        let mut captured = Captured::whole("select 1, 2, 3".to_owned());
        captured.shorten(6);
        captured.shorten(3);
        assert_eq!((captured.kept.as_slice(), captured.length), (b"sel".as_slice(), 14));
        assert_eq!(captured.digest, Some(blake3::hash(b"select 1, 2, 3")));
    }

    proptest! {
        #[test]
        fn the_digest_is_of_all_of_it(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..30), 0..10),
            limit in 0_usize..100,
        ) {
            let mut capture = Capture::new(limit);
            pieces.iter().for_each(|piece| capture.push(piece));
            let captured = capture.finish();
            let whole = pieces.concat();
            prop_assert_eq!(captured.length, whole.len() as u64);
            prop_assert_eq!(&captured.kept, &whole[..limit.min(whole.len())]);
            prop_assert_eq!(captured.digest.is_some(), whole.len() > limit);
            prop_assert_eq!(captured.digest(), blake3::hash(&whole));
        }
    }
}

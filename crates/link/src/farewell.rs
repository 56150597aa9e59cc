//! GOAWAY from the side that requests, which `h2` cannot be told to say: who dialled dials again, and what is open on
//! this link goes on (RFC 9113 §6.8).

use tokio_util::sync::CancellationToken;

/// RFC 9113 §4.1.
const HEADER: usize = 9;

/// Bytes that a requesting stack writes before the first frame (RFC 9113 §3.4).
const PREFACE: usize = 24;

/// None of the peer's streams was processed, for it opens none; nothing is wrong.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Watches what a stack writes for a place between two frames.
#[derive(Debug)]
pub(crate) struct Farewell {
    wanted: CancellationToken,
    said: usize,
    header: Vec<u8>,
    /// Bytes that belong to the preface or to the frame whose header has passed.
    rest: usize,
}

impl Farewell {
    /// To be said once `wanted` is cancelled.
    pub(crate) fn new(wanted: CancellationToken) -> Self {
        Self { wanted, said: 0, header: Vec::with_capacity(HEADER), rest: PREFACE }
    }

    /// What has to be written before anything else is.
    pub(crate) fn due(&self) -> Option<&'static [u8]> {
        let between = self.rest == 0 && self.header.is_empty();
        let rest = GOAWAY.get(self.said..).filter(|rest| !rest.is_empty())?;
        (between && self.wanted.is_cancelled()).then_some(rest)
    }

    /// So many bytes of it are written.
    pub(crate) fn said(&mut self, bytes: usize) {
        self.said += bytes;
    }

    /// The stack has written these.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = if self.rest > 0 { self.rest } else { HEADER - self.header.len() };
            let (part, others) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            bytes = others;
            if self.rest > 0 {
                self.rest -= part.len();
                continue;
            }
            self.header.extend_from_slice(part);
            if let [a, b, c, _, _, _, _, _, _] = self.header.as_slice() {
                self.rest = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_between_two_frames_and_once() {
        let frame = [&[0, 0, 3, 0, 0, 0, 0, 0, 1][..], b"abc"].concat();
        let stack = [&[b'P'; PREFACE][..], &frame, &[0, 0, 0, 4, 1, 0, 0, 0, 0], &frame].concat();
        let between = [PREFACE, PREFACE + 12, PREFACE + 21, PREFACE + 33];
        for size in [1, 5, 9, 1000] {
            let wanted = CancellationToken::new();
            let mut farewell = Farewell::new(wanted.clone());
            let mut passed = 0;
            wanted.cancel();
            for piece in stack.chunks(size) {
                farewell.pass(piece);
                passed += piece.len();
                assert_eq!(farewell.due().is_some(), between.contains(&passed), "{size} {passed}");
            }
            farewell.said(5);
            assert_eq!(farewell.due().map(<[u8]>::len), Some(12));
            farewell.said(12);
            assert!(farewell.due().is_none());
        }
    }

    #[test]
    fn nothing_is_said_before_it_is_wanted() {
        let mut farewell = Farewell::new(CancellationToken::new());
        farewell.pass(&[0; PREFACE]);
        assert!(farewell.due().is_none());
    }
}

//! Walks messages across arbitrary chunks without buffering them (protocol, "Messaging Overview").

use super::Malformed;

/// What a visitor wants of a message's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Interest {
    /// Nothing: the body is stepped over and its end is not told.
    Skip,
    /// Its pieces as they come, and its end.
    Body,
}

/// Sees messages as they pass.
pub(super) trait Visitor {
    /// A header: the tag and the body's length in bytes.
    fn begin(&mut self, tag: u8, length: u32) -> Result<Interest, Malformed>;
    /// A piece of the body, never empty.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Malformed>;
    /// The message is whole.
    fn end(&mut self) -> Result<(), Malformed>;
}

/// Where in the stream of messages the last chunk ended. A few bytes, whatever the messages' lengths.
#[derive(Debug)]
pub(super) struct Scanner {
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the body that are still to come.
    remaining: u32,
    interest: Interest,
}

/// A tag and a length.
const HEADER: usize = 5;

impl Scanner {
    pub(super) const fn new() -> Self {
        Self { header: [0; HEADER], filled: 0, remaining: 0, interest: Interest::Skip }
    }

    /// Whether the last chunk ended between two messages.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.filled == 0 && self.remaining == 0
    }

    /// Walks one chunk.
    ///
    /// # Errors
    /// [`Malformed`] if a length is less than its own four bytes, or the visitor objects. The scanner is of no use
    /// afterwards.
    pub(super) fn scan(&mut self, chunk: &[u8], visitor: &mut impl Visitor) -> Result<(), Malformed> {
        let mut rest = self.resume(chunk, visitor)?;
        // The hot path: whole headers, and bodies stepped over by arithmetic.
        while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
            rest = self.message(header, body, visitor)?;
        }
        if !rest.is_empty() {
            self.keep(rest);
        }
        Ok(())
    }

    /// Finishes the header or body that the last chunk left open.
    fn resume<'a>(&mut self, chunk: &'a [u8], visitor: &mut impl Visitor) -> Result<&'a [u8], Malformed> {
        if self.filled == 0 {
            return self.body(chunk, visitor);
        }
        let (missing, rest) = chunk.split_at(chunk.len().min(HEADER - self.filled));
        self.keep(missing);
        if self.filled < HEADER {
            return Ok(&[]);
        }
        self.filled = 0;
        let header = self.header;
        self.message(&header, rest, visitor)
    }

    /// Keeps a piece of a header that is not whole yet.
    fn keep(&mut self, piece: &[u8]) {
        let end = self.filled + piece.len();
        if let Some(gap) = self.header.get_mut(self.filled..end) {
            gap.copy_from_slice(piece);
            self.filled = end;
        }
    }

    /// One header and as much of its body as is there; what stands behind.
    #[inline]
    fn message<'a>(
        &mut self,
        header: &[u8; HEADER],
        body: &'a [u8],
        visitor: &mut impl Visitor,
    ) -> Result<&'a [u8], Malformed> {
        let &[tag, a, b, c, d] = header;
        let Some(remaining @ 0..) = i32::from_be_bytes([a, b, c, d]).checked_sub(4) else {
            return Err(bad_length(tag));
        };
        self.remaining = remaining.unsigned_abs();
        self.interest = visitor.begin(tag, self.remaining)?;
        if self.remaining == 0 {
            if self.interest == Interest::Body {
                visitor.end()?;
            }
            return Ok(body);
        }
        self.body(body, visitor)
    }

    /// As much of the open body as `chunk` holds; what stands behind.
    #[inline]
    fn body<'a>(&mut self, chunk: &'a [u8], visitor: &mut impl Visitor) -> Result<&'a [u8], Malformed> {
        if self.remaining == 0 {
            return Ok(chunk);
        }
        let here = chunk.len().min(self.remaining as usize);
        let (piece, rest) = chunk.split_at(here);
        // No truncation: `here` is at most `remaining`.
        self.remaining -= here as u32;
        if self.interest == Interest::Body {
            if !piece.is_empty() {
                visitor.piece(piece)?;
            }
            if self.remaining == 0 {
                visitor.end()?;
            }
        }
        Ok(rest)
    }
}

#[cold]
fn bad_length(tag: u8) -> Malformed {
    Malformed::new(format!("the message `{}` has an impossible length", tag.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes the bodies of upper-case tags and steps over the others.
    #[derive(Default)]
    struct Collector {
        begun: Vec<(u8, u32)>,
        open: Vec<u8>,
        bodies: Vec<Vec<u8>>,
    }

    impl Visitor for Collector {
        fn begin(&mut self, tag: u8, length: u32) -> Result<Interest, Malformed> {
            self.begun.push((tag, length));
            Ok(if tag.is_ascii_uppercase() { Interest::Body } else { Interest::Skip })
        }

        fn piece(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
            assert!(!bytes.is_empty());
            self.open.extend_from_slice(bytes);
            Ok(())
        }

        fn end(&mut self) -> Result<(), Malformed> {
            self.bodies.push(std::mem::take(&mut self.open));
            Ok(())
        }
    }

    fn wire(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let one = |(tag, body): &(u8, Vec<u8>)| {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            [&[*tag], length.as_slice(), body].concat()
        };
        messages.iter().flat_map(one).collect()
    }

    #[test]
    fn refuses_lengths_below_their_own_four_bytes() {
        for length in [0_i32, 3, -1, i32::MIN] {
            let bytes = [b"D".as_slice(), &length.to_be_bytes()].concat();
            assert!(Scanner::new().scan(&bytes, &mut Collector::default()).is_err(), "{length}");
        }
    }

    #[test]
    fn steps_over_the_longest_message_without_holding_it() {
        let mut scanner = Scanner::new();
        let mut seen = Collector::default();
        scanner.scan(b"d\x7f\xff\xff\xff", &mut seen).unwrap();
        let chunk = vec![0; 1 << 20];
        let mut left = i32::MAX as usize - 4;
        while left > 0 {
            let here = left.min(chunk.len());
            scanner.scan(&chunk[..here], &mut seen).unwrap();
            left -= here;
        }
        assert!(scanner.is_between_messages());
        scanner.scan(b"Z\0\0\0\x05I", &mut seen).unwrap();
        assert_eq!(seen.bodies, [b"I"]);
    }

    proptest! {
        #[test]
        fn sees_the_same_messages_however_they_are_cut(
            messages in proptest::collection::vec(
                (prop_oneof![Just(b'D'), Just(b'd'), Just(b'Z')], proptest::collection::vec(any::<u8>(), 0..20)),
                0..20,
            ),
            cuts in proptest::collection::vec(1_usize..9, 1..20),
        ) {
            let bytes = wire(&messages);
            let mut scanner = Scanner::new();
            let mut seen = Collector::default();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (chunk, after) = rest.split_at(rest.len().min(*cut));
                scanner.scan(chunk, &mut seen).unwrap();
                rest = after;
                if rest.is_empty() { break }
            }
            prop_assert!(scanner.is_between_messages());
            let begun: Vec<_> = messages.iter().map(|(tag, body)| (*tag, u32::try_from(body.len()).unwrap())).collect();
            prop_assert_eq!(seen.begun, begun);
            let bodies: Vec<_> = messages.into_iter()
                .filter(|(tag, _)| tag.is_ascii_uppercase()).map(|(_, body)| body).collect();
            prop_assert_eq!(seen.bodies, bodies);
        }
    }
}

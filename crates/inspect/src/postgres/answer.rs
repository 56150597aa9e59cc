//! Decodes what the server says that ends or changes something (protocol, "Message Formats", messages marked B).

use super::{
    Malformed,
    error_fields::{ERROR_BYTES, ErrorFields},
    framing::{Interest, Visitor},
};

/// The longest command tag that a server writes is half of this.
const TAG_BYTES: usize = 128;
/// Room for what stands before an error's message.
const ERROR_HEAD_BYTES: usize = 256;

/// A message that matters and is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    ParseComplete,
    BindComplete,
    CloseComplete,
    /// RowDescription or NoData.
    Described,
    /// CommandComplete, EmptyQueryResponse or FunctionCallResponse.
    Complete {
        rows: u64,
        forgets: Forgets,
    },
    PortalSuspended,
    CopyIn,
    /// `SQLSTATE: message`.
    Error(String),
    /// Whether the session is outside of a transaction.
    Ready {
        idle: bool,
    },
}

/// Which prepared statements are no more after a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Forgets {
    Nothing,
    /// The one that the command's text names.
    One,
    All,
}

/// Decodes a stream of messages, keeping at most a bounded start of one.
#[derive(Debug)]
pub(super) struct Answers {
    tag: u8,
    limit: usize,
    body: Vec<u8>,
}

impl Answers {
    pub(super) const fn new() -> Self {
        Self { tag: 0, limit: 0, body: Vec::new() }
    }

    #[inline]
    fn begin(&mut self, tag: u8) -> Interest {
        self.limit = match tag {
            // Rows and copied data first: there are many.
            b'D' | b'd' => return Interest::Skip,
            b'C' => TAG_BYTES,
            b'E' => ERROR_BYTES + ERROR_HEAD_BYTES,
            b'Z' => 1,
            b'1' | b'2' | b'3' | b'T' | b'n' | b'I' | b'V' | b's' | b'G' => 0,
            _ => return Interest::Skip,
        };
        self.tag = tag;
        self.body.clear();
        Interest::Body
    }

    fn piece(&mut self, bytes: &[u8]) {
        let room = self.limit - self.body.len().min(self.limit);
        self.body.extend(bytes.iter().take(room));
    }

    fn end(&self) -> Option<Answer> {
        Some(match self.tag {
            b'1' => Answer::ParseComplete,
            b'2' => Answer::BindComplete,
            b'3' => Answer::CloseComplete,
            b'T' | b'n' => Answer::Described,
            b'C' => complete(&self.body),
            b'I' | b'V' => Answer::Complete { rows: 0, forgets: Forgets::Nothing },
            b's' => Answer::PortalSuspended,
            b'G' => Answer::CopyIn,
            b'E' => Answer::Error(ErrorFields::parse(&self.body).text()),
            b'Z' => Answer::Ready { idle: self.body == b"I" },
            _ => return None,
        })
    }
}

/// A command tag: what was done, and a count at its end if rows were returned or touched.
fn complete(body: &[u8]) -> Answer {
    let tag = body.split(|&byte| byte == 0).next().unwrap_or_default();
    let count = tag.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let rows = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let forgets = match tag {
        b"DEALLOCATE" => Forgets::One,
        b"DEALLOCATE ALL" | b"DISCARD ALL" => Forgets::All,
        _ => Forgets::Nothing,
    };
    Answer::Complete { rows, forgets }
}

/// Reads answers out of chunks and hands each to `take`.
pub(super) struct AnswerReader<'a, F> {
    pub(super) answers: &'a mut Answers,
    pub(super) take: F,
}

impl<F: FnMut(Answer)> Visitor for AnswerReader<'_, F> {
    #[inline]
    fn begin(&mut self, tag: u8, _length: u32) -> Result<Interest, Malformed> {
        Ok(self.answers.begin(tag))
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.answers.piece(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if let Some(answer) = self.answers.end() {
            (self.take)(answer);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::framing::Scanner, *};

    fn decode(bytes: &[u8]) -> Vec<Answer> {
        let mut seen = Vec::new();
        let mut answers = Answers::new();
        let mut reader = AnswerReader { answers: &mut answers, take: |answer| seen.push(answer) };
        Scanner::new().scan(bytes, &mut reader).unwrap();
        seen
    }

    fn wire(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], length.as_slice(), body].concat()
    }

    #[test]
    fn counts_rows_by_the_command_tag() {
        let cases = [
            ("SELECT 5", 5),
            ("INSERT 0 3", 3),
            ("UPDATE 2", 2),
            ("DELETE 4", 4),
            ("MERGE 1", 1),
            ("COPY 7", 7),
            ("FETCH 3", 3),
            ("MOVE 2", 2),
            ("CREATE TABLE", 0),
            ("COPY", 0),
            ("SELECT 99999999999999999999999", 0),
            ("", 0),
        ];
        for (tag, rows) in cases {
            let answer = decode(&wire(b'C', format!("{tag}\0").as_bytes()));
            assert_eq!(answer, [Answer::Complete { rows, forgets: Forgets::Nothing }], "{tag}");
        }
    }

    #[test]
    fn knows_what_forgets_prepared_statements() {
        let cases =
            [("DEALLOCATE", Forgets::One), ("DEALLOCATE ALL", Forgets::All), ("DISCARD ALL", Forgets::All)];
        for (tag, forgets) in cases {
            let answer = decode(&wire(b'C', format!("{tag}\0").as_bytes()));
            assert_eq!(answer, [Answer::Complete { rows: 0, forgets }]);
        }
    }

    #[test]
    fn steps_over_what_does_not_matter() {
        for tag in *b"DdHcWANSKRtv!\0" {
            assert_eq!(decode(&wire(tag, b"anything")), []);
        }
    }

    #[test]
    fn keeps_a_bounded_start_of_a_long_error() {
        let body = [b"SERROR\0C22P02\0M".as_slice(), &[b'x'; 1 << 20], b"\0\0"].concat();
        let seen = decode(&wire(b'E', &body));
        let [Answer::Error(text)] = seen.as_slice() else { panic!() };
        assert!(text.starts_with("22P02: xxx") && text.len() <= ERROR_BYTES);
        assert_eq!(decode(&wire(b'E', b"")), [Answer::Error("XX000: no message".to_owned())]);
    }

    #[test]
    fn tells_transactions_by_the_status() {
        assert_eq!(decode(&wire(b'Z', b"I")), [Answer::Ready { idle: true }]);
        assert_eq!(decode(&wire(b'Z', b"T")), [Answer::Ready { idle: false }]);
        assert_eq!(decode(&wire(b'Z', b"E")), [Answer::Ready { idle: false }]);
    }
}

//! Decodes what the client says once it is logged in (protocol, "Message Formats", messages marked F).

use bytes::Buf;

use super::{
    Malformed,
    capture::{Capture, Captured},
    framing::{Interest, Visitor},
    name::{Name, NameCapture, split_name},
};

/// The server's own bound on messages that have no business being long (`PQ_SMALL_MESSAGE_LIMIT`).
const SMALL_BYTES: u32 = 10_000;

/// What a name names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Named {
    Statement(Name),
    Portal(Name),
}

/// A message that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Request {
    Query(Captured),
    Parse {
        name: Name,
        text: Captured,
    },
    Bind {
        portal: Name,
        statement: Name,
    },
    Describe(Named),
    Execute {
        portal: Name,
        max_rows: u32,
    },
    Close(Named),
    /// The function's OID, and the digest and length of the message's body.
    FunctionCall {
        oid: u32,
        body: Captured,
    },
    Sync,
    /// CopyDone or CopyFail.
    CopyEnd,
    Terminate,
}

/// The message that is coming in.
#[derive(Debug)]
enum Open {
    Query(Text),
    Parse {
        name: NameCapture,
        text: Text,
    },
    Bind {
        portal: NameCapture,
        statement: NameCapture,
    },
    /// A short message, kept whole.
    Small {
        tag: u8,
        body: Vec<u8>,
    },
    /// A FunctionCall: the OID is all that is kept.
    Function(Capture),
    /// A CopyFail, whose reason does not matter.
    CopyFail,
}

/// A string that ends in NUL, whatever stands behind.
#[derive(Debug)]
struct Text {
    capture: Capture,
    ended: bool,
}

impl Text {
    const fn new(limit: usize) -> Self {
        Self { capture: Capture::new(limit), ended: false }
    }

    /// Takes its part of `bytes`; true if something stands behind the string's end.
    fn push(&mut self, bytes: &[u8]) -> bool {
        if self.ended {
            return !bytes.is_empty();
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.capture.push(text);
        self.ended = end.is_some();
        rest.len() > 1
    }

    fn finish(mut self) -> Option<Captured> {
        self.ended.then(|| self.capture.finish())
    }
}

/// Decodes a stream of messages and hands on those that are whole.
pub(super) struct Requests {
    statement_limit: usize,
    open: Open,
}

impl Requests {
    /// Keeps at most `statement_limit` bytes of a statement's text.
    pub(super) const fn new(statement_limit: usize) -> Self {
        Self { statement_limit, open: Open::CopyFail }
    }

    fn begin(&mut self, tag: u8, length: u32) -> Result<Interest, Malformed> {
        self.open = match tag {
            // CopyData, outside of a COPY too: the server steps over it then.
            b'd' => return Ok(Interest::Skip),
            b'Q' => Open::Query(Text::new(self.statement_limit)),
            b'P' => Open::Parse { name: NameCapture::default(), text: Text::new(self.statement_limit) },
            b'B' => Open::Bind { portal: NameCapture::default(), statement: NameCapture::default() },
            b'D' | b'E' | b'C' if length <= SMALL_BYTES => Open::Small { tag, body: Vec::new() },
            b'S' | b'H' | b'c' | b'X' if length == 0 => Open::Small { tag, body: Vec::new() },
            b'F' => Open::Function(Capture::new(4)),
            b'f' => Open::CopyFail,
            b'D' | b'E' | b'C' | b'S' | b'H' | b'c' | b'X' => return Err(too_long(tag)),
            b'p' => return Err(Malformed::new("a password message after the login")),
            _ => return Err(unknown(tag)),
        };
        Ok(Interest::Body)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        match &mut self.open {
            // A server that stopped at the first NUL would run less than one that did not.
            Open::Query(text) => {
                if text.push(bytes) {
                    return Err(Malformed::new("a Query with a NUL in its text"));
                }
            }
            Open::CopyFail => {}
            Open::Parse { name, text } => {
                text.push(name.push(bytes));
            }
            Open::Bind { portal, statement } => {
                statement.push(portal.push(bytes));
            }
            Open::Small { body, .. } => body.extend_from_slice(bytes),
            Open::Function(capture) => capture.push(bytes),
        }
        Ok(())
    }

    /// The whole message; none for a Flush, which asks for nothing that is not on its way.
    fn end(&mut self) -> Result<Option<Request>, Malformed> {
        let request = match std::mem::replace(&mut self.open, Open::CopyFail) {
            Open::Query(text) => text.finish().map(Request::Query),
            Open::Parse { name, text } => {
                name.finish().zip(text.finish()).map(|(name, text)| Request::Parse { name, text })
            }
            Open::Bind { portal, statement } => portal
                .finish()
                .zip(statement.finish())
                .map(|(portal, statement)| Request::Bind { portal, statement }),
            Open::Function(mut capture) => function(capture.finish()),
            Open::CopyFail => Some(Request::CopyEnd),
            Open::Small { tag: b'H', .. } => return Ok(None),
            Open::Small { tag, body } => small(tag, &body),
        };
        request.map(Some).ok_or_else(|| Malformed::new("a message that ends before its fields do"))
    }
}

/// A short message; none if its fields are not all there.
fn small(tag: u8, body: &[u8]) -> Option<Request> {
    match tag {
        b'D' => named(body).map(Request::Describe),
        b'C' => named(body).map(Request::Close),
        b'E' => {
            let (portal, mut rest) = split_name(body)?;
            // Zero or less means all of them.
            let max_rows = u32::try_from(rest.try_get_i32().ok()?).unwrap_or(0);
            Some(Request::Execute { portal, max_rows })
        }
        b'S' => Some(Request::Sync),
        b'c' => Some(Request::CopyEnd),
        b'X' => Some(Request::Terminate),
        _ => None,
    }
}

/// A kind and a name.
fn named(body: &[u8]) -> Option<Named> {
    let (kind, rest) = body.split_first()?;
    let (name, _) = split_name(rest)?;
    match kind {
        b'S' => Some(Named::Statement(name)),
        b'P' => Some(Named::Portal(name)),
        _ => None,
    }
}

fn function(body: Captured) -> Option<Request> {
    let oid = body.kept.as_slice().try_get_u32().ok()?;
    Some(Request::FunctionCall { oid, body })
}

fn too_long(tag: u8) -> Malformed {
    Malformed::new(format!("the message `{}` is longer than it may be", tag.escape_ascii()))
}

fn unknown(tag: u8) -> Malformed {
    Malformed::new(format!("the message `{}` is not known", tag.escape_ascii()))
        .hint("use a client that speaks PostgreSQL's protocol 3.0")
}

/// Reads requests out of chunks and hands each to `take`.
pub(super) struct RequestReader<'a, F> {
    pub(super) requests: &'a mut Requests,
    pub(super) take: F,
}

impl<F: FnMut(Request) -> Result<(), Malformed>> Visitor for RequestReader<'_, F> {
    fn begin(&mut self, tag: u8, length: u32) -> Result<Interest, Malformed> {
        self.requests.begin(tag, length)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.requests.piece(bytes)
    }

    fn end(&mut self) -> Result<(), Malformed> {
        match self.requests.end()? {
            Some(request) => (self.take)(request),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

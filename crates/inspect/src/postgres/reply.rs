//! What the gateway itself says to a client (protocol, "Message Formats").

use bytes::{BufMut, Bytes, BytesMut};
use penstock_domain::Error;

use super::{bounded::bounded, sqlstate};

/// The answer to an SSLRequest or GSSENCRequest: no, go on in plaintext.
pub const NO: &[u8] = b"N";

/// Bytes of a message's or hint's text that are sent.
const TEXT_BYTES: usize = 8 * 1024;

/// How bad an error is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The statement failed; the session goes on.
    Error,
    /// The session ends.
    Fatal,
}

/// Tells a client that it is logged in: the NegotiateProtocolVersion of its [`Startup`](super::Startup) if there is
/// one, AuthenticationOk, the upstream's parameters, a cancel key of the gateway's own (4 bytes of secret: that is
/// all that protocol 3.0 has), ReadyForQuery.
#[must_use]
pub fn welcome(
    parameters: &[(String, String)],
    pid: i32,
    secret: [u8; 4],
    negotiate: Option<&[u8]>,
) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    out.put_slice(negotiate.unwrap_or_default());
    message(&mut out, b'R', |body| body.put_i32(0));
    for (name, value) in parameters {
        message(&mut out, b'S', |body| {
            put_string(body, name);
            put_string(body, value);
        });
    }
    message(&mut out, b'K', |body| {
        body.put_i32(pid);
        body.put_slice(&secret);
    });
    message(&mut out, b'Z', |body| body.put_u8(b'I'));
    out.freeze()
}

/// An ErrorResponse.
#[must_use]
pub fn error(severity: Severity, sqlstate: &str, text: &str, hint: Option<&str>) -> Bytes {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    let mut out = BytesMut::with_capacity(256);
    message(&mut out, b'E', |body| {
        let fields = [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', text)];
        for (kind, value) in fields.into_iter().chain(hint.map(|hint| (b'H', hint))) {
            body.put_u8(kind);
            put_string(body, value);
        }
        body.put_u8(0);
    });
    out.freeze()
}

/// The FATAL ErrorResponse that says to a PostgreSQL client what `error` says to others.
#[must_use]
pub fn refusal(refusal: &Error) -> Bytes {
    error(Severity::Fatal, sqlstate(refusal.code), &refusal.message, refusal.hint.as_deref())
}

/// Writes one message with its length.
fn message(out: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) {
    let mut body = BytesMut::new();
    write(&mut body);
    out.put_u8(tag);
    out.put_uint(4 + body.len() as u64, 4);
    out.put_slice(&body);
}

/// Writes a string and its NUL. A NUL within would end it early and shift all that follows: it is left out.
fn put_string(out: &mut BytesMut, text: &str) {
    out.extend(bounded(text, TEXT_BYTES).bytes().filter(|&byte| byte != 0));
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use penstock_domain::{Code, Side};

    use super::*;
    use crate::postgres::error_fields::ErrorFields;

    #[test]
    fn welcomes_in_the_protocols_order() {
        let parameters = [("server_version".to_owned(), "18.4".to_owned())];
        let bytes = welcome(&parameters, 7, [1, 2, 3, 4], None);
        let expected: [&[u8]; 4] = [
            b"R\0\0\0\x08\0\0\0\0",
            b"S\0\0\0\x18server_version\0\x31\x38.4\0",
            b"K\0\0\0\x0c\0\0\0\x07\x01\x02\x03\x04",
            b"Z\0\0\0\x05I",
        ];
        assert_eq!(bytes, expected.concat());
        let negotiated = welcome(&[], 7, [0; 4], Some(b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0"));
        assert!(negotiated.starts_with(b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0R"));
    }

    #[test]
    fn an_error_reads_back() {
        let bytes = error(Severity::Error, "42501", "not\0 allowed", Some("ask"));
        assert_eq!(bytes.first(), Some(&b'E'));
        assert_eq!(&bytes[1..5], u32::try_from(bytes.len() - 1).unwrap().to_be_bytes());
        assert!(bytes[5..].starts_with(b"SERROR\0VERROR\0C42501\0"));
        let fields = ErrorFields::parse(&bytes[5..]);
        assert_eq!(fields.text(), "42501: not allowed");
        assert_eq!(fields.hint.as_deref(), Some("ask"));
    }

    #[test]
    fn a_refusal_is_fatal_and_bounded() {
        let error = Error::new(Code::AgentOffline, Side::Agent, "x".repeat(100_000));
        let bytes = refusal(&error);
        assert!(bytes[5..].starts_with(b"SFATAL\0VFATAL\0C57P03\0Mx"));
        assert!(bytes.len() < 9_000);
    }
}

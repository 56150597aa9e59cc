//! Requests that two parsers may read differently. They are refused: whoever sends them means no good.

use http::{HeaderMap, HeaderValue, Method, Request, Version, header};

/// Why a request is refused; none if it is in order. HTTP/2 has its own framing and needs only the count of fields.
pub(crate) fn fault<B>(request: &Request<B>, most_fields: usize) -> Option<&'static str> {
    let headers = request.headers();
    if headers.len() > most_fields {
        return Some("it has too many header fields");
    }
    if many(headers, &header::HOST) {
        return Some("it has more than one Host");
    }
    if request.version() >= Version::HTTP_2 {
        return None;
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        // RFC 9112 §6.1: this is how requests are smuggled.
        return Some("it has both Transfer-Encoding and Content-Length");
    }
    if many(headers, &header::TRANSFER_ENCODING) {
        return Some("it has more than one Transfer-Encoding");
    }
    if headers.get(header::TRANSFER_ENCODING).is_some_and(|coding| !is_chunked(coding)) {
        // No other coding is known here, and lists of them are where parsers differ.
        return Some("its Transfer-Encoding is not `chunked` alone");
    }
    let needs_host = request.version() == Version::HTTP_11 && request.method() != Method::CONNECT;
    if needs_host && !headers.contains_key(header::HOST) {
        return Some("it has no Host");
    }
    None
}

fn is_chunked(coding: &HeaderValue) -> bool {
    coding.as_bytes().eq_ignore_ascii_case(b"chunked")
}

fn many(headers: &HeaderMap, name: &header::HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, fields: &[(&str, &str)]) -> Request<()> {
        let builder = Request::builder().version(version);
        fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_a_fault() {
        for fields in [
            [("host", "a"), ("host", "b")].as_slice(),
            &[("host", "a"), ("content-length", "3"), ("transfer-encoding", "chunked")],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
            &[("host", "a"), ("transfer-encoding", "chunked, chunked")],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[("accept", "*/*")],
        ] {
            assert!(fault(&request(Version::HTTP_11, fields), 100).is_some(), "{fields:?}");
        }
    }

    #[test]
    fn ordinary_requests_are_not() {
        assert_eq!(
            fault(&request(Version::HTTP_11, &[("host", "a"), ("transfer-encoding", "Chunked")]), 2),
            None
        );
        assert_eq!(fault(&request(Version::HTTP_11, &[("host", "a"), ("content-length", "3")]), 2), None);
        assert_eq!(fault(&request(Version::HTTP_10, &[]), 2), None);
        assert_eq!(fault(&request(Version::HTTP_2, &[]), 2), None);
    }

    #[test]
    fn fields_are_counted() {
        let request = request(Version::HTTP_2, &[("a", "1"), ("a", "2"), ("b", "3")]);
        assert!(fault(&request, 2).is_some());
        assert!(fault(&request, 3).is_none());
    }
}

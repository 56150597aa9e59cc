//! Requests that two parsers may read differently.

use http::{HeaderName, HeaderValue, Request, Version, header};
use penstock_http::fuzz::fault;

const FIELDS: usize = 8;

/// The input is header fields, a line each. What passes leaves no choice of where its body ends, and of whom it is
/// for.
pub(crate) fn request(data: &[u8]) {
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_11;
    for line in data.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or_default();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            request.headers_mut().append(name, value);
        }
    }
    if fault(&request, FIELDS).is_some() {
        return;
    }
    let values = |name: &HeaderName| request.headers().get_all(name).iter().count();
    assert!(request.headers().len() <= FIELDS);
    assert!(values(&header::HOST) == 1, "for nobody, or for two");
    match values(&header::TRANSFER_ENCODING) {
        0 => {}
        many => {
            assert!(many == 1 && values(&header::CONTENT_LENGTH) == 0, "two lengths");
            let coding = request.headers().get(header::TRANSFER_ENCODING).map(HeaderValue::as_bytes);
            assert!(coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")));
        }
    }
}

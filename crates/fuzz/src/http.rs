//! Requests that two parsers may read differently.

use http::{HeaderName, HeaderValue, Request, Version, header};
use penstock_http::fuzz::fault;

use crate::fields::fields;

const FIELDS: usize = 8;

/// The input is header fields, a line each. What passes leaves no choice of where its body ends, and of whom it is
/// for.
pub(crate) fn request(data: &[u8]) {
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = fields(data);
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

//! The proof of HTTP/1.1's websocket handshake, which HTTP/2 does without (RFC 8441 §5).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use sha1::{Digest as _, Sha1};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `Sec-WebSocket-Accept` for a request; none if it brings no proper key.
pub(super) fn accept(fields: &HeaderMap) -> Option<HeaderValue> {
    let key = fields.get(header::SEC_WEBSOCKET_KEY)?.as_bytes();
    if STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_standards_example() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let fields = HeaderMap::from_iter([(header::SEC_WEBSOCKET_KEY, key)]);
        assert_eq!(accept(&fields).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn without_a_proper_key_there_is_none() {
        assert_eq!(accept(&HeaderMap::new()), None);
        let short = HeaderMap::from_iter([(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("c2hvcnQ="))]);
        assert_eq!(accept(&short), None);
    }
}

//! How a caller is asked to prove who it is.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Empty;
use penstock_domain::Error;
use penstock_http::{Body, body};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What may not stand in a query's value as it is.
const QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>');

/// The longest target that a login leads back to.
const LONGEST: usize = 2048;

/// Whether a person looks at a page here, who can be shown another one.
pub(super) fn is_page(head: &Parts) -> bool {
    let shows_pages = |value: &HeaderValue| value.to_str().is_ok_and(|kinds| kinds.contains("text/html"));
    matches!(head.method, Method::GET | Method::HEAD)
        && head.headers.get_all(header::ACCEPT).iter().any(shows_pages)
}

/// To the login page, and back here afterwards.
pub(super) fn to_login(head: &Parts) -> Response<Body> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let then = if target.len() > LONGEST { "/" } else { target };
    let location = format!("/.penstock/login?next={}", utf8_percent_encode(then, QUERY));
    let mut response = Response::new(body::any(Empty::new()));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(location) = HeaderValue::try_from(location) {
        fields.insert(header::LOCATION, location);
    }
    response
}

/// The problem, with the ways to prove oneself (RFC 9110 §11.6.1). Not Basic for scripts of pages: their browser would
/// ask for a password in a window of its own.
pub(super) fn unauthenticated(error: &Error, asked: &HeaderMap) -> Response<Body> {
    let mut response = body::problem(error);
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if !asked.contains_key("sec-fetch-mode") {
        fields.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Basic realm="Penstock", charset="UTF-8""#),
        );
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use penstock_domain::{Code, Side};

    use super::*;

    fn head(method: &str, target: &str, accept: &str) -> Parts {
        Request::builder()
            .method(method)
            .uri(target)
            .header("accept", accept)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn people_are_led_to_a_page_and_programs_are_not() {
        let browsers = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert!(is_page(&head("GET", "/", browsers)));
        assert!(is_page(&head("HEAD", "/", browsers)));
        assert!(!is_page(&head("POST", "/", browsers)));
        assert!(!is_page(&head("GET", "/", "*/*")));
        assert!(!is_page(&head("GET", "/", "application/json")));
    }

    #[test]
    fn a_login_leads_back() {
        let long = format!("/{}", "x".repeat(LONGEST));
        for (target, location) in [
            ("/", "/.penstock/login?next=/"),
            ("/a%20b?x=1&y=%26", "/.penstock/login?next=/a%2520b?x=1%26y=%2526"),
            ("https://shop.example/a", "/.penstock/login?next=/a"),
            (long.as_str(), "/.penstock/login?next=/"),
        ] {
            let response = to_login(&head("GET", target, "text/html"));
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            assert_eq!(response.headers().get(header::LOCATION).unwrap(), location);
        }
    }

    #[test]
    fn scripts_of_pages_are_not_asked_for_a_password() {
        let error = Error::new(Code::Unauthenticated, Side::Client, "log in");
        let mut asked = HeaderMap::new();
        let ways = |asked: &HeaderMap| {
            unauthenticated(&error, asked).headers().get_all(header::WWW_AUTHENTICATE).iter().count()
        };
        assert_eq!(ways(&asked), 2);
        asked.insert("sec-fetch-mode", HeaderValue::from_static("cors"));
        assert_eq!(ways(&asked), 1);
    }
}

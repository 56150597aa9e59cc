//! What a caller shows to an app that identifies its callers.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, header};

/// The cookie that a login by browser leaves.
const COOKIE: &str = "penstock_app";

/// What our tokens begin with, of people and of service accounts. Other credentials are between caller and app.
const PREFIXES: [&str; 2] = ["pst_", "pss_"];

/// Longer ones are nobody's.
const LONGEST: usize = 512;

/// Removes our cookie, which no app may see, and returns the token in it.
pub(super) fn take_cookie(headers: &mut HeaderMap) -> Option<String> {
    if !headers.get_all(header::COOKIE).iter().any(|cookies| holds_ours(cookies.as_bytes())) {
        return None;
    }
    let mut token = None;
    let mut others = Vec::new();
    for cookie in
        headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|&b| b == b';'))
    {
        let cookie = cookie.trim_ascii();
        match cookie.strip_prefix(COOKIE.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            Some(value) => token = token.or_else(|| std::str::from_utf8(value).ok().and_then(known)),
            None if cookie.is_empty() => {}
            None => others.push(cookie.to_vec()),
        }
    }
    headers.remove(header::COOKIE);
    if let Ok(value) = HeaderValue::from_bytes(&others.join(b"; ".as_slice()))
        && !others.is_empty()
    {
        headers.insert(header::COOKIE, value);
    }
    token
}

/// Removes `Authorization` if it is one of our tokens, and returns it: as a bearer's, or as anybody's password.
pub(super) fn take_authorization(headers: &mut HeaderMap) -> Option<String> {
    let token = headers.get_all(header::AUTHORIZATION).iter().find_map(token)?;
    headers.remove(header::AUTHORIZATION);
    Some(token)
}

fn token(value: &HeaderValue) -> Option<String> {
    let (scheme, credential) = value.to_str().ok()?.split_once(' ')?;
    let credential = credential.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return known(credential);
    }
    if !scheme.eq_ignore_ascii_case("basic") || credential.len() > 2 * LONGEST {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(credential).ok()?).ok()?;
    known(pair.split_once(':')?.1)
}

fn known(token: &str) -> Option<String> {
    let ours = PREFIXES.iter().any(|prefix| token.starts_with(prefix));
    (ours && token.len() <= LONGEST).then(|| token.to_owned())
}

fn holds_ours(cookies: &[u8]) -> bool {
    cookies.windows(COOKIE.len()).any(|window| window == COOKIE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn our_cookie_is_taken_and_the_others_stay() {
        for (lines, token, left) in [
            (&["penstock_app=pst_a"][..], Some("pst_a"), None),
            (&["a=1; penstock_app=pst_a;b=2"], Some("pst_a"), Some("a=1; b=2")),
            (&["a=1", "penstock_app=pst_a", "b=2"], Some("pst_a"), Some("a=1; b=2")),
            (&["penstock_app=x; penstock_app=pst_b; penstock_app=pst_c"], Some("pst_b"), None),
            (&["penstock_app=stale; a=1"], None, Some("a=1")),
            (
                &["xpenstock_app=pst_a; penstock_apps=pst_a"],
                None,
                Some("xpenstock_app=pst_a; penstock_apps=pst_a"),
            ),
            (&["a=1;  b=2"], None, Some("a=1;  b=2")),
            (&[], None, None),
        ] {
            let mut headers = headers(header::COOKIE, lines);
            assert_eq!(take_cookie(&mut headers).as_deref(), token, "{lines:?}");
            assert_eq!(headers.get(header::COOKIE).map(|value| value.to_str().unwrap()), left, "{lines:?}");
        }
    }

    #[test]
    fn a_token_is_taken_from_authorization_and_nothing_else_is() {
        // "me@example.com:pst_a", ":pst_a", "me:secret"
        for (value, token) in [
            ("Bearer pst_a", Some("pst_a")),
            ("bearer  pst_a ", Some("pst_a")),
            ("Bearer pss_a", Some("pss_a")),
            ("Basic bWVAZXhhbXBsZS5jb206cHN0X2E=", Some("pst_a")),
            ("basic OnBzdF9h", Some("pst_a")),
            ("Basic bWU6c2VjcmV0", None),
            ("Basic =", None),
            ("Bearer eyJ", None),
            ("pst_a", None),
        ] {
            let mut headers = headers(header::AUTHORIZATION, &[value]);
            assert_eq!(take_authorization(&mut headers).as_deref(), token, "{value}");
            assert_eq!(headers.is_empty(), token.is_some(), "{value}");
        }
        let long = format!("Bearer pst_{}", "x".repeat(LONGEST));
        assert_eq!(take_authorization(&mut headers(header::AUTHORIZATION, &[&long])), None);
    }
}

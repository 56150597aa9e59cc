//! What to do about a forward proxy that does not let this side through.

use http::{Response, StatusCode, header};

pub(super) const DEAD: &str = "is HTTPS_PROXY its address? NO_PROXY names what is reached without it";

pub(super) const NO_TLS: &str = "is it http:// in HTTPS_PROXY? The system's roots vouch for an https:// proxy, or those \
                                 in the file that SSL_CERT_FILE names";

pub(super) const NO_HTTP: &str =
    "does HTTPS_PROXY name a forward proxy, its port, and http:// or https:// as it is?";

pub(super) fn unreachable(target: &str) -> String {
    format!("can it resolve and reach {target} itself? NO_PROXY names what is reached without it")
}

/// By the status, and by whether a name and a password were shown.
pub(super) fn hint<B>(target: &str, response: &Response<B>, authorized: bool) -> String {
    match response.status() {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if !takes_basic(response) => {
            "it does not take a name and a password (Basic), and nothing else is spoken here: have its \
             administrator let this machine through, or enable Basic"
                .into()
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if authorized => {
            "it does not take the name and password in HTTPS_PROXY; %-encode what is no letter or digit"
                .into()
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "write name and password into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT".into()
        }
        StatusCode::FORBIDDEN => format!(
            "its rules forbid CONNECT to {target}: have its administrator allow it, many allow port 443 alone"
        ),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            unreachable(target)
        }
        _ => NO_HTTP.into(),
    }
}

fn takes_basic<B>(response: &Response<B>) -> bool {
    response.headers().get_all(header::PROXY_AUTHENTICATE).iter().any(|challenge| {
        challenge.to_str().is_ok_and(|text| {
            text.split(',').any(|each| {
                each.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, challenge: &str) -> Response<()> {
        Response::builder().status(status).header(header::PROXY_AUTHENTICATE, challenge).body(()).unwrap()
    }

    #[test]
    fn a_credential_is_asked_for_doubted_or_useless() {
        let told = |challenge, authorized| hint("gw:443", &answer(407, challenge), authorized);
        assert!(told("Basic realm=\"x\"", false).contains("NAME:PASSWORD"));
        assert!(told("Negotiate, BASIC realm=\"x\"", true).contains("does not take the name"));
        for other in ["Negotiate", "NTLM", ""] {
            assert!(told(other, true).contains("nothing else is spoken"), "{other}");
        }
    }

    #[test]
    fn what_it_forbids_and_what_it_cannot_reach_names_the_target() {
        for status in [403, 502, 503, 504] {
            assert!(hint("gw:443", &answer(status, ""), false).contains("gw:443"), "{status}");
        }
        assert_eq!(hint("gw:443", &answer(404, ""), false), NO_HTTP);
    }
}

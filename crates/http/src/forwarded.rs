//! What proxies say of who asked them: `Forwarded` (RFC 7239) and `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! Callers write these fields, too. Nothing here is believed yet: [`crate::caller`] does that.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The longest host that is taken (RFC 1035 §2.3.4), with a port.
const HOST_BYTES: usize = 253 + 6;

/// What one proxy says of the request that it was sent. What cannot be read is not there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    /// Who sent it; port 0 if none is told.
    pub address: Option<SocketAddr>,
    /// Whether by TLS.
    pub tls: Option<bool>,
    /// Which host it was for.
    pub host: Option<String>,
}

/// What the proxies on the way say in `X-Forwarded-For`, the nearest first, each with what the other two fields say
/// of it; nothing if none of the three is there.
pub(crate) fn x_forwarded(headers: &HeaderMap) -> Option<Vec<Told>> {
    let [callers, protos, hosts] = [FOR, PROTO, HOST].map(|name| nearest_first(headers, &name));
    if callers.is_empty() && protos.is_empty() && hosts.is_empty() {
        return None;
    }
    // A field with as many values as there are callers is about each of them; otherwise about the whole way.
    let count = callers.len().max(1);
    let of = |values: &[&str], at: usize| {
        let at = if values.len() == count { at } else { 0 };
        values.get(at).map(|&value| value.to_owned())
    };
    let told = |at: usize| Told {
        address: callers.get(at).and_then(|text| address(text)),
        tls: of(&protos, at).and_then(|text| tls(&text)),
        host: of(&hosts, at).and_then(|text| host(&text)),
    };
    Some((0..count).map(told).collect())
}

/// What they say in `Forwarded`, the nearest first, as far as it can be read; nothing if there is none.
pub(crate) fn forwarded(headers: &HeaderMap) -> Option<Vec<Told>> {
    let mut all = Vec::new();
    for line in headers.get_all(header::FORWARDED).iter().rev() {
        let Some(elements) = line.to_str().ok().and_then(elements) else {
            // Who wrote the lines before it is not known any more.
            all.push(Told::default());
            break;
        };
        all.extend(elements.into_iter().rev());
    }
    (!all.is_empty()).then_some(all)
}

fn nearest_first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let text = |value: &'a HeaderValue| value.to_str().unwrap_or("?");
    headers.get_all(name).iter().rev().flat_map(|value| text(value).rsplit(',')).map(str::trim).collect()
}

/// The elements of one `Forwarded` field (RFC 7239 §4); none if it breaks the grammar.
fn elements(line: &str) -> Option<Vec<Told>> {
    split(line, ',')?.into_iter().filter(|text| !text.is_empty()).map(element).collect()
}

fn element(text: &str) -> Option<Told> {
    let mut told = Told::default();
    let mut seen = Vec::new();
    for pair in split(text, ';')?.into_iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.to_ascii_lowercase(), unquoted(value)?);
        match name.as_str() {
            "for" => told.address = address(&value),
            "proto" => told.tls = tls(&value),
            "host" => told.host = host(&value),
            _ => {}
        }
        // §4: a parameter occurs once.
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(told)
}

/// The parts between separators that are not quoted; none if a quote is left open.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c| {
        let literal = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !literal => escaped = true,
            '"' if !literal => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    });
    let parts: Vec<_> = parts.map(str::trim).collect();
    (!quoted).then_some(parts)
}

/// A token or the text of a quoted string (RFC 9110 §5.6.4).
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains(['"', ' ', '\t'])).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut chars = rest.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    Some(text)
}

/// An address with or without a port, IPv6 with or without brackets. `unknown` and hidden names (RFC 7239 §6.2,
/// §6.3) are none.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let bare: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(SocketAddr::new(IpAddr::V6(bare).to_canonical(), 0))
}

fn tls(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

fn host(text: &str) -> Option<String> {
    if text.len() > HOST_BYTES || text.contains('@') {
        return None;
    }
    text.parse::<Authority>().ok().map(|host| host.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn told(address: &str, tls: Option<bool>, host: Option<&str>) -> Told {
        Told { address: address.parse().ok(), tls, host: host.map(str::to_owned) }
    }

    #[test]
    fn addresses_come_in_many_shapes() {
        for (text, address) in [
            ("192.0.2.7", Some("192.0.2.7:0")),
            ("192.0.2.7:4242", Some("192.0.2.7:4242")),
            ("2001:db8::7", Some("[2001:db8::7]:0")),
            ("[2001:db8::7]", Some("[2001:db8::7]:0")),
            ("[2001:db8::7]:4242", Some("[2001:db8::7]:4242")),
            ("::ffff:192.0.2.7", Some("192.0.2.7:0")),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2.7:_obfuscated", None),
            ("192.0.2", None),
            ("192.0.2.07", None),
            ("[192.0.2.7]", None),
            ("192.0.2.7:65536", None),
            ("", None),
        ] {
            assert_eq!(super::address(text), address.map(|text| text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_nearest_proxy_comes_first() {
        let fields = headers(&[
            ("x-forwarded-for", "192.0.2.7, 10.0.0.1:80"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(
            x_forwarded(&fields).unwrap(),
            ["10.0.0.2:0", "10.0.0.1:80", "192.0.2.7:0"].map(|from| told(from, Some(true), None))
        );
        let fields = headers(&[
            ("forwarded", "for=192.0.2.7;proto=https"),
            ("forwarded", "for=10.0.0.1, for=10.0.0.2"),
        ]);
        assert_eq!(
            forwarded(&fields).unwrap(),
            [
                told("10.0.0.2:0", None, None),
                told("10.0.0.1:0", None, None),
                told("192.0.2.7:0", Some(true), None)
            ]
        );
    }

    #[test]
    fn as_many_values_as_callers_are_about_each_of_them() {
        let fields = headers(&[
            ("x-forwarded-for", "192.0.2.7, 10.0.0.1"),
            ("x-forwarded-proto", "HTTPS, http"),
            ("x-forwarded-host", "shop.example:443"),
        ]);
        assert_eq!(
            x_forwarded(&fields).unwrap(),
            [
                told("10.0.0.1:0", Some(false), Some("shop.example:443")),
                told("192.0.2.7:0", Some(true), Some("shop.example:443"))
            ]
        );
        assert_eq!(
            x_forwarded(&headers(&[("x-forwarded-proto", "https")])).unwrap(),
            [told("", Some(true), None)]
        );
        assert_eq!(x_forwarded(&headers(&[("host", "a")])), None);
    }

    #[test]
    fn the_grammar_of_rfc_7239() {
        for (line, found) in [
            (r#"For="[2001:db8:cafe::17]:4711""#, vec![told("[2001:db8:cafe::17]:4711", None, None)]),
            (
                r#"for=192.0.2.60; proto=http;by=203.0.113.43;host="a.example:8080""#,
                vec![told("192.0.2.60:0", Some(false), Some("a.example:8080"))],
            ),
            (
                r#"for="_gaze\"t, x=;y", , for=192.0.2.43"#,
                vec![told("", None, None), told("192.0.2.43:0", None, None)],
            ),
            ("for=unknown;;secret=a=b", vec![told("", None, None)]),
        ] {
            assert_eq!(elements(line), Some(found), "{line}");
        }
        for line in [
            r#"for="192.0.2.1"#,
            r#"for="192.0.2.1, for=192.0.2.2"#,
            r#"for="a"b""#,
            r#"for="a\"#,
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1 proto=http",
            "192.0.2.1",
        ] {
            assert_eq!(elements(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_hides_those_before_it() {
        let fields = headers(&[
            ("forwarded", "for=192.0.2.1"),
            ("forwarded", r#"for="192.0.2.2"#),
            ("forwarded", "for=192.0.2.3"),
        ]);
        assert_eq!(forwarded(&fields).unwrap(), [told("192.0.2.3:0", None, None), Told::default()]);
    }

    #[test]
    fn hosts_and_schemes_are_checked() {
        for bad in ["", "user@host", "a/b", "a b", "a:b:c"] {
            assert_eq!(host(bad), None, "{bad}");
        }
        assert_eq!(host(&"a".repeat(HOST_BYTES + 1)), None);
        assert_eq!((tls("wss"), tls("HTTP"), tls("gopher")), (Some(true), Some(false), None));
    }
}

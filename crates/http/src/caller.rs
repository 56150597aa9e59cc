//! Who calls: the connection's other end, or whom the proxies that are trusted name.

use std::{net::IpAddr, sync::Arc};

use http::HeaderMap;
use ipnet::IpNet;

use crate::{
    Peer,
    forwarded::{self, Told},
};

/// Whether an address lies in one of these networks.
pub(crate) fn within(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

/// The caller of one request, on a connection of a trusted proxy.
///
/// Callers write the same fields and proxies append to them, so the list is read from its end: the first address that
/// is not a trusted proxy's is the caller's. Many proxies write one of the two kinds and pass the other on as it came;
/// where the kinds name different callers, neither is believed.
pub(crate) fn caller(peer: &Arc<Peer>, headers: &HeaderMap, trusted: &[IpNet]) -> Arc<Peer> {
    let told = [forwarded::x_forwarded(headers), forwarded::forwarded(headers)];
    let [x_forwarded, forwarded] = told.map(|hops| hops.map(|hops| first_untrusted(hops, trusted)));
    let told = match (x_forwarded, forwarded) {
        (None, None) => return Arc::clone(peer),
        (Some(told), None) | (None, Some(told)) => told,
        (Some(one), Some(other)) => match (one.address, other.address) {
            (Some(a), Some(b)) if a.ip() != b.ip() => {
                tracing::debug!(target: "penstock::listener", peer = %peer.address, x_forwarded_for = %a.ip(), forwarded = %b.ip(), "a proxy names two callers; neither is believed");
                return Arc::clone(peer);
            }
            (None, Some(_)) => other,
            _ => one,
        },
    };
    Arc::new(Peer {
        address: told.address.unwrap_or(peer.address),
        tls: told.tls.unwrap_or(peer.tls),
        host: told.host,
        ..Peer::clone(peer)
    })
}

/// The last hop that a trusted proxy vouches for. What stands before an address that cannot be read is anybody's.
fn first_untrusted(hops: Vec<Told>, trusted: &[IpNet]) -> Told {
    let mut found: Option<Told> = None;
    for hop in hops {
        match (&mut found, hop.address) {
            (None, None) => return hop,
            (Some(_), None) => break,
            (_, Some(address)) => {
                found = Some(hop);
                if !within(trusted, address.ip()) {
                    break;
                }
            }
        }
    }
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1:1000";

    fn peer() -> Arc<Peer> {
        let address = PROXY.parse().unwrap();
        Arc::new(Peer { address, tls: false, server_name: None, certificate: None, host: None })
    }

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    fn asked(fields: &[(&'static str, &str)]) -> Arc<Peer> {
        let fields = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        caller(&peer(), &headers, &trusted())
    }

    fn named(fields: &[(&'static str, &str)]) -> String {
        asked(fields).name()
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_caller() {
        for (value, caller) in [
            ("192.0.2.7", "192.0.2.7"),
            ("198.51.100.9, 192.0.2.7", "192.0.2.7"),
            ("198.51.100.9, 192.0.2.7, 10.0.0.3, 10.0.0.2", "192.0.2.7"),
            ("2001:db8::7, fd00::1", "2001:db8::7"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("192.0.2.7:4242", "192.0.2.7:4242"),
        ] {
            assert_eq!(named(&[("x-forwarded-for", value)]), caller, "{value}");
        }
        assert_eq!(
            named(&[("forwarded", "for=198.51.100.9, for=192.0.2.7;proto=https, for=10.0.0.2")]),
            "192.0.2.7"
        );
    }

    #[test]
    fn garbage_and_what_stands_before_it_are_not_believed() {
        for (value, caller) in [
            ("192.0.2.7, unknown", PROXY),
            ("192.0.2.7, _hidden, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.7, ", PROXY),
            ("192.0.2.7 198.51.100.9", PROXY),
            ("<script>", PROXY),
        ] {
            assert_eq!(named(&[("x-forwarded-for", value)]), caller, "{value}");
        }
        assert_eq!(named(&[("forwarded", r#"for="192.0.2.7"#)]), PROXY);
        assert_eq!(named(&[]), PROXY);
    }

    #[test]
    fn scheme_and_host_are_the_callers_own() {
        let caller =
            asked(&[("forwarded", "for=192.0.2.7;proto=https;host=shop.example, for=10.0.0.2;proto=http")]);
        assert_eq!((caller.tls, caller.host.as_deref()), (true, Some("shop.example")));
        let caller = asked(&[("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example")]);
        assert_eq!((caller.tls, caller.host.as_deref()), (true, Some("shop.example")));
        assert_eq!(caller.name(), PROXY);
        assert!(!asked(&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "gopher")]).tls);
    }

    #[test]
    fn two_kinds_that_differ_are_both_a_lie() {
        let both = |x, f| named(&[("x-forwarded-for", x), ("forwarded", f)]);
        assert_eq!(both("192.0.2.7", "for=192.0.2.7:4242"), "192.0.2.7");
        assert_eq!(both("192.0.2.7", "for=198.51.100.9"), PROXY);
        assert_eq!(both("192.0.2.7", "for=unknown"), "192.0.2.7");
        assert_eq!(both("garbage", "for=192.0.2.7"), "192.0.2.7");
    }

    proptest! {
        /// Whatever a caller writes, the proxy that appends its address to it is the one that is believed.
        #[test]
        fn a_caller_cannot_name_another(words in "[ -~]{0,80}", lines in prop::bool::ANY) {
            let forged = [words.as_str(), "198.51.100.9", "for=198.51.100.9"];
            for forged in forged {
                let appended = format!("{forged}, 192.0.2.7");
                let fields = [("x-forwarded-for", forged), ("x-forwarded-for", "192.0.2.7")];
                let one = [("x-forwarded-for", appended.as_str())];
                prop_assert_eq!(named(if lines { &fields } else { &one }), "192.0.2.7");
                let appended = format!("{forged}, for=192.0.2.7");
                let fields = [("forwarded", forged), ("forwarded", "for=192.0.2.7")];
                let one = [("forwarded", appended.as_str())];
                let found = named(if lines { &fields } else { &one });
                prop_assert!(["192.0.2.7", PROXY].contains(&found.as_str()), "{}", found);
            }
        }
    }
}

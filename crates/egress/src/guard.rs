//! The address guard: which resolved addresses may be dialled at all, whoever asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::config;

/// Judges addresses. Without exceptions only globally reachable unicast addresses pass.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Guard {
    /// A guard with these exceptions.
    #[must_use]
    pub fn new(config: &config::Guard) -> Self {
        Self { allow: config.allow.clone(), deny: config.deny.clone() }
    }

    /// Whether an address may be dialled.
    ///
    /// # Errors
    /// The name of the range that forbids it.
    pub fn check(&self, ip: IpAddr) -> Result<(), &'static str> {
        let ip = ip.to_canonical();
        let inner = embedded(ip);
        let holds = |net: &IpNet| net.contains(&ip) || inner.is_some_and(|inner| net.contains(&inner));
        if self.deny.iter().any(holds) {
            return Err("denied by the configuration");
        }
        let metadata = is_metadata(ip) || inner.is_some_and(is_metadata);
        let allows =
            |net: &&IpNet| net.contains(&ip) && (!metadata || net.prefix_len() == net.max_prefix_len());
        if self.allow.iter().any(|net| allows(&net)) {
            return Ok(());
        }
        if metadata {
            return Err("metadata");
        }
        match (range(ip), inner.map(range)) {
            (Some(name), _) | (None, Some(Some(name))) => Err(name),
            (None, _) => Ok(()),
        }
    }
}

/// The IPv4 address that a translator would reach for an IPv6 one: NAT64 (RFC 6052).
fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = ip else { return None };
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = ip.segments() else { return None };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

/// The metadata services of AWS, Google, Azure, Alibaba and Oracle.
fn is_metadata(ip: IpAddr) -> bool {
    const V4: [Ipv4Addr; 6] = [
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(169, 254, 170, 2),
        Ipv4Addr::new(169, 254, 170, 23),
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    const V6: [Ipv6Addr; 3] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    match ip {
        IpAddr::V4(ip) => V4.contains(&ip),
        IpAddr::V6(ip) => V6.contains(&ip),
    }
}

/// The special range that an address is in (IANA's special-purpose registries, RFC 6890); none if it is
/// public.
fn range(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => range_v4(ip),
        IpAddr::V6(ip) => range_v6(ip),
    }
}

fn range_v4(ip: Ipv4Addr) -> Option<&'static str> {
    Some(match ip.octets() {
        [0, ..] => "this network",
        [127, ..] => "loopback",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "shared",
        [169, 254, ..] => "link-local",
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => "reserved",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "documentation",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn range_v6(ip: Ipv6Addr) -> Option<&'static str> {
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "this network",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => return None,
        [0x64, 0xff9b, 1, ..] => "local translation",
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => "private",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xff00..=0xffff, ..] => "multicast",
        [0x2001, 0, ..] => "Teredo",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "documentation",
        [0x2001, 0..=0x1ff, ..] => "reserved",
        [0x2002, ..] => "6to4",
        // ISATAP (RFC 5214 §6.1): the last half is 0[2]00:5efe and an IPv4 address.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => "ISATAP",
        [0x2000..=0x3fff, ..] => return None,
        _ => "reserved",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guard(allow: &[&str], deny: &[&str]) -> Guard {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Guard { allow: nets(allow), deny: nets(deny) }
    }

    #[test]
    fn every_special_range_is_denied_in_every_spelling() {
        for (text, name) in [
            ("0.0.0.0", "this network"),
            ("0.1.2.3", "this network"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("10.0.0.1", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "shared"),
            ("100.127.255.255", "shared"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("169.254.170.2", "metadata"),
            ("100.100.100.200", "metadata"),
            ("168.63.129.16", "metadata"),
            ("192.0.0.192", "metadata"),
            ("192.0.0.1", "reserved"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "reserved"),
            ("198.18.0.1", "reserved"),
            ("198.19.255.255", "reserved"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "this network"),
            ("::1", "loopback"),
            ("::127.0.0.1", "reserved"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "metadata"),
            ("::ffff:10.0.0.1", "private"),
            ("64:ff9b::127.0.0.1", "loopback"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b::169.254.169.254", "metadata"),
            ("64:ff9b:1::1", "local translation"),
            ("100::1", "reserved"),
            ("2001::1", "Teredo"),
            ("2001:10::1", "reserved"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("2002:808:808::", "6to4"),
            ("3fff::1", "documentation"),
            ("5f00::1", "reserved"),
            ("fc00::1", "private"),
            ("fd00::1", "private"),
            ("fd00:ec2::254", "metadata"),
            ("fd20:ce::254", "metadata"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
            ("2a00::5efe:7f00:1", "ISATAP"),
        ] {
            assert_eq!(Guard::default().check(ip(text)), Err(name), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(Guard::default().check(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn exceptions_hold_and_denials_are_stronger() {
        let some = guard(&["10.1.0.0/16", "127.0.0.0/8", "::1/128"], &["10.1.2.0/24", "8.8.8.0/24"]);
        for text in ["10.1.0.1", "127.0.0.1", "::ffff:10.1.0.1", "::1"] {
            assert_eq!(some.check(ip(text)), Ok(()), "{text}");
        }
        for text in
            ["10.2.0.1", "10.1.2.3", "::ffff:10.1.2.3", "8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::10.1.0.1"]
        {
            assert!(some.check(ip(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_must_be_named_exactly() {
        let wide = guard(&["0.0.0.0/0", "169.254.0.0/16", "::/0"], &[]);
        for text in ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "fd00:ec2::254"]
        {
            assert_eq!(wide.check(ip(text)), Err("metadata"), "{text}");
        }
        assert_eq!(guard(&["169.254.169.254/32"], &[]).check(ip("::ffff:169.254.169.254")), Ok(()));
    }

    proptest! {
        #[test]
        fn mapping_and_translating_change_no_verdict(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let verdict = Guard::default().check(IpAddr::V4(v4));
            prop_assert_eq!(Guard::default().check(IpAddr::V6(v4.to_ipv6_mapped())), verdict);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let translated = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            prop_assert_eq!(Guard::default().check(IpAddr::V6(translated)), verdict);
        }

        #[test]
        fn nothing_outside_global_unicast_passes(bits: u128) {
            let v6 = Ipv6Addr::from(bits);
            if Guard::default().check(IpAddr::V6(v6)).is_ok() {
                let [first, ..] = v6.segments();
                prop_assert!((0x2000..=0x3fff).contains(&first) || first == 0x64 || v6.to_ipv4_mapped().is_some());
            }
        }
    }
}

//! Addresses that people write.

use penstock_link::Endpoint;
use penstock_relay::Allow;

/// A gateway's address, and an allow-list's rule.
pub(crate) fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(endpoint) = Endpoint::parse(text, false) {
        assert!(!endpoint.host.is_empty(), "it names nobody");
        assert!(endpoint.tls || endpoint.is_loopback(), "plaintext that leaves this machine");
    }
    // What it allows is private; that it can be read or not is all that is asked.
    let _read = Allow::parse(&[text]);
}

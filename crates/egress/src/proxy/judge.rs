//! Whether a caller may reach a destination, and at which of its addresses.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use super::exchange::Exchange;
use crate::{
    access::ms,
    meter::{Meter, now_ms},
    policy::{Ask, Decision},
    refusal::Refusal,
    shared::Shared,
    snapshot::Snapshot,
    target::{Host, Target},
};

/// A favourable judgement.
#[derive(Debug)]
pub(super) struct Judged {
    pub decision: Decision,
    /// The addresses that may be dialled, if the judgement depended on them.
    pub addresses: Option<Vec<SocketAddr>>,
    /// Whether the address guard holds.
    pub guarded: bool,
}

impl Judged {
    /// Whether a connection to this address may be used.
    pub(super) fn may(&self, snapshot: &Snapshot, ip: IpAddr) -> bool {
        (!self.guarded || snapshot.guard.check(ip).is_ok())
            && self.addresses.as_ref().is_none_or(|all| all.iter().any(|address| address.ip() == ip))
    }
}

/// Judges a request; limits are counted, budgets opened.
pub(super) async fn judge(
    shared: &Shared,
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    guarded: bool,
    exchange: &mut Exchange,
) -> Result<Judged, Refusal> {
    let target = ask.target;
    let mut addresses = None;
    let decision = match snapshot.rules.decide(ask, target.host.address()) {
        Some(decision) => decision,
        None => {
            let resolved = Box::pin(resolve(shared, snapshot, target, guarded, exchange)).await?;
            let (decision, allowed) = by_address(snapshot, ask, resolved);
            addresses = Some(allowed);
            decision
        }
    };
    exchange.access.rule =
        Some(decision.rule.as_ref().map_or_else(|| "default".into(), |rule| Arc::clone(&rule.name)));
    if !decision.allowed {
        return Err(Refusal::denied(&decision, target));
    }
    if let Some(rule) = &decision.rule {
        let admitted = rule.admit(&ask.caller.name, &target.host.text(), now_ms());
        let spending = admitted.map_err(|exceeded| Refusal::exceeded(&exceeded))?;
        if !spending.is_free() {
            exchange.meter = Arc::new(Meter::new(spending));
        }
    }
    Ok(Judged { decision, addresses, guarded })
}

/// Each address is decided on its own. The first that is allowed speaks for all that are.
fn by_address(snapshot: &Snapshot, ask: &Ask<'_>, resolved: Vec<SocketAddr>) -> (Decision, Vec<SocketAddr>) {
    let mut first: Option<Decision> = None;
    let mut allowed = Vec::new();
    for address in resolved {
        let Some(decision) = snapshot.rules.decide(ask, Some(address.ip())) else { continue };
        if decision.allowed {
            allowed.push(address);
        }
        if first.as_ref().is_none_or(|first| decision.allowed && !first.allowed) {
            first = Some(decision);
        }
    }
    (first.unwrap_or_else(Decision::none), allowed)
}

/// The addresses of a destination that the guard lets pass.
pub(super) async fn resolve(
    shared: &Shared,
    snapshot: &Snapshot,
    target: &Target,
    guarded: bool,
    exchange: &mut Exchange,
) -> Result<Vec<SocketAddr>, Refusal> {
    let addresses: Arc<[IpAddr]> = match &target.host {
        Host::Address(ip) => Arc::new([*ip]),
        Host::Name(name) => {
            let since = Instant::now();
            let looked = snapshot.dns.lookup(name).await;
            exchange.access.timings.dns = Some(ms(since));
            let found = looked.map_err(|fault| Refusal::unresolved(target, &fault))?;
            exchange.access.resolved = found.to_vec();
            found
        }
    };
    checked(shared, snapshot, target, guarded, &addresses)
}

fn checked(
    shared: &Shared,
    snapshot: &Snapshot,
    target: &Target,
    guarded: bool,
    addresses: &[IpAddr],
) -> Result<Vec<SocketAddr>, Refusal> {
    let mut refused = None;
    let mut passed = Vec::with_capacity(addresses.len());
    for ip in addresses {
        let address = SocketAddr::new(ip.to_canonical(), target.port);
        let checked = match snapshot.guard.check(address.ip()) {
            _ if shared.is_own(address) => Err("this proxy itself"),
            Err(range) if guarded => Err(range),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => passed.push(address),
            Err(range) => {
                shared.dns_stats.address_filter_out.add(1);
                refused.get_or_insert(range);
            }
        }
    }
    match refused {
        Some(range) if passed.is_empty() => Err(Refusal::prohibited(target, range)),
        _ => Ok(passed),
    }
}

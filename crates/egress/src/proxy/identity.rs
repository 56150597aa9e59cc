//! Who calls, remembered for a moment on each connection.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, Request, header};
use penstock_domain::{Code, Error};
use penstock_http::Peer;

use crate::{
    callers::{Caller, Credential, Proof, unauthenticated},
    meter::now_ms,
    refusal::Refusal,
    shared::Shared,
    snapshot::Snapshot,
};

/// How long: a change or a revocation holds within this.
const REMEMBERED: Duration = Duration::from_millis(500);

/// The last answer on one connection.
#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    authorization: Option<HeaderValue>,
    caller: Caller,
    at: Instant,
}

impl Identities {
    /// The caller of a request.
    pub(super) async fn of<B>(
        &self,
        shared: &Shared,
        snapshot: &Snapshot,
        request: &Request<B>,
        peer: &Peer,
    ) -> Result<Caller, Refusal> {
        let authorization = request.headers().get(header::PROXY_AUTHORIZATION);
        if let Some(caller) = self.known(authorization) {
            return Ok(caller);
        }
        let caller = Box::pin(identify(shared, snapshot, authorization, peer)).await.map_err(|error| {
            match error.code {
                Code::Unauthenticated => Refusal::unauthenticated(error, &snapshot.config.callers.realm),
                _ => error.into(),
            }
        })?;
        let known =
            Known { authorization: authorization.cloned(), caller: caller.clone(), at: Instant::now() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(caller)
    }

    fn known(&self, authorization: Option<&HeaderValue>) -> Option<Caller> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.at.elapsed() < REMEMBERED)?;
        (known.authorization.as_ref() == authorization).then(|| known.caller.clone())
    }
}

async fn identify(
    shared: &Shared,
    snapshot: &Snapshot,
    authorization: Option<&HeaderValue>,
    peer: &Peer,
) -> Result<Caller, Error> {
    let certificate = peer.certificate.as_ref();
    let mut names = certificate.map(|certificate| certificate.names.clone()).unwrap_or_default();
    names.extend(certificate.and_then(|certificate| certificate.common_name.clone()));
    let proof = Proof {
        credential: authorization.map(Credential::parse).transpose()?,
        names,
        fingerprint: certificate.map(|certificate| certificate.fingerprint.clone()),
        address: peer.address.ip(),
    };
    let asked = match &shared.asked {
        Some(asked) => asked.identify(&proof).await?,
        None => None,
    };
    let caller = match asked {
        Some(caller) => Some(caller),
        None => snapshot.listed.identify(&proof, now_ms() / 1_000)?,
    };
    match caller {
        Some(caller) => Ok(caller),
        None if snapshot.config.callers.anonymous => Ok(Caller::anonymous()),
        None => Err(unauthenticated("this proxy wants to know who calls")),
    }
}

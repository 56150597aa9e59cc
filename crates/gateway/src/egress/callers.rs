//! The forward proxy's callers are the gateway's users and service accounts.

use std::sync::Arc;

use penstock_domain::{Call, Code, Error, Side, Visitor};
use penstock_egress::{Caller, Callers, Credential, Proof, Proven};
use tokio::{sync::Semaphore, time::timeout};

use crate::shared::Shared;

/// Decisions about callers that are asked for at once; more wait. Guessers of keys shall not starve sessions.
const ASKING: usize = 64;

/// Whoever has a token: the decider knows.
pub(super) struct Principals {
    shared: Arc<Shared>,
    asking: Semaphore,
}

impl Principals {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), asking: Semaphore::new(ASKING) }
    }
}

#[async_trait::async_trait]
impl Callers for Principals {
    async fn identify(&self, proof: &Proof) -> Result<Option<Caller>, Error> {
        let Some(credential) = &proof.credential else { return Ok(None) };
        let (name, token) = match credential {
            Credential::Basic { user, password } => (Some(user.clone()), password.clone()),
            Credential::Bearer { token } => (None, token.clone()),
        };
        let waited = timeout(self.shared.config.ask_timeout(), self.asking.acquire()).await;
        let _place = waited.map_err(|_| busy())?;
        let call = Call { name, token, peer: proof.address.to_string() };
        let visitor = self.shared.asker.call(&self.shared.metrics, call).await?;
        let Visitor { id, name, groups, token, expires_at } = visitor;
        let proven = Some(Proven { account: id.into(), id: token.into(), expires_at });
        Ok(Some(Caller { name: name.into(), groups: groups.into(), proven }))
    }
}

fn busy() -> Error {
    Error::new(Code::Limited, Side::Gateway, "too many callers are being identified")
        .hint("try again in a moment")
}

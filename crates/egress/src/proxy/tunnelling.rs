//! CONNECT.

use http::Request;
use hyper::body::Incoming;

use super::{Exchange, Granted, response::Outcome};
use crate::{refusal::Refusal, tunnel::Tunnel};

impl Granted<'_> {
    /// Opens the destination; the caller is told only when it has accepted.
    pub(super) async fn tunnel(
        &self,
        mut request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Outcome, Refusal> {
        let destination = self.enter(exchange)?;
        let (tcp, address, place) = self.dial(&destination, exchange).await?;
        self.note(&destination, address, false);
        let caller = hyper::upgrade::on(&mut request);
        let timeouts = &self.snapshot.config.timeouts;
        let rule = self.judged.decision.rule.as_ref();
        let tunnel = Tunnel {
            destination: tcp,
            place,
            name: self
                .snapshot
                .rules
                .requires_tls_name(&self.judged.decision)
                .then(|| self.host.host.text().into_owned()),
            hello_ms: timeouts.client_hello_ms,
            idle_ms: timeouts.tunnel_idle_ms,
            longest: rule.and_then(|rule| rule.tunnel),
        };
        Ok(Outcome::Tunnel { caller, tunnel: Box::new(tunnel) })
    }
}

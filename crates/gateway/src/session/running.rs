//! A session that has begun: its recording, its counters, its end.

use std::sync::Arc;

use penstock_domain::{Ended, Error, Event, Plan};

use super::{end::End, guard::guard, recording::Finished};
use crate::{
    registry::{Live, RegisteredSession},
    shared::Shared,
};

pub(crate) struct Running {
    pub shared: Arc<Shared>,
    pub plan: Arc<Plan>,
    registered: RegisteredSession,
}

impl Running {
    pub(crate) const fn new(shared: Arc<Shared>, plan: Arc<Plan>, registered: RegisteredSession) -> Self {
        Self { shared, plan, registered }
    }

    pub(crate) fn live(&self) -> &Live {
        &self.registered.0
    }

    /// Hands events to the kernel. What they tell of must not go onward before this returns.
    pub(crate) async fn record(&self, events: Vec<Event>) -> Result<(), Error> {
        self.live().recording.record(&events).await
    }

    /// Resolves when the session has to end.
    pub(crate) async fn guard(&self) -> End {
        guard(&self.plan, self.live()).await
    }

    /// Writes the end down: the recording's last record first, then the store.
    pub(crate) async fn finish(self, end: End) {
        let Self { shared, plan, registered } = self;
        let state = registered.0.state();
        let reason = end.error.map(|error| error.message);
        shared.metrics.session_ended(
            plan.protocol.name(),
            end.status,
            state.client_bytes,
            state.upstream_bytes,
            state.statements,
        );
        let event = Event::Ended {
            status: end.status,
            reason: reason.clone(),
            statements: state.statements,
            client_bytes: state.client_bytes,
            upstream_bytes: state.upstream_bytes,
        };
        let session = &plan.session;
        tracing::info!(target: "penstock::session", session, status = ?end.status, reason, "session over");
        let Finished { records, head, gap } = registered.0.recording.finish(session, &event).await;
        let ended = Ended {
            session: session.clone(),
            status: end.status,
            reason,
            statements: state.statements,
            client_bytes: state.client_bytes,
            upstream_bytes: state.upstream_bytes,
            records,
            head,
            gap,
        };
        if let Err(error) = shared.asker.ended(&shared.metrics, ended).await {
            // The recording stays where it is; the next start finds it.
            tracing::error!(target: "penstock::session", session, %error, "the end was not noted");
        }
        drop(registered);
    }
}

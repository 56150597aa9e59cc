//! What the gateway asks of an agent: open a target.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side, Target};
use penstock_link::{Incoming, Open};
use penstock_relay::{Allow, Meter, Socket, dial, splice};

use crate::state::State;

#[derive(Debug)]
pub(crate) struct Targets {
    allow: Allow,
    state: Arc<State>,
}

impl Targets {
    pub(crate) const fn new(allow: Allow, state: Arc<State>) -> Self {
        Self { allow, state }
    }

    pub(crate) async fn open(&self, mut incoming: Incoming) {
        let Some(Open::Target(target)) = incoming.open.clone() else {
            incoming.refuse(
                &Error::new(Code::NotFound, Side::Agent, "agents only open targets")
                    .hint("the gateway may be newer than this agent: upgrade the agent"),
            );
            return;
        };
        tokio::select! {
            socket = dial(&target, &self.allow) => match socket {
                Ok(socket) => self.relay(incoming, socket, &target).await,
                Err(error) => {
                    tracing::warn!(target: "penstock::agent", %target, %error, "target refused");
                    self.state.refused();
                    incoming.refuse(&error);
                }
            },
            () = incoming.gone() => {}
        }
    }

    async fn relay(&self, incoming: Incoming, socket: Socket, target: &Target) {
        let stream = match incoming.accept() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(target: "penstock::agent", %target, %error, "the gateway left");
                return;
            }
        };
        self.state.opened();
        let meter = Meter::default();
        let cut = splice(stream, socket, &meter).await.err();
        self.state.ended(&meter);
        tracing::debug!(
            target: "penstock::agent",
            %target,
            sent = meter.client(),
            received = meter.upstream(),
            cut = cut.map(tracing::field::display),
            "stream over"
        );
    }
}

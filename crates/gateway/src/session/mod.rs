//! A session, step by step (design §5).

mod end;
mod guard;
mod postgres;
mod recording;
mod running;
mod tcp;

use std::sync::Arc;

use penstock_domain::{Begin, Client, Code, Error, Event, Plan, Principal, Protocol, Side};
use penstock_link::{Incoming, Open};

pub(crate) use self::recording::Recording;
use self::running::Running;
use crate::{registry::Queue, shared::Shared};

/// A session that was decided and has not begun.
pub(crate) struct Session {
    pub shared: Arc<Shared>,
    pub principal: Principal,
    pub peer: String,
    pub plan: Arc<Plan>,
    /// Of the client's credential.
    turns: Queue,
}

/// Answers one client's request for a session, and carries it to its end.
pub(crate) async fn run(
    shared: Arc<Shared>,
    principal: Principal,
    peer: String,
    turns: Queue,
    mut incoming: Incoming,
) {
    let decided = tokio::select! {
        decided = decide(&shared, &principal, &peer, &turns, incoming.open.clone()) => decided,
        () = incoming.gone() => return,
    };
    let plan = match decided {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            tracing::info!(target: "penstock::session", user = principal.name(), %error, "session refused");
            incoming.refuse(&error);
            return;
        }
    };
    let stream = match incoming.accept() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(target: "penstock::session", %error, "the client left");
            return;
        }
    };
    let session = Session { shared, principal, peer, plan, turns };
    match session.plan.protocol.clone() {
        Protocol::Tcp => tcp::run(session, stream).await,
        Protocol::Postgres(login) => postgres::run(session, login, stream).await,
    }
}

async fn decide(
    shared: &Shared,
    principal: &Principal,
    peer: &str,
    turns: &Queue,
    open: Option<Open>,
) -> Result<Plan, Error> {
    if let Some(error) = shared.draining() {
        return Err(error);
    }
    let Some(Open::Session(connection)) = open else {
        return Err(Error::new(
            Code::NotFound,
            Side::Client,
            "clients open sessions on connections, nothing else",
        ));
    };
    let _turn = turns.turn().await;
    shared.asker.decide(&shared.metrics, principal.clone(), connection, peer.to_owned()).await
}

impl Session {
    /// Writes the session down, in the store and as the recording's first record, before anything is opened.
    pub(crate) async fn begin(&self, client: Client) -> Result<Running, Error> {
        let Self { shared, principal, plan, .. } = self;
        let recording = Recording::open(&shared.recorder, &plan.recording).await?;
        if let Err(error) = self.note(&recording, client).await {
            recording.give_up(&plan.session, &error).await;
            return Err(error);
        }
        let token = match principal {
            Principal::User { token, .. } => Some(token.clone()),
            Principal::Agent { .. } | Principal::Worker { .. } => None,
        };
        tracing::info!(
            target: "penstock::session",
            session = plan.session,
            connection = plan.connection,
            user = principal.name(),
            "session open"
        );
        let registered = shared.sessions.add(&plan.session, token, recording);
        Ok(Running::new(Arc::clone(shared), Arc::clone(plan), registered))
    }

    /// The recording's first record, then the store.
    async fn note(&self, recording: &Recording, client: Client) -> Result<(), Error> {
        let Self { shared, principal, peer, plan, turns } = self;
        let begin = Begin {
            session: plan.session.clone(),
            connection: plan.connection.clone(),
            principal: principal.clone(),
            client: client.clone(),
            peer: peer.clone(),
        };
        let opened = Event::Opened {
            session: plan.session.clone(),
            connection: plan.connection.clone(),
            protocol: plan.protocol.name().into(),
            principal: principal.name().into(),
        };
        let named =
            Event::Client { user: client.user, database: client.database, application: client.application };
        recording.record(&[opened, named]).await?;
        let _turn = turns.turn().await;
        shared.asker.begin(&shared.metrics, begin).await
    }
}

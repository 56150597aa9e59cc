//! CancelRequest (PostgreSQL, protocol, §54.2.8): keys are the gateway's own, and lead to the same agent and
//! backend.

use std::time::Duration;

use bytes::Bytes;
use penstock_domain::{Error, Plan, Postgres};
use penstock_inspect::postgres::cancel_request;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, time::timeout};

use super::connect;
use crate::{
    registry::Cancellable,
    session::{Session, running::Running},
    shared::Shared,
};

/// How long a cancel may take to be delivered.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Passes on a client's cancel, if its key is this principal's on this connection. As a server does, it says
/// nothing either way.
pub(super) async fn by_client(session: &Session, login: &Postgres, pid: i32, secret: &[u8]) {
    let Session { shared, principal, plan, .. } = session;
    let found = <[u8; 4]>::try_from(secret)
        .ok()
        .and_then(|secret| shared.cancels.find((pid, secret), principal.name(), &plan.connection));
    let Some(Cancellable { plan, backend: Some(backend), cancelled, .. }) = found else {
        tracing::info!(target: "penstock::session", user = principal.name(), "a cancel with an unknown key");
        return;
    };
    // A full channel means that the session knows already.
    let _known = cancelled.try_send(());
    report(deliver(shared, &plan, login, &backend).await);
}

/// Cancels what a session that is ending left running.
pub(super) fn in_background(running: &Running, login: &Postgres, backend: (i32, Bytes)) {
    let (shared, plan, login) = (running.shared.clone(), running.plan.clone(), login.clone());
    tokio::spawn(async move { report(deliver(&shared, &plan, &login, &backend).await) });
}

async fn deliver(
    shared: &Shared,
    plan: &Plan,
    login: &Postgres,
    (pid, secret): &(i32, Bytes),
) -> Result<(), Error> {
    let delivering = async {
        let mut upstream = connect::reach(shared, plan, login).await?;
        let sent = async {
            upstream.write_all(&cancel_request(*pid, secret)).await?;
            upstream.flush().await?;
            // The server closes once it has acted.
            upstream.read_u8().await
        };
        // The close is an EOF, which is an error here and all that is waited for.
        let _closed = sent.await;
        Ok(())
    };
    timeout(TIMEOUT, delivering).await.unwrap_or(Ok(()))
}

fn report(delivered: Result<(), Error>) {
    if let Err(error) = delivered {
        tracing::warn!(target: "penstock::session", %error, "a cancel was not delivered");
    }
}

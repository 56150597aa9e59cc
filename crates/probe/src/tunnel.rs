//! A tunnel port tells whom it accepts by its first frame.

use std::time::Duration;

use penstock_domain::{Code, Error, Side};
use penstock_link::{Incoming, Serve, carrier::tls::Dialler, serve};
use tokio_util::sync::CancellationToken;

/// How long the gateway may take to decide.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Dials as an agent does and leaves as soon as it is accepted.
pub(crate) async fn accepted(dialler: &Dialler) -> Result<(), Error> {
    let bytes = dialler.dial().await?;
    let mut options = Serve::new(CancellationToken::new(), CancellationToken::new());
    options.reversed = true;
    let (established, close) = (options.established.clone(), options.close.clone());
    let serving = serve(bytes, options, refuse);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = established.cancelled() => {
            close.cancel();
            // The link is as good as closed: what it says now is of no interest.
            let _closed = serving.await;
            return Ok(());
        }
        () = tokio::time::sleep(TIMEOUT) => Err(format!("no word for {} s", TIMEOUT.as_secs())),
    };
    let why = ended.err().unwrap_or_else(|| "ended by the gateway".into());
    Err(Error::new(
        Code::Unauthenticated,
        Side::Gateway,
        format!("the gateway did not accept the link: {why}"),
    )
    .hint("a certificate must be from the CA that it asks for, in date and not revoked"))
}

/// A stream that is reset without an answer is opened on the agent's next link.
async fn refuse(incoming: Incoming) {
    drop(incoming);
}

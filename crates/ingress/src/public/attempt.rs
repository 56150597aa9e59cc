//! One attempt at a request: out on a link, until the head of the answer.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use penstock_http::body::BoxError;
use penstock_link::{Answer, Failure, Receive, Send};
use tokio::time::{Instant, sleep_until};

use super::source::{Cut, Source};
use crate::worker::Lease;

/// Why an attempt has brought no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The link takes no more requests.
    Unsent(String),
    /// There was no answer, and will be none.
    Failed(Failure),
    /// The worker took too long.
    Late,
    /// The caller took too long with its body.
    Starved,
    /// The caller's body was cut.
    Caller(BoxError),
}

/// The head of an answer with its body; and, if the request's body was not all sent yet, where the rest goes.
pub(super) type Answered = (Response<Receive>, Option<Send>);

/// Sends a request, and its body until the head has come. Silence for `patience` is a fault.
pub(super) async fn attempt<B>(
    lease: &Lease,
    request: Request<()>,
    source: &mut Source<B>,
    patience: Duration,
) -> Result<Answered, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let sent = lease.link.link.request(request, source.is_empty()).await;
    let exchange = sent.map_err(|failure| Fault::Unsent(failure.why))?;
    let Some(mut send) = exchange.send else {
        let head = tokio::time::timeout(patience, exchange.answer.head()).await;
        let head = head.map_err(|_| Fault::Late)?.map_err(Fault::Failed)?;
        return Ok((head, None));
    };
    let (head, over) = both(exchange.answer, source, &mut send, patience).await?;
    Ok((head, (!over).then_some(send)))
}

/// Says, too, whether the body was all sent.
async fn both<B>(
    answer: Answer,
    source: &mut Source<B>,
    send: &mut Send,
    patience: Duration,
) -> Result<(Response<Receive>, bool), Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut head = std::pin::pin!(answer.head());
    let mut late = std::pin::pin!(sleep_until(Instant::now() + patience));
    let (mut over, mut progress) = (false, 0);
    loop {
        tokio::select! {
            biased;
            head = &mut head => return Ok((head.map_err(Fault::Failed)?, over)),
            sent = poll_fn(|cx| source.poll(cx, send)), if !over => match sent {
                Ok(()) | Err(Cut::Worker) => over = true,
                Err(Cut::Caller(error)) => return Err(Fault::Caller(error)),
            },
            () = &mut late => {
                if source.progress() == progress {
                    return Err(if !over && source.is_starved() { Fault::Starved } else { Fault::Late });
                }
                progress = source.progress();
                late.as_mut().reset(Instant::now() + patience);
            }
        }
    }
}

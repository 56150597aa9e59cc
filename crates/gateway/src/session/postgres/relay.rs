//! Both directions of a session that is logged in, each burst of events recorded before its bytes go onward.

use std::{
    convert::Infallible,
    future::pending,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use penstock_domain::{Event, Side};
use penstock_inspect::postgres::{Inspector, Malformed};
use penstock_link::{Receive, Send, Stream};
use penstock_relay::{Sink, Source};
use tokio::sync::{Notify, mpsc};

use crate::session::{end::End, running::Running};

pub(super) struct Relay<'a> {
    pumps: Pumps<'a>,
    source: Source,
    sink: Sink,
    cancels: mpsc::Receiver<()>,
}

/// What both pumps share; they run in one task, so the lock is never waited for.
struct Pumps<'a> {
    running: &'a Running,
    inspector: Mutex<Inspector>,
    /// A chunk has been inspected and is not wholly with the client.
    sending: AtomicBool,
    /// The upstream has answered something.
    answered: Notify,
}

impl<'a> Relay<'a> {
    pub(super) fn new(running: &'a Running, source: Source, sink: Sink, cancels: mpsc::Receiver<()>) -> Self {
        let inspector = Mutex::new(Inspector::new(running.plan.limits.statement_bytes));
        Self {
            pumps: Pumps { running, inspector, sending: AtomicBool::new(false), answered: Notify::new() },
            source,
            sink,
            cancels,
        }
    }

    /// Relays until one side ends it. `client` and `upstream` are bytes that came with the login's.
    pub(super) async fn run(&mut self, stream: &mut Stream, client: Bytes, upstream: Bytes) -> End {
        let Self { pumps, source, sink, cancels } = self;
        let Stream { receive, send } = stream;
        let outward = async {
            match pumps.outward(client, receive, sink).await {
                Err(end) => end,
                // The client has said all; the upstream's end is the session's.
                Ok(()) => pending().await,
            }
        };
        tokio::select! {
            end = outward => end,
            end = pumps.inward(upstream, source, send) => end.map_or_else(|end| end, |()| End::closed()),
            Err(end) = pumps.note_cancels(cancels) => end,
        }
    }

    /// Whether a statement is running.
    pub(super) fn is_busy(&self) -> bool {
        self.pumps.inspect(|inspector| inspector.busy())
    }

    /// Whether the client could take a message of ours for a whole one.
    pub(super) fn is_between_messages(&self) -> bool {
        !self.pumps.sending.load(Ordering::Relaxed)
            && self.pumps.inspect(|inspector| inspector.is_between_messages())
    }
}

impl Pumps<'_> {
    async fn outward(&self, first: Bytes, receive: &mut Receive, sink: &mut Sink) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(chunk) = next {
            if !chunk.is_empty() {
                self.record(Side::Client, |inspector, events| inspector.client(&chunk, events)).await?;
                self.running.live().meter.from_client(chunk.len());
                sink.send(chunk).await.map_err(|error| End::upstream_lost(&error))?;
            }
            // So much is unanswered that the client has to wait: the queue of expected answers is bounded.
            while self.inspect(|inspector| inspector.congested()) {
                self.answered.notified().await;
            }
            next = receive.chunk().await.map_err(|error| End::client_lost(&error))?;
        }
        sink.finish().await.map_err(|error| End::upstream_lost(&error))
    }

    async fn inward(&self, first: Bytes, source: &mut Source, send: &mut Send) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(chunk) = next {
            if !chunk.is_empty() {
                self.sending.store(true, Ordering::Relaxed);
                self.record(Side::Upstream, |inspector, events| inspector.upstream(&chunk, events)).await?;
                self.running.live().meter.from_upstream(chunk.len());
                send.send(chunk).await.map_err(|error| End::client_lost(&error))?;
                self.sending.store(false, Ordering::Relaxed);
                self.answered.notify_one();
            }
            next = source.chunk().await.map_err(|error| End::upstream_lost(&error))?;
        }
        if self.inspect(|inspector| inspector.finished()) {
            Ok(())
        } else {
            Err(End::upstream_lost(&io::Error::from(io::ErrorKind::UnexpectedEof)))
        }
    }

    async fn note_cancels(&self, cancels: &mut mpsc::Receiver<()>) -> Result<Infallible, End> {
        while cancels.recv().await.is_some() {
            self.running.record(vec![Event::Cancel]).await?;
        }
        pending().await
    }

    /// Inspects bytes, and hands what they mean to the kernel before the caller passes them on.
    async fn record(
        &self,
        side: Side,
        look: impl FnOnce(&mut Inspector, &mut Vec<Event>) -> Result<(), Malformed>,
    ) -> Result<(), End> {
        let mut events = Vec::new();
        let sound = self.inspect(|inspector| {
            let sound = look(inspector, &mut events);
            self.running.live().count_statements(inspector.statements());
            sound
        });
        // What came whole before a fault has happened, too.
        if !events.is_empty() {
            self.running.record(events).await?;
        }
        sound.map_err(|malformed| malformed.error(side).into())
    }

    fn inspect<T>(&self, look: impl FnOnce(&mut Inspector) -> T) -> T {
        look(&mut self.inspector.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

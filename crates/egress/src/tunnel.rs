//! Tunnels: raw bytes between a caller and a destination.

mod hello;

use std::{future::poll_fn, io, sync::Arc, task::Poll, time::Duration};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{
    rt::TokioIo,
    server::conn::auto::upgrade::{Parts, downcast},
};
use penstock_link::tls::MaybeTls;
use penstock_relay::{Buffers, Pump};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{MissedTickBehavior, interval},
};

use self::hello::sniff;
use crate::{breakers::Place, meter::Meter, proxy::Exchange, watch::Line};

/// A tunnel that is about to open.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub destination: TcpStream,
    pub place: Place,
    /// What its ClientHello must name; none if nothing is required.
    pub name: Option<String>,
    pub hello_ms: u64,
    pub idle_ms: u64,
    pub longest: Option<Duration>,
}

/// Both ends.
#[derive(Debug)]
pub(crate) struct Ends<C, D> {
    pub caller: C,
    pub destination: D,
}

/// An end that can be cut so that its peer sees it.
pub(crate) trait Cut {
    /// The next close is a reset, where the stream can show one.
    fn cut(&self);
}

impl Cut for TcpStream {
    fn cut(&self) {
        // A socket that refuses the option is already gone.
        let _gone = self.set_zero_linger();
    }
}

impl Cut for MaybeTls {
    fn cut(&self) {
        if let Self::Plain(tcp) = self {
            tcp.cut();
        }
    }
}

impl Cut for TokioIo<Upgraded> {
    fn cut(&self) {}
}

impl Tunnel {
    /// Relays from the answer to CONNECT until both directions have ended.
    pub(crate) async fn run(self: Box<Self>, caller: OnUpgrade, mut exchange: Exchange) {
        let Self { destination, place, name, hello_ms, idle_ms, longest } = *self;
        let upgraded = match caller.await {
            Ok(upgraded) => upgraded,
            Err(error) => return exchange.closed(Some(error.to_string())),
        };
        let shared = Arc::clone(&exchange.shared);
        shared.counts.tunnels.add(1);
        exchange.opened(idle_ms, longest);
        // HTTP/1.1 gives its socket back; a stream of HTTP/2 stays one.
        match downcast::<TokioIo<MaybeTls>>(upgraded) {
            Ok(Parts { io, read_buf, .. }) => {
                let (ends, first) = (Ends { caller: io.into_inner(), destination }, read_buf.to_vec());
                // Even an empty one keeps the buffer into which the head was read.
                drop(read_buf);
                begin(ends, first, name, hello_ms, exchange).await;
            }
            Err(upgraded) => {
                let ends = Ends { caller: TokioIo::new(upgraded), destination };
                begin(ends, Vec::new(), name, hello_ms, exchange).await;
            }
        }
        shared.counts.tunnels.give(1);
        drop(place);
    }
}

/// Looks at the first bytes if they must be looked at, passes them on, and relays the rest.
async fn begin<C>(
    mut ends: Ends<C, TcpStream>,
    mut first: Vec<u8>,
    name: Option<String>,
    hello_ms: u64,
    mut exchange: Exchange,
) where
    C: AsyncRead + AsyncWrite + Cut + Unpin,
{
    if let Some(name) = name {
        let limit = Duration::from_millis(hello_ms);
        match sniff(&mut ends.caller, &mut first, &name, limit, &mut exchange).await {
            Ok(()) => {}
            Err(why) => {
                ends.destination.cut();
                return exchange.refused_inside(&why);
            }
        }
    } else if let Some(found) = hello::peek(&first) {
        exchange.access.sni = found.server_name;
    }
    let counted = exchange.meter.count(first.len() as u64);
    if counted.is_err() || (!first.is_empty() && ends.destination.write_all(&first).await.is_err()) {
        ends.caller.cut();
        return exchange.closed(Some("the destination has gone".into()));
    }
    exchange.line.sent.add(first.len() as u64);
    drop(first);
    relay(ends, exchange).await;
}

/// Relays until both directions have ended, or until it must end.
pub(crate) async fn relay<C, D>(mut ends: Ends<C, D>, mut exchange: Exchange)
where
    C: AsyncRead + AsyncWrite + Cut + Unpin,
    D: AsyncRead + AsyncWrite + Cut + Unpin,
{
    let (shared, line, meter) =
        (Arc::clone(&exchange.shared), Arc::clone(&exchange.line), Arc::clone(&exchange.meter));
    let mut sni = None;
    let result = {
        let copying = both(&mut ends, &shared.buffers, &line, &meter, &mut sni);
        tokio::select! {
            result = copying => result.map_err(|error| error.to_string()),
            ending = line.stopped() => Err(ending.to_string()),
            () = shared.close.cancelled() => Err("the proxy was shut down".into()),
            used_up = spend(&meter) => Err(used_up),
        }
    };
    if result.is_err() {
        // A cut must not look like an end.
        ends.caller.cut();
        ends.destination.cut();
    }
    if exchange.access.sni.is_none() {
        exchange.access.sni = sni;
    }
    exchange.closed(result.err());
}

/// Both directions in one task: no hop between threads for a packet.
async fn both<C, D>(
    ends: &mut Ends<C, D>,
    buffers: &Buffers,
    line: &Line,
    meter: &Meter,
    sni: &mut Option<String>,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite + Unpin,
{
    let (mut outward, mut inward) = (Pump::default(), Pump::default());
    let count = |chunk: &[u8]| {
        line.touch();
        meter.count(chunk.len() as u64).map_err(|exceeded| io::Error::other(exceeded.message))
    };
    poll_fn(|cx| {
        let out = outward.poll(cx, &mut ends.caller, &mut ends.destination, buffers, &mut |chunk| {
            if line.sent.get() == 0 {
                *sni = hello::peek(chunk).and_then(|hello| hello.server_name);
            }
            line.sent.add(chunk.len() as u64);
            count(chunk)
        })?;
        let back = inward.poll(cx, &mut ends.destination, &mut ends.caller, buffers, &mut |chunk| {
            line.received.add(chunk.len() as u64);
            count(chunk)
        })?;
        if out.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// Ends when a time budget is used up; without one, never.
async fn spend(meter: &Meter) -> String {
    if meter.is_free() {
        return std::future::pending().await;
    }
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(exceeded) = meter.count_open() {
            return exceeded.message;
        }
    }
}

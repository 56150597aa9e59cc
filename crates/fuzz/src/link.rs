//! HTTP/2 of a link's other end.

use penstock_domain::Target;
use penstock_link::{Incoming, Keepalive, Link, Open, Serve, fuzz};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, duplex, sink, split};
use tokio_util::sync::CancellationToken;

use crate::cuts::{Pieces, SIZES, block_on, drained};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The filter of frames and the reversal of the preface: whatever the pieces, the stack is given the same; and of
/// what came only empty DATA is missing.
pub(crate) fn frames(data: &[u8]) {
    let (requesting, serving) = (filtered(data, SIZES[0]), served(data, SIZES[0]));
    for sizes in &SIZES[1..] {
        assert!(filtered(data, sizes) == requesting && served(data, sizes) == serving, "other frames");
    }
    assert!(without_empty(&requesting) == without_empty(data), "a frame is missing");
    let rest = data.get(PREFACE.len()..).unwrap_or_default();
    assert!(without_empty(serving.get(PREFACE.len()..).unwrap_or_default()) == without_empty(rest));
    for sizes in SIZES {
        let (given, _) = drained(fuzz::accepting(Pieces::new(data, sizes)));
        assert!(given == data.strip_prefix(PREFACE).unwrap_or_default(), "what stands behind no preface");
    }
}

fn filtered(data: &[u8], sizes: &[usize]) -> Vec<u8> {
    drained(fuzz::requesting(Pieces::new(data, sizes))).0
}

fn served(data: &[u8], sizes: &[usize]) -> Vec<u8> {
    drained(fuzz::serving(Pieces::new(data, sizes))).0
}

/// The frames without DATA that holds and ends nothing.
fn without_empty(mut data: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some((&[a, b, c, kind, flags, ..], _)) = data.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let (frame, rest) = data.split_at(data.len().min(9 + length));
        data = rest;
        if (kind, flags & 1, length) != (0, 0, 0) {
            kept.extend_from_slice(frame);
        }
    }
    kept.extend_from_slice(data);
    kept
}

/// A peer that asks: every request is answered in one of three ways, and the link ends with its last byte.
pub(crate) fn serving(data: &[u8]) {
    block_on(async {
        let (near, far) = duplex(1 << 16);
        let options = Serve::new(CancellationToken::new(), CancellationToken::new());
        let serving = penstock_link::serve(near, options, answer);
        let words = [PREFACE, data];
        let (ended, ()) = tokio::join!(serving, say(far, &words));
        drop(ended);
    });
}

async fn answer(incoming: Incoming) {
    match incoming.open {
        Some(Open::Session(_)) => incoming.refuse(&penstock_domain::Error::new(
            penstock_domain::Code::NotFound,
            penstock_domain::Side::Client,
            "there is none",
        )),
        Some(Open::Target(_) | Open::Echo) => {
            if let Ok(mut stream) = incoming.accept() {
                while let Ok(Some(chunk)) = stream.receive.chunk().await {
                    if stream.send.send(chunk).await.is_err() {
                        return;
                    }
                }
                // The peer may have gone first.
                let _ended = stream.send.finish();
            }
        }
        None => {
            let (request, mut respond) = incoming.exchange();
            drop(request);
            let _answered = respond.head(http::Response::new(()), true);
        }
    }
}

/// A peer that answers: two streams are opened, and both end with its last byte.
pub(crate) fn requesting(data: &[u8]) {
    block_on(async {
        let (near, far) = duplex(1 << 16);
        let Ok(link) = Link::start(near, Keepalive::default()).await else { return };
        let target = || Open::Target(Target::Tcp("db.example:5432".into()));
        let words = [data];
        tokio::join!(read(&link, target()), read(&link, target()), say(far, &words));
        link.lost().await;
    });
}

async fn read(link: &Link, open: Open) {
    if let Ok(mut stream) = link.open(open).await {
        let mut received = 0;
        while let Ok(Some(chunk)) = stream.receive.chunk().await {
            received += chunk.len();
        }
        assert!(received < 1 << 20, "more than was sent");
    }
}

/// Says all of it and leaves, reading whatever is answered.
async fn say(far: DuplexStream, words: &[&[u8]]) {
    let (heard, mut voice) = split(far);
    let listening = tokio::spawn(listen(heard));
    for part in words {
        if voice.write_all(part).await.is_err() {
            break;
        }
    }
    // The other side may have left first.
    let _left = voice.shutdown().await;
    let _heard = listening.await;
}

async fn listen(mut heard: ReadHalf<DuplexStream>) {
    let mut heard = (&mut heard).take(64 << 20);
    let _all = tokio::io::copy(&mut heard, &mut sink()).await;
}

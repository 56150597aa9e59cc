//! Dialling exactly the addresses that were checked, raced (RFC 8305).

use std::{io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// Why no address answered.
#[derive(Debug)]
pub(crate) enum DialFault {
    /// All refused; the last one's words.
    Refused(io::Error, Vec<SocketAddr>),
    /// None answered in time.
    Timeout,
    /// We have no descriptor left: that tells nothing about the destination.
    Exhausted,
}

/// Dials addresses one after the other, `delay` apart or as soon as one fails, all within `limit`; the first
/// that answers wins.
pub(crate) async fn dial(
    addresses: &[SocketAddr],
    delay: Duration,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), DialFault> {
    timeout(limit, race(addresses, delay)).await.unwrap_or(Err(DialFault::Timeout))
}

async fn race(addresses: &[SocketAddr], delay: Duration) -> Result<(TcpStream, SocketAddr), DialFault> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut failed = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut attempts = FuturesUnordered::new();
    attempts.extend(waiting.next().map(connect));
    loop {
        let more = waiting.len() > 0;
        tokio::select! {
            ended = attempts.next() => match ended {
                Some((address, Ok(tcp))) => return Ok((tcp, address)),
                Some((_, Err(error))) if is_exhaustion(&error) => return Err(DialFault::Exhausted),
                Some((address, Err(error))) => {
                    failed.push(address);
                    last = error;
                    attempts.extend(waiting.next().map(connect));
                }
                None => return Err(DialFault::Refused(last, failed)),
            },
            () = sleep(delay), if more => attempts.extend(waiting.next().map(connect)),
        }
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

async fn connect(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    let connected = TcpStream::connect(address).await;
    (address, connected.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)))
}

/// Families by turns, in the order in which they come (RFC 8305 §4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in addresses {
        if address.is_ipv6() == first_is_v6 { first.push(*address) } else { second.push(*address) }
    }
    let mut second = second.into_iter();
    let mut all: Vec<_> = first.into_iter().flat_map(|one| [Some(one), second.next()]).flatten().collect();
    all.extend(second);
    all
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    #[test]
    fn families_take_turns() {
        let parse =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "[::4]:1"]);
        assert_eq!(interleaved(&given), parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1", "[::4]:1"]));
        let given = parse(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(interleaved(&given), parse(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]));
        assert!(interleaved(&[]).is_empty());
    }

    async fn closed() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed().await, open.local_addr().unwrap()];
        let (_, won) = dial(&addresses, Duration::from_secs(60), Duration::from_secs(10)).await.unwrap();
        assert_eq!(won, addresses[1]);
    }

    #[tokio::test]
    async fn what_nobody_answers_ends_in_time_and_what_all_refuse_says_so() {
        let closed = closed().await;
        let refused = dial(&[closed], DELAY, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(refused, DialFault::Refused(_, failed) if failed == [closed]));
        assert!(matches!(dial(&[], DELAY, Duration::from_secs(10)).await, Err(DialFault::Refused(..))));
        let timed_out = dial(&[closed], DELAY, Duration::ZERO).await;
        assert!(timed_out.is_err());
    }
}

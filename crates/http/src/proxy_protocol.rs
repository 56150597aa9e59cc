//! The PROXY protocol, versions 1 and 2, of load balancers that are trusted (HAProxy, doc/proxy-protocol.txt).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ppp::{v1, v2};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::{Limits, caller::within};

/// What version 2 begins with, and enough to tell version 1 from it.
const SIGNATURE: usize = 12;

/// The longest line of version 1.
const V1_BYTES: usize = 107;

/// The longest header of version 2 that is read; its extensions are passed over.
const V2_BYTES: usize = 4096;

/// What version 1 begins with. Proxies that speak HTTP to us cannot be made to say this by a request for the method
/// `PROXY`: its target begins with neither letter.
const V1_BEGINNINGS: [&[u8]; 2] = [b"PROXY T", b"PROXY U"];

/// How long to wait for the rest of a beginning that was cut.
const CUT: Duration = Duration::from_millis(10);

/// Who is behind a connection: its peer, or whom the peer's PROXY header names, if that is believed. Takes the header
/// and not a byte more. Bounded in time by the caller.
///
/// # Errors
/// A header that cannot be read, or that is missing where each connection has to begin with one.
pub async fn source(tcp: &mut TcpStream, peer: SocketAddr, limits: &Limits) -> io::Result<SocketAddr> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let told = within(&limits.proxy_protocol, peer.ip())
        || (within(&limits.trusted, peer.ip()) && begins(tcp).await?);
    if !told {
        return Ok(peer);
    }
    let source = read(tcp).await?.unwrap_or(peer);
    Ok(SocketAddr::new(source.ip().to_canonical(), source.port()))
}

/// Whether a header is what comes first; takes nothing. Senders send it in one piece, yet it may arrive in several.
async fn begins(tcp: &TcpStream) -> io::Result<bool> {
    let mut bytes = [0; SIGNATURE];
    loop {
        let count = tcp.peek(&mut bytes).await?;
        let seen = bytes.get(..count).unwrap_or_default();
        let mut beginnings = V1_BEGINNINGS.into_iter().chain([v2::PROTOCOL_PREFIX]);
        if beginnings.clone().any(|beginning| seen.starts_with(beginning)) {
            return Ok(true);
        }
        if seen.is_empty() || !beginnings.any(|beginning| beginning.starts_with(seen)) {
            return Ok(false);
        }
        sleep(CUT).await;
    }
}

/// Reads the header; the address it tells, or none for the balancer's own probes.
pub(crate) async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; SIGNATURE];
    io.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        return version_2(io, header).await;
    }
    version_1(io, header).await
}

async fn version_1<T: AsyncRead + Unpin>(io: &mut T, mut line: Vec<u8>) -> io::Result<Option<SocketAddr>> {
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_BYTES || !line.starts_with(b"PROXY ") {
            return Err(malformed(&"it is neither version 1 nor version 2"));
        }
        line.push(io.read_u8().await?);
    }
    let header = v1::Header::try_from(line.as_slice()).map_err(|error| malformed(&error))?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(tcp4) => Some((IpAddr::V4(tcp4.source_address), tcp4.source_port).into()),
        v1::Addresses::Tcp6(tcp6) => Some((IpAddr::V6(tcp6.source_address), tcp6.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

async fn version_2<T: AsyncRead + Unpin>(io: &mut T, mut header: Vec<u8>) -> io::Result<Option<SocketAddr>> {
    let (command, family, length) = (io.read_u8().await?, io.read_u8().await?, io.read_u16().await?);
    if usize::from(length) > V2_BYTES {
        return Err(malformed(&"it is too long"));
    }
    header.extend([command, family]);
    header.extend(length.to_be_bytes());
    let fixed = header.len();
    header.resize(fixed + usize::from(length), 0);
    if let Some(rest) = header.get_mut(fixed..) {
        io.read_exact(rest).await?;
    }
    let header = v2::Header::try_from(header.as_slice()).map_err(|error| malformed(&error))?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ip4)) => {
            Some((IpAddr::V4(ip4.source_address), ip4.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(ip6)) => {
            Some((IpAddr::V6(ip6.source_address), ip6.source_port).into())
        }
        _ => None,
    })
}

fn malformed(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the PROXY header cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    async fn told(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        sender.write_all(bytes).await.unwrap();
        drop(sender);
        let (mut tcp, _) = listener.accept().await.unwrap();
        let address = read(&mut tcp).await;
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await.unwrap();
        (address, rest)
    }

    fn version_2_header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
        header.extend(addresses);
        header
    }

    /// Whom a connection of loopback that begins so is from, and what is left of its bytes.
    async fn sourced(pieces: &[&[u8]], limits: &Limits) -> (io::Result<SocketAddr>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        sender.set_nodelay(true).unwrap();
        let (mut tcp, peer) = listener.accept().await.unwrap();
        let send = async {
            for piece in pieces {
                sender.write_all(piece).await.unwrap();
                // The receiver shall see it cut here.
                sleep(CUT * 3).await;
            }
            drop(sender);
        };
        let (source, ()) = tokio::join!(source(&mut tcp, peer, limits), send);
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await.unwrap();
        (source, rest)
    }

    fn believing(trusted: &str) -> Limits {
        Limits { trusted: vec![trusted.parse().unwrap()], ..Limits::default() }
    }

    #[tokio::test]
    async fn a_trusted_proxy_may_say_who_calls() {
        let limits = believing("127.0.0.0/8");
        for pieces in [
            [b"PROXY TCP4 192.0.2.7 198.51.100.1 4242 443\r\nGET /".as_slice()].as_slice(),
            &[b"P", b"ROXY TCP4 192.0.2.7 198.51.100.1 4242 443\r\nGET /"],
            &[b"PROXY ", b"TCP4 192.0.2.7 198.51", b".100.1 4242 443\r\nGET /"],
        ] {
            let (source, rest) = sourced(pieces, &limits).await;
            assert_eq!(source.unwrap(), "192.0.2.7:4242".parse().unwrap());
            assert_eq!(rest, b"GET /");
        }
        let header = version_2_header(1, 0x11, &[192, 0, 2, 8, 198, 51, 100, 1, 0x10, 0x92, 1, 0xbb]);
        let (source, _) = sourced(&[&header[..5], &header[5..]], &limits).await;
        assert_eq!(source.unwrap(), "192.0.2.8:4242".parse().unwrap());
    }

    #[tokio::test]
    async fn it_need_not_and_others_may_not() {
        let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4242 443\r\n".as_slice();
        for (bytes, trusted) in [
            (b"GET / HTTP/1.1\r\n".as_slice(), "127.0.0.0/8"),
            (b"PUT / HTTP/1.1\r\n", "127.0.0.0/8"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "127.0.0.0/8"),
            (b"PROXY /TCP4 HTTP/1.1\r\n", "127.0.0.0/8"),
            (b"\x16\x03\x01", "127.0.0.0/8"),
            (b"", "127.0.0.0/8"),
            (header, "10.0.0.0/8"),
        ] {
            let (source, rest) = sourced(&[bytes], &believing(trusted)).await;
            assert!(source.unwrap().ip().is_loopback());
            assert_eq!(rest, bytes);
        }
        let (source, _) =
            sourced(&[b"PROXY TCP4 nobody 198.51.100.1 1 2\r\n"], &believing("127.0.0.0/8")).await;
        assert!(source.is_err());
    }

    #[tokio::test]
    async fn where_it_is_required_nothing_else_passes() {
        let limits = Limits { proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()], ..Limits::default() };
        assert!(sourced(&[b"GET / HTTP/1.1\r\n\r\n"], &limits).await.0.is_err());
    }

    #[tokio::test]
    async fn both_versions_tell_the_source_and_leave_what_follows() {
        let (address, rest) = told(b"PROXY TCP4 192.0.2.7 198.51.100.1 4242 443\r\nGET /").await;
        assert_eq!(address.unwrap(), Some("192.0.2.7:4242".parse().unwrap()));
        assert_eq!(rest, b"GET /");

        let addresses = [192, 0, 2, 8, 198, 51, 100, 1, 0x10, 0x92, 1, 0xbb];
        let mut bytes = version_2_header(1, 0x11, &addresses);
        bytes.extend(b"GET /");
        let (address, rest) = told(&bytes).await;
        assert_eq!(address.unwrap(), Some("192.0.2.8:4242".parse().unwrap()));
        assert_eq!(rest, b"GET /");
    }

    #[tokio::test]
    async fn a_balancers_own_probe_has_no_source() {
        assert_eq!(told(b"PROXY UNKNOWN\r\n").await.0.unwrap(), None);
        assert_eq!(told(&version_2_header(0, 0, &[])).await.0.unwrap(), None);
    }

    #[tokio::test]
    async fn all_else_is_refused() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let huge = [v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0xff, 0xff]].concat();
        for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &endless, &huge, b"PROXY TCP4 x y z w\r\n"] {
            assert!(told(bytes).await.0.is_err(), "{bytes:?}");
        }
    }
}

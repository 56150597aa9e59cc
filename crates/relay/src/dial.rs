//! Opening targets: the address that is dialled is the address that was checked.

use std::{io, net::SocketAddr, time::Duration};

use penstock_domain::{Code, Error, Side, Target};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};

use crate::Allow;

/// How long a target may take to resolve and to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An open target.
#[derive(Debug)]
pub enum Socket {
    /// TCP, without delay.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// Opens a target that the list allows. All addresses of a name are tried, each checked after resolution.
///
/// # Errors
/// [`Code::TargetDenied`], [`Code::UpstreamUnreachable`] or [`Code::UpstreamTimeout`].
pub async fn dial(target: &Target, allow: &Allow) -> Result<Socket, Error> {
    let dialling = async {
        match target {
            Target::Tcp(address) => tcp(target, address, allow).await.map(Socket::Tcp),
            Target::Unix(path) if allow.unix(path) => {
                UnixStream::connect(path).await.map(Socket::Unix).map_err(|error| unreachable(target, &error))
            }
            Target::Unix(_) => Err(Allow::refusal(target)),
        }
    };
    timeout(TIMEOUT, dialling).await.unwrap_or_else(|_| {
        Err(Error::new(
            Code::UpstreamTimeout,
            Side::Upstream,
            format!("{target} did not answer within {} s", TIMEOUT.as_secs()),
        )
        .hint("check the address, and firewalls between the agent and the target"))
    })
}

async fn tcp(target: &Target, address: &str, allow: &Allow) -> Result<TcpStream, Error> {
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let resolved: Vec<SocketAddr> =
        lookup_host(address).await.map_err(|error| unreachable(target, &error))?.collect();
    let checked = resolved.iter().filter(|address| allow.address(host, address.ip(), address.port()));
    let mut last = None;
    for address in checked {
        match TcpStream::connect(address).await.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Allow::refusal(target), |error| unreachable(target, &error)))
}

fn unreachable(target: &Target, error: &io::Error) -> Error {
    Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("{target} cannot be reached: {error}"))
        .hint("is it running, and are HOST and PORT of the connection as the agent sees them?")
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    #[tokio::test]
    async fn opens_what_is_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::Tcp(listener.local_addr().unwrap().to_string());
        assert!(matches!(dial(&target, &Allow::default()).await, Ok(Socket::Tcp(_))));
        let elsewhere = Allow::parse(&["db.example:5432"]).unwrap();
        assert_eq!(dial(&target, &elsewhere).await.unwrap_err().code, Code::TargetDenied);
    }

    #[tokio::test]
    async fn opens_unix_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let target = Target::Unix(path.to_str().unwrap().into());
        assert!(matches!(dial(&target, &Allow::default()).await, Ok(Socket::Unix(_))));
        let elsewhere = Allow::parse(&["unix:/run/pg/*"]).unwrap();
        assert_eq!(dial(&target, &elsewhere).await.unwrap_err().code, Code::TargetDenied);
    }

    #[tokio::test]
    async fn says_what_cannot_be_reached() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let closed = Target::Tcp(format!("127.0.0.1:{port}"));
        let error = dial(&closed, &Allow::default()).await.unwrap_err();
        assert_eq!(error.code, Code::UpstreamUnreachable);
        assert!(error.message.contains(&port.to_string()) && error.hint.is_some());
        let nowhere = Target::Unix("/nonexistent".into());
        assert_eq!(dial(&nowhere, &Allow::default()).await.unwrap_err().code, Code::UpstreamUnreachable);
        let metadata = Target::Tcp("169.254.169.254:80".into());
        assert_eq!(dial(&metadata, &Allow::default()).await.unwrap_err().code, Code::TargetDenied);
    }
}

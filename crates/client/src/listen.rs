//! Local sockets for native programs.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf};

use penstock_domain::{Code, Error, Side};
use penstock_relay::Socket;
use tokio::net::{TcpListener, UnixListener};

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) async fn bind(listen: &str) -> Result<Self, Error> {
        let bound = match listen.strip_prefix("unix:") {
            Some(path) => bind_unix(path),
            None => TcpListener::bind(listen).await.map(Self::Tcp),
        };
        bound.map_err(|error| {
            Error::new(Code::Conflict, Side::Client, format!("cannot listen on {listen}: {error}"))
                .hint("choose another port with --port, or end the program that has it")
        })
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (tcp, _peer) = listener.accept().await?;
                tcp.set_nodelay(true)?;
                Ok(Socket::Tcp(tcp))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(unix, _peer)| Socket::Unix(unix)),
        }
    }
}

/// The caller's folder keeps others out until the mode is set.
fn bind_unix(path: &str) -> io::Result<Listener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(listener, path.into()))
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may be gone with its folder already.
            let _removed = fs::remove_file(path);
        }
    }
}

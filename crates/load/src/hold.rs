//! Tunnels that stay open and idle.

use std::io::{Read, Result as Outcome};
use std::net::TcpStream;
use std::thread::{self, ScopedJoinHandle};

use serde::{Deserialize, Serialize};

use crate::job::Tunnel;
use crate::setup::Setup;

/// So many tunnels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    tunnel: Tunnel,
    /// How many.
    count: usize,
    /// Threads that open them.
    clients: usize,
}

/// What stands.
#[derive(Debug)]
pub struct Held {
    tunnels: Vec<TcpStream>,
    why: Option<String>,
}

/// What is told once they stand.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Tunnels that stand.
    open: usize,
    /// Why there are no more.
    why: Option<String>,
}

impl Hold {
    /// Opens them. A thread that fails once opens no more.
    pub fn open(&self) -> Result<Held, String> {
        let setup = self.tunnel.setup()?;
        let each = self.count.div_ceil(self.clients.max(1));
        let shares: Vec<usize> =
            (0..self.count).step_by(each.max(1)).map(|start| each.min(self.count - start)).collect();
        let setup = &setup;
        let opened = thread::scope(|scope| {
            let running: Vec<_> =
                shares.into_iter().map(|share| scope.spawn(move || tunnels(setup, share))).collect();
            running.into_iter().map(ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
        });
        Ok(Held::from(opened.map_err(|_| "a client failed")?))
    }
}

/// The tunnels of one thread, the last of which may be a failure.
fn tunnels(setup: &Setup, count: usize) -> Vec<Outcome<TcpStream>> {
    let mut tunnels = Vec::with_capacity(count);
    while tunnels.len() < count && tunnels.last().is_none_or(Result::is_ok) {
        tunnels.push(setup.open());
    }
    tunnels
}

impl From<Vec<Vec<Outcome<TcpStream>>>> for Held {
    fn from(opened: Vec<Vec<Outcome<TcpStream>>>) -> Self {
        let mut held = Self { tunnels: Vec::new(), why: None };
        for tunnel in opened.into_iter().flatten() {
            match tunnel {
                Ok(tunnel) => held.tunnels.push(tunnel),
                Err(fault) => held.why = held.why.or(Some(fault.to_string())),
            }
        }
        held
    }
}

impl Held {
    /// How many stand.
    pub fn report(&self) -> Report {
        Report { open: self.tunnels.len(), why: self.why.clone() }
    }

    /// Keeps them until whoever started this program closes its standard input.
    pub fn until_stdin_ends(self) -> Result<(), String> {
        std::io::stdin().read_to_end(&mut Vec::new()).map_err(|error| format!("stdin: {error}"))?;
        drop(self.tunnels);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn as_many_as_were_asked_for_stand_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let mut kept = Vec::new();
            for _ in 0..7 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                kept.push(stream);
            }
            kept
        });
        let tunnel = Tunnel { proxy, target: "h:1".into(), authorization: None, first: String::new() };
        let held = Hold { tunnel, count: 7, clients: 3 }.open().unwrap();
        assert_eq!((held.report().open, held.report().why), (7, None));
        assert_eq!(serving.join().unwrap().len(), 7);
    }

    #[test]
    fn what_failed_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let tunnel =
            Tunnel { proxy: closed, target: "h:1".into(), authorization: None, first: String::new() };
        let held = Hold { tunnel, count: 4, clients: 2 }.open().unwrap();
        assert_eq!(held.report().open, 0);
        assert!(held.report().why.unwrap().contains("refused"));
    }
}

//! One tunnel through the proxy (RFC 9110 §9.3.6).

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_HEAD: usize = 16 * 1024;

/// What all set-ups have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    proxy: SocketAddr,
    request: Vec<u8>,
    first: Vec<u8>,
}

impl Setup {
    /// To this target through that proxy; `first` is sent through the tunnel and its answer awaited, if it is not empty.
    pub fn new(proxy: SocketAddr, target: &str, authorization: Option<&str>, first: Vec<u8>) -> Self {
        let identity =
            authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{identity}\r\n").into_bytes();
        Self { proxy, request, first }
    }

    /// A tunnel that stands.
    pub fn open(&self) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.proxy, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.request)?;
        accepted(&mut stream)?;
        if !self.first.is_empty() {
            stream.write_all(&self.first)?;
            answered(&mut stream)?;
        }
        Ok(stream)
    }
}

/// Reads the proxy's answer. The target does not speak first, so nothing of the tunnel's can follow it.
fn accepted(stream: &mut impl Read) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(512);
    let mut part = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut part)?;
        if count == 0 || head.len() > LONGEST_HEAD {
            return Err(fault("the proxy's answer has no end", &head));
        }
        head.extend(part.iter().take(count));
        if !head.starts_with(b"HTTP/1.1 200") && !head.starts_with(b"HTTP/1.0 200") && head.len() >= 12 {
            return Err(fault("the proxy refused", &head));
        }
    }
    Ok(())
}

fn answered(stream: &mut impl Read) -> std::io::Result<()> {
    let mut part = [0; 16 * 1024];
    match stream.read(&mut part)? {
        0 => Err(Error::new(ErrorKind::UnexpectedEof, "the tunnel ended before the target's answer")),
        _ => Ok(()),
    }
}

fn fault(what: &str, head: &[u8]) -> Error {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Error::other(format!("{what}: {:?}", String::from_utf8_lossy(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_target_and_caller() {
        let setup = Setup::new("127.0.0.1:1".parse().unwrap(), "h:443", Some("Basic eA=="), Vec::new());
        let text = String::from_utf8(setup.request).unwrap();
        assert_eq!(text, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic eA==\r\n\r\n");
    }

    #[test]
    fn only_a_whole_200_is_a_tunnel() {
        assert!(accepted(&mut &b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n"[..]).is_ok());
        assert!(accepted(&mut &b"HTTP/1.0 200 OK\r\n\r\n"[..]).is_ok());
        let refused = accepted(&mut &b"HTTP/1.1 403 Forbidden\r\n\r\n"[..]).unwrap_err();
        assert!(refused.to_string().contains("HTTP/1.1 403 Forbidden"), "{refused}");
        assert!(accepted(&mut &b"HTTP/1.1 200 OK\r\n"[..]).unwrap_err().to_string().contains("no end"));
    }
}

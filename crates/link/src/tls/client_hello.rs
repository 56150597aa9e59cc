//! What a TLS client says before anything is encrypted, read without taking part in the handshake.

use std::{fmt, io};

use rustls::server::Acceptor;

/// The largest ClientHello that is read, in bytes: a record with its header, and room for a second one.
const LONGEST: usize = 2 * (16 * 1024 + 5);

/// Reads a ClientHello from a stream's first bytes (RFC 8446 §4.1.2).
#[derive(Default)]
pub struct ClientHelloReader {
    acceptor: Acceptor,
    read: usize,
}

/// A ClientHello.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientHello {
    /// The name that the client asks for (RFC 6066 §3), in lower case.
    pub server_name: Option<String>,
}

/// The first bytes are no ClientHello. The client is told by this alert.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoClientHello {
    /// A TLS record.
    pub alert: Vec<u8>,
}

impl fmt::Debug for ClientHelloReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHelloReader").field("read", &self.read).finish_non_exhaustive()
    }
}

impl ClientHelloReader {
    /// Takes more bytes; none until the ClientHello is whole.
    ///
    /// # Errors
    /// What cannot be a ClientHello, and one that is longer than any.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<Option<ClientHello>, NoClientHello> {
        self.read += bytes.len();
        if self.read > LONGEST {
            return Err(NoClientHello { alert: alert(Alert::DecodeError) });
        }
        while !bytes.is_empty() {
            // Reading from memory fails only if the reader takes no more.
            if self.acceptor.read_tls(&mut bytes).is_err() {
                return Err(NoClientHello { alert: alert(Alert::DecodeError) });
            }
            match self.acceptor.accept() {
                Ok(Some(accepted)) => {
                    let server_name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                    return Ok(Some(ClientHello { server_name }));
                }
                Ok(None) => {}
                Err((_, mut refused)) => {
                    let mut record = Vec::new();
                    // Writing to memory does not fail; an empty record is replaced.
                    let _written: io::Result<()> = refused.write_all(&mut record);
                    if record.is_empty() {
                        record = alert(Alert::DecodeError);
                    }
                    return Err(NoClientHello { alert: record });
                }
            }
        }
        Ok(None)
    }
}

/// Why a ClientHello is refused (RFC 8446 §6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alert {
    /// It names nobody that may be reached.
    UnrecognizedName,
    /// It cannot be read.
    DecodeError,
}

/// A fatal alert, as one plaintext record (RFC 8446 §5.1, §6).
#[must_use]
pub fn alert(alert: Alert) -> Vec<u8> {
    const RECORD: [u8; 6] = [21, 3, 3, 0, 2, 2];
    let code = match alert {
        Alert::UnrecognizedName => 112,
        Alert::DecodeError => 50,
    };
    [RECORD.as_slice(), &[code]].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};

    use super::*;

    fn hello(name: &str) -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(super::super::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_name_is_read_in_whatever_pieces_it_comes() {
        let bytes = hello("API.Example");
        for size in [1, 7, 100, bytes.len()] {
            let mut reader = ClientHelloReader::default();
            let mut found = None;
            for chunk in bytes.chunks(size) {
                assert_eq!(found, None);
                found = reader.read(chunk).unwrap();
            }
            assert_eq!(found.unwrap().server_name.as_deref(), Some("api.example"));
        }
    }

    #[test]
    fn an_address_is_no_name() {
        let found = ClientHelloReader::default().read(&hello("192.0.2.1")).unwrap();
        assert_eq!(found, Some(ClientHello { server_name: None }));
    }

    #[test]
    fn what_is_no_client_hello_is_answered_by_an_alert() {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 4, 2, 0, 0, 0], b"SSH-2.0-x\r\n"] {
            let refused = ClientHelloReader::default().read(bytes).unwrap_err();
            assert_eq!(refused.alert.first(), Some(&21), "{bytes:?}");
        }
        let endless = vec![0; LONGEST + 1];
        assert!(ClientHelloReader::default().read(&endless).is_err());
        assert_eq!(alert(Alert::UnrecognizedName), [21, 3, 3, 0, 2, 2, 112]);
    }
}

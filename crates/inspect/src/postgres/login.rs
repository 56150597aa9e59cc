//! The login at the upstream, with the connection's own account (protocol, "Start-up").

use bytes::{Buf, BufMut, Bytes, BytesMut};
use penstock_domain::{Code, Error, Side};
use postgres_protocol::{authentication::md5_hash, message::frontend};

use super::{error_fields::ErrorFields, scram::Scram};

/// The longest message that is taken before the login is done, its header included.
const MESSAGE_BYTES: usize = 64 * 1024;
/// The most parameters that a server may report.
const PARAMETERS: usize = 256;
/// The longest secret of a backend (protocol 3.2).
const SECRET_BYTES: usize = 256;

/// A login that succeeded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ready {
    /// What the server reported of itself, in its order.
    pub parameters: Vec<(String, String)>,
    /// The backend's process and secret, for [`cancel_request`]; some proxies name none.
    pub backend: Option<(i32, Bytes)>,
}

/// The state machine of one login: [`start`](Self::start), then [`feed`](Self::feed) until it is ready.
pub struct Login {
    user: String,
    password: Option<String>,
    database: String,
    parameters: Vec<(String, String)>,
    allow_cleartext: bool,
    end_point: Option<Vec<u8>>,
    stage: Stage,
    ready: Ready,
}

/// How far the authentication is.
enum Stage {
    /// The server may ask for a password or let us in without.
    Asked,
    /// In the middle of an exchange: only its next message counts.
    Scram(Box<Scram>),
    /// A password was given; only yes or no may follow.
    Answered,
    /// The server said AuthenticationOk.
    Accepted,
}

impl Login {
    /// A login as `user` to `database`, passing on `parameters`.
    #[must_use]
    pub fn new(user: &str, password: Option<&str>, database: &str, parameters: &[(String, String)]) -> Self {
        Self {
            user: user.to_owned(),
            password: password.map(str::to_owned),
            database: database.to_owned(),
            parameters: parameters.to_vec(),
            allow_cleartext: false,
            end_point: None,
            stage: Stage::Asked,
            ready: Ready::default(),
        }
    }

    /// Whether a password may be sent in clear text: over TLS, a unix socket or loopback.
    #[must_use]
    pub fn allow_cleartext(mut self, allowed: bool) -> Self {
        self.allow_cleartext = allowed;
        self
    }

    /// The hash of the server's certificate as `tls-server-end-point` has it (RFC 5929), if there is one.
    #[must_use]
    pub fn channel_binding(mut self, end_point: Option<Vec<u8>>) -> Self {
        self.end_point = end_point;
        self
    }

    /// Writes the StartupMessage.
    ///
    /// # Errors
    /// `UpstreamLogin` if a name or value holds a NUL.
    pub fn start(&mut self, out: &mut BytesMut) -> Result<(), Error> {
        let own = [("user", self.user.as_str()), ("database", self.database.as_str())];
        let passed = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        frontend::startup_message(own.into_iter().chain(passed), out).map_err(|fault| {
            refused(format!("the login cannot be written: {fault}"))
                .hint("check the connection's USER and DB for stray bytes")
        })
    }

    /// Takes what the server says and writes what to answer. Bytes behind ReadyForQuery stay in `input`.
    ///
    /// # Errors
    /// `UpstreamLogin` if the server refuses, or asks for what is not given; `Malformed` if it breaks the protocol.
    pub fn feed(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Ready>, Error> {
        while let Some((tag, body)) = message(input)? {
            match (tag, &self.stage) {
                (b'E', _) => return Err(server_refused(&ErrorFields::parse(&body))),
                // A notice, or that the server knows no newer protocol: neither changes the login.
                (b'N' | b'v', _) => {}
                (b'R', Stage::Asked | Stage::Scram(_) | Stage::Answered) => self.authentication(body, out)?,
                (b'S', Stage::Accepted) => self.parameter(&body)?,
                (b'K', Stage::Accepted) => self.ready.backend = Some(backend_key(body)?),
                (b'Z', Stage::Accepted) => return Ok(Some(std::mem::take(&mut self.ready))),
                _ => return Err(out_of_order(tag)),
            }
        }
        Ok(None)
    }

    fn authentication(&mut self, mut body: Bytes, out: &mut BytesMut) -> Result<(), Error> {
        let method = body.try_get_i32().map_err(|_| out_of_order(b'R'))?;
        // These two are of one length; a server that says more with them means something else.
        if matches!(method, 0 | 3) && !body.is_empty() {
            return Err(out_of_order(b'R'));
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Answered);
        self.stage = match (method, stage) {
            (0, Stage::Asked | Stage::Answered) => Stage::Accepted,
            (3, Stage::Asked) => self.cleartext(out)?,
            (5, Stage::Asked) => self.md5(&body, out)?,
            (10, Stage::Asked) => {
                let end_point = self.end_point.take();
                Stage::Scram(Box::new(Scram::begin(&body, self.password()?, end_point, out)?))
            }
            (11, Stage::Scram(mut scram)) => {
                scram.challenge(&body, out)?;
                Stage::Scram(scram)
            }
            (12, Stage::Scram(scram)) => {
                scram.finish(&body)?;
                Stage::Answered
            }
            // A server that skips its own proof may be anyone.
            (0, Stage::Scram(_)) => return Err(unproven()),
            (method, Stage::Asked) if !matches!(method, 8 | 11 | 12) => return Err(unsupported(method)),
            _ => return Err(out_of_order(b'R')),
        };
        Ok(())
    }

    fn cleartext(&self, out: &mut BytesMut) -> Result<Stage, Error> {
        let password = self.password()?;
        if !self.allow_cleartext {
            return Err(refused(
                "the upstream asks for the password in clear text over an unencrypted connection",
            )
            .hint("set the connection's SSLMODE to verify-full, or let the server use scram-sha-256"));
        }
        answer(password.as_bytes(), out)
    }

    fn md5(&self, salt: &[u8], out: &mut BytesMut) -> Result<Stage, Error> {
        let salt = salt.try_into().map_err(|_| out_of_order(b'R'))?;
        answer(md5_hash(self.user.as_bytes(), self.password()?.as_bytes(), salt).as_bytes(), out)
    }

    fn password(&self) -> Result<&str, Error> {
        self.password.as_deref().ok_or_else(|| {
            refused("the upstream asks for a password and the connection has none")
                .hint("set the connection's PASS")
        })
    }

    fn parameter(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut parts = body.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return Err(out_of_order(b'S')) };
        if self.ready.parameters.len() == PARAMETERS {
            return Err(malformed(format!("the upstream reports more than {PARAMETERS} parameters")));
        }
        self.ready.parameters.push((name, value));
        Ok(())
    }
}

/// An SSLRequest: the server answers one byte, `S` or `N`. Anything that it sends behind an `S` before the TLS
/// handshake must end the connection (CVE-2021-23222).
#[must_use]
pub fn ssl_request() -> Bytes {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    request.freeze()
}

/// A CancelRequest for the backend that [`Ready`] named.
#[must_use]
pub fn cancel_request(pid: i32, secret: &[u8]) -> Bytes {
    let secret = secret.get(..SECRET_BYTES).unwrap_or(secret);
    let mut request = BytesMut::with_capacity(12 + secret.len());
    request.put_uint(12 + secret.len() as u64, 4);
    request.put_u32(80_877_102);
    request.put_i32(pid);
    request.put_slice(secret);
    request.freeze()
}

/// Takes one whole message out of `input`.
fn message(input: &mut BytesMut) -> Result<Option<(u8, Bytes)>, Error> {
    let Some((&[tag, a, b, c, d], _)) = input.split_first_chunk::<5>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(4..MESSAGE_BYTES).contains(&length) {
        return Err(malformed(
            "the upstream does not answer as PostgreSQL does: a message's length is out of bounds",
        ));
    }
    if input.len() <= length {
        return Ok(None);
    }
    let mut message = input.split_to(1 + length).freeze();
    message.advance(5);
    Ok(Some((tag, message)))
}

fn answer(password: &[u8], out: &mut BytesMut) -> Result<Stage, Error> {
    frontend::password_message(password, out).map_err(|_| {
        refused("the connection's password cannot be sent: it holds a NUL")
            .hint("set the connection's PASS anew")
    })?;
    Ok(Stage::Answered)
}

fn backend_key(mut body: Bytes) -> Result<(i32, Bytes), Error> {
    let pid = body.try_get_i32().map_err(|_| out_of_order(b'K'))?;
    if body.len() > SECRET_BYTES {
        return Err(malformed("the upstream's cancel key is too long"));
    }
    Ok((pid, body))
}

/// The server said no: its words, and what to do about the usual reasons.
fn server_refused(fields: &ErrorFields) -> Error {
    let hint = match fields.code() {
        "28P01" | "28000" => {
            "check the connection's USER, PASS and SSLMODE against the upstream's pg_hba.conf"
        }
        "3D000" => "check the connection's DB: the upstream has no such database",
        "53300" => "the upstream has no connection slot free: try again later",
        "57P03" => "the upstream is starting up or shutting down: try again later",
        "42501" => "grant the connection's USER the right to connect to its DB",
        "22023" | "42704" => "a start-up parameter of the client does not suit the upstream: leave it out",
        _ => fields.hint.as_deref().unwrap_or("see the upstream's own log"),
    };
    refused(format!("the upstream refused the login: {}", fields.text())).hint(hint)
}

fn unproven() -> Error {
    refused("the upstream lets in without proving that it knows the password")
        .hint("check that HOST and PORT lead to the PostgreSQL server that you mean")
}

fn unsupported(method: i32) -> Error {
    let name = match method {
        2 => "Kerberos V5",
        6 => "SCM credentials",
        7 => "GSSAPI",
        9 => "SSPI",
        _ => "an unknown method",
    };
    refused(format!("the upstream asks for a login by {name} (method {method}), which is not spoken here"))
        .hint("let the connection's user log in with scram-sha-256 in the upstream's pg_hba.conf")
}

fn out_of_order(tag: u8) -> Error {
    malformed(format!("the upstream's message `{}` does not belong into a login", tag.escape_ascii()))
}

fn malformed(what: impl Into<String>) -> Error {
    Error::new(Code::Malformed, Side::Upstream, what)
        .hint("check that HOST and PORT lead to a PostgreSQL server")
}

pub(super) fn refused(what: impl Into<String>) -> Error {
    Error::new(Code::UpstreamLogin, Side::Upstream, what)
}

#[cfg(test)]
mod tests;

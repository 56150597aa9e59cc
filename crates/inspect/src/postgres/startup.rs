//! The client's first words (protocol, "Start-up", "SSL Session Encryption", "Canceling Requests in Progress").

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Malformed, parameters};

/// The server's own bound on a start-up packet (`MAX_STARTUP_PACKET_LENGTH`).
const PACKET_BYTES: usize = 10_000;
/// The longest secret that protocol 3.2 allows in a cancel request.
const SECRET_BYTES: usize = 256;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
const PROTOCOL_3_0: u32 = 196_608;

/// What a client says first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum First {
    /// It asks for TLS: answer one byte [`super::reply::NO`] and go on feeding.
    Tls,
    /// It asks for GSSAPI encryption: answer one byte [`super::reply::NO`] and go on feeding.
    Gss,
    /// It asks to cancel what another session runs; nothing follows.
    Cancel {
        /// The process that it was told in BackendKeyData.
        pid: i32,
        /// The secret that it was told with it.
        secret: Bytes,
    },
    /// It opens a session.
    Start(Startup),
}

/// What a client asks for as it opens a session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Startup {
    /// The user that it names; noted, never believed.
    pub user: String,
    /// The database that it names, or the user's name; noted, never believed.
    pub database: String,
    /// `application_name`, empty if not given.
    pub application: String,
    /// The parameters to pass to the upstream.
    pub parameters: Vec<(String, String)>,
    /// A NegotiateProtocolVersion message that must stand before the welcome, if the client asked for more than
    /// protocol 3.0.
    pub negotiate: Option<Vec<u8>>,
}

/// Reads what a client says before a session begins.
#[derive(Debug, Default)]
pub struct FirstWords {
    tls_asked: bool,
    gss_asked: bool,
}

impl FirstWords {
    /// Takes one packet out of `buf`, or nothing if it is not all there yet.
    ///
    /// # Errors
    /// [`Malformed`] if this is not PostgreSQL, breaks the protocol, or asks for what is not served.
    pub fn feed(&mut self, buf: &mut BytesMut) -> Result<Option<First>, Malformed> {
        if buf.first() == Some(&0x16) {
            return Err(direct_tls());
        }
        let Some((length, _)) = buf.split_first_chunk::<4>() else { return Ok(None) };
        let length = packet_length(*length)?;
        if buf.len() < length {
            return Ok(None);
        }
        let mut packet = buf.split_to(length).freeze();
        packet.advance(4);
        match packet.get_u32() {
            SSL_REQUEST => self.encryption(First::Tls, packet.len(), buf.len()).map(Some),
            GSSENC_REQUEST => self.encryption(First::Gss, packet.len(), buf.len()).map(Some),
            CANCEL_REQUEST => cancel(packet).map(Some),
            version => startup(version, &packet).map(|startup| Some(First::Start(startup))),
        }
    }

    /// An encryption request: at most one of each kind, and nothing may stand behind it. What does would be taken for
    /// plaintext here and for something encrypted by others (CVE-2021-23214).
    fn encryption(&mut self, kind: First, body: usize, behind: usize) -> Result<First, Malformed> {
        let (asked, name) = match kind {
            First::Gss => (&mut self.gss_asked, "GSSENCRequest"),
            _ => (&mut self.tls_asked, "SSLRequest"),
        };
        if body != 0 {
            return Err(Malformed::new(format!("{name} with a body")));
        }
        if behind != 0 {
            return Err(Malformed::new(format!("unencrypted data behind {name}")).hint(
                "wait for the answer before you send more; if you did, someone is changing your traffic",
            ));
        }
        if std::mem::replace(asked, true) {
            return Err(Malformed::new(format!("a second {name}")));
        }
        Ok(kind)
    }
}

/// The whole packet's length in bytes.
fn packet_length(head: [u8; 4]) -> Result<usize, Malformed> {
    match u32::from_be_bytes(head) as usize {
        length @ 8..=PACKET_BYTES => Ok(length),
        _ => Err(stranger(head)),
    }
}

/// Says what a head that is no length looks like.
fn stranger(head: [u8; 4]) -> Malformed {
    let http: [&[u8; 4]; 9] =
        [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "];
    let what = if http.contains(&&head) {
        "this looks like HTTP, not PostgreSQL"
    } else if head == *b"SSH-" {
        "this looks like SSH, not PostgreSQL"
    } else if head.first() == Some(&0) {
        "the start-up packet's length is out of bounds"
    } else {
        "this is not PostgreSQL's protocol 3"
    };
    Malformed::new(what).hint("connect with a PostgreSQL client")
}

fn direct_tls() -> Malformed {
    Malformed::new("this looks like TLS without an SSLRequest before it")
        .hint("use sslnegotiation=postgres and sslmode=prefer or disable: the way to the gateway is encrypted already")
}

fn cancel(mut packet: Bytes) -> Result<First, Malformed> {
    if !(8..=4 + SECRET_BYTES).contains(&packet.len()) {
        return Err(Malformed::new("a CancelRequest of a wrong length"));
    }
    Ok(First::Cancel { pid: packet.get_i32(), secret: packet })
}

fn startup(version: u32, body: &[u8]) -> Result<Startup, Malformed> {
    if version >> 16 != 3 {
        return Err(Malformed::new(format!("protocol {}.{} is not served", version >> 16, version & 0xffff))
            .sqlstate("0A000")
            .hint("use a client that speaks PostgreSQL's protocol 3"));
    }
    let mut startup = Startup::default();
    let mut database = None;
    let mut unknown = Vec::new();
    for (name, value) in pairs(body)? {
        match name {
            "user" => value.clone_into(&mut startup.user),
            "database" => database = Some(value),
            extension if extension.starts_with("_pq_.") => unknown.push(extension),
            _ if parameters::passes(name, value)? => startup.pass(name, value),
            _ => {}
        }
    }
    if startup.user.is_empty() {
        return Err(Malformed::new("no user is named").sqlstate("28000").hint("name a user; any will do"));
    }
    database.filter(|name| !name.is_empty()).unwrap_or(&startup.user).clone_into(&mut startup.database);
    startup.negotiate = (version != PROTOCOL_3_0 || !unknown.is_empty()).then(|| negotiate(&unknown));
    Ok(startup)
}

impl Startup {
    fn pass(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("application_name") {
            value.clone_into(&mut self.application);
        }
        self.parameters.push((name.to_owned(), value.to_owned()));
    }
}

/// The names and values of a start-up message: strings that end in NUL, and one NUL more at the very end.
fn pairs(body: &[u8]) -> Result<Vec<(&str, &str)>, Malformed> {
    let broken = || Malformed::new("the start-up packet's parameters are not laid out as they should be");
    let body = std::str::from_utf8(body).map_err(|_| Malformed::new("a start-up parameter is not UTF-8"))?;
    let body = body.strip_suffix('\0').ok_or_else(broken)?;
    let mut rest = body;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('\0').ok_or_else(broken)?;
        let (value, after) = after.split_once('\0').ok_or_else(broken)?;
        if name.is_empty() {
            return Err(broken());
        }
        pairs.push((name, value));
        rest = after;
    }
    Ok(pairs)
}

/// NegotiateProtocolVersion: 3.0 is the newest that is served, and these options are not known.
fn negotiate(unknown: &[&str]) -> Vec<u8> {
    let names: usize = unknown.iter().map(|name| name.len() + 1).sum();
    let mut message = Vec::with_capacity(13 + names);
    message.put_u8(b'v');
    // Both fit: the start-up packet that the names came in is no longer than PACKET_BYTES.
    message.put_u32(12 + u32::try_from(names).unwrap_or(u32::MAX));
    message.put_u32(PROTOCOL_3_0);
    message.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
    for name in unknown {
        message.put_slice(name.as_bytes());
        message.put_u8(0);
    }
    message
}

#[cfg(test)]
mod tests;

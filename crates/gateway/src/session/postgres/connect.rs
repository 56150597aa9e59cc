//! The way into the database: TLS as `sslmode` asks, then the connection's own login.

use std::time::Duration;

use bytes::BytesMut;
use penstock_domain::{Code, Error, Plan, Postgres, Side, SslMode, SslNegotiation, Target};
use penstock_inspect::postgres::{Login, ssl_request};
use penstock_link::tls::{self, Connector, Trust};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::Connected;
use crate::{
    session::running::Running,
    shared::Shared,
    upstream::{self, Upstream},
};

/// How long TLS and login may take together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is spoken where TLS begins at once (protocol, "SSL Session Encryption").
const ALPN: &[u8] = b"postgresql";

/// Whether one attempt asks for TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Attempt {
    Plain,
    TlsIfOffered,
    Tls,
}

/// Opens the upstream and logs in.
///
/// # Errors
/// Of the last attempt that `sslmode` allows.
pub(super) async fn connect(
    running: &Running,
    login: &Postgres,
    parameters: &[(String, String)],
) -> Result<Connected, Error> {
    let mut failure = None;
    for attempt in attempts(login.sslmode, &running.plan.target) {
        let upstream = upstream::open(&running.shared, &running.plan).await?;
        let entering = enter(upstream, *attempt, &running.plan, login, parameters);
        let entered = timeout(TIMEOUT, entering).await.unwrap_or_else(|_| {
            Err(Error::new(
                Code::UpstreamTimeout,
                Side::Upstream,
                format!("{} did not finish the login within {} s", running.plan.target, TIMEOUT.as_secs()),
            ))
        });
        match entered {
            Ok(connected) => return Ok(connected),
            // What TLS or its absence caused may go better the other way round; nothing else will.
            Err(error) if matches!(error.code, Code::UpstreamLogin | Code::UpstreamTls) => {
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::new(Code::Internal, Side::Gateway, "sslmode allows no attempt")))
}

/// Opens the upstream as a login would, for a message that needs none.
///
/// # Errors
/// As for [`connect`].
pub(super) async fn reach(shared: &Shared, plan: &Plan, login: &Postgres) -> Result<Upstream, Error> {
    let upstream = upstream::open(shared, plan).await?;
    let attempt = attempts(login.sslmode, &plan.target).first().copied().unwrap_or(Attempt::Plain);
    secure(upstream, attempt, &plan.target, login).await
}

/// What libpq tries, in its order (PostgreSQL, libpq, §32.19.3). Unix sockets never have TLS.
const fn attempts(mode: SslMode, target: &Target) -> &'static [Attempt] {
    match (mode, target) {
        (_, Target::Unix(_)) | (SslMode::Disable, _) => &[Attempt::Plain],
        (SslMode::Allow, _) => &[Attempt::Plain, Attempt::Tls],
        (SslMode::Prefer, _) => &[Attempt::TlsIfOffered, Attempt::Plain],
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => &[Attempt::Tls],
    }
}

async fn enter(
    upstream: Upstream,
    attempt: Attempt,
    plan: &Plan,
    login: &Postgres,
    parameters: &[(String, String)],
) -> Result<Connected, Error> {
    let target = &plan.target;
    let upstream = secure(upstream, attempt, target, login).await?;
    let is_private = matches!(upstream, Upstream::Tls(_))
        || matches!(target, Target::Unix(_))
        || login.sslmode == SslMode::Disable;
    let machine = Login::new(&login.user, login.password.as_deref(), &login.database, parameters)
        .allow_cleartext(is_private)
        .channel_binding(end_point(&upstream));
    log_in(upstream, machine).await
}

/// What the login is bound to, so that nobody in between can pass it on (SCRAM-SHA-256-PLUS).
fn end_point(upstream: &Upstream) -> Option<Vec<u8>> {
    match upstream {
        Upstream::Tls(tls) => tls::end_point(tls.get_ref().1),
        Upstream::Link(_) | Upstream::Tcp(_) | Upstream::Unix(_) => None,
    }
}

/// Asks for TLS, if the attempt has it, and runs the handshake. Bytes that a server, or someone in between, sends behind its answer go
/// to TLS, never to the login: they cannot be smuggled (CVE-2021-23222).
async fn secure(
    mut upstream: Upstream,
    attempt: Attempt,
    target: &Target,
    login: &Postgres,
) -> Result<Upstream, Error> {
    if attempt == Attempt::Plain {
        return Ok(upstream);
    }
    if login.sslnegotiation == SslNegotiation::Direct {
        return encrypt(upstream, target, login, &[ALPN]).await;
    }
    upstream.write_all(&ssl_request()).await.map_err(|error| lost(target, &error))?;
    let answer = upstream.read_u8().await.map_err(|error| lost(target, &error))?;
    match answer {
        b'S' => encrypt(upstream, target, login, &[]).await,
        b'N' if attempt == Attempt::TlsIfOffered => Ok(upstream),
        b'N' => Err(Error::new(Code::UpstreamTls, Side::Upstream, format!("{target} does not offer TLS"))
            .hint("turn on ssl there, or set SSLMODE=prefer or disable on the connection")),
        _ => Err(Error::new(Code::Malformed, Side::Upstream, format!("{target} does not speak PostgreSQL"))
            .hint("check HOST and PORT of the connection")),
    }
}

async fn encrypt(
    upstream: Upstream,
    target: &Target,
    login: &Postgres,
    alpn: &[&[u8]],
) -> Result<Upstream, Error> {
    let connector = Connector::new(&trust(login), None, alpn, None)?;
    let tls = connector.connect(host(target), upstream).await.map_err(|error| {
        Error::new(Code::UpstreamTls, Side::Upstream, error.message)
            .hint("SSLMODE and SSLROOTCERT of the connection say whom to believe")
    })?;
    if !alpn.is_empty() && tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        // Whoever answers TLS without a word on what is spoken in it may be another service (ALPACA).
        let what = format!("{target} speaks TLS and does not say that PostgreSQL is spoken in it");
        return Err(Error::new(Code::UpstreamTls, Side::Upstream, what)
            .hint("SSLNEGOTIATION=direct needs PostgreSQL 17 or later"));
    }
    Ok(Upstream::Tls(Box::new(tls)))
}

/// With `require`, a root that was given is used, as libpq does.
fn trust(login: &Postgres) -> Trust {
    match (login.sslmode, &login.sslrootcert) {
        (SslMode::VerifyFull, Some(roots)) => Trust::Roots(roots.clone()),
        (SslMode::VerifyFull, None) => Trust::System,
        (SslMode::VerifyCa, roots) => Trust::Chain(roots.clone()),
        (SslMode::Require, Some(roots)) => Trust::Chain(Some(roots.clone())),
        (SslMode::Require | SslMode::Disable | SslMode::Allow | SslMode::Prefer, _) => Trust::Anyone,
    }
}

fn host(target: &Target) -> &str {
    match target {
        Target::Tcp(address) => address
            .rsplit_once(':')
            .map_or(address.as_str(), |(host, _port)| host)
            .trim_start_matches('[')
            .trim_end_matches(']'),
        Target::Unix(_) => "localhost",
    }
}

async fn log_in(upstream: Upstream, mut login: Login) -> Result<Connected, Error> {
    let (mut source, mut sink) = upstream.split();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    login.start(&mut output)?;
    loop {
        if !output.is_empty() {
            sink.send(output.split().freeze()).await.map_err(|error| cut(&error.to_string()))?;
        }
        let Some(chunk) = source.chunk().await.map_err(|error| cut(&error.to_string()))? else {
            return Err(cut("it closed the connection"));
        };
        input.extend_from_slice(&chunk);
        if let Some(ready) = login.feed(&mut input, &mut output)? {
            return Ok(Connected { source, sink, ready, rest: input.freeze() });
        }
    }
}

fn cut(why: &str) -> Error {
    Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("the upstream broke off the login: {why}"))
        .hint("its log says why; is it PostgreSQL, and is it up?")
}

fn lost(target: &Target, error: &std::io::Error) -> Error {
    Error::new(Code::UpstreamUnreachable, Side::Upstream, format!("{target} broke off: {error}"))
        .hint("its log says why; is it PostgreSQL, and is it up?")
}

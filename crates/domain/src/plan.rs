//! The immutable result of a decision: Python makes it, Rust enforces it.

use std::{fmt, path::PathBuf};

use serde::Deserialize;

/// All that is needed to carry one session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The session's identifier.
    pub session: String,
    /// The connection's name.
    pub connection: String,
    /// The agent that reaches the target; none means that the gateway dials.
    #[serde(default)]
    pub agent: Option<String>,
    /// Where to.
    pub target: Target,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where the recording goes.
    pub recording: Recording,
    /// What bounds the session.
    pub limits: Limits,
    /// When the session ends at the latest, in seconds since the epoch.
    #[serde(default)]
    pub expires_at: Option<u64>,
}

/// An address as the agent sees it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// `HOST:PORT`, IPv6 in brackets.
    Tcp(String),
    /// The path of a unix socket.
    Unix(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// The wire protocol and what it needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Protocol {
    /// Bytes and counts only.
    Tcp,
    /// PostgreSQL, protocol 3.
    Postgres(Postgres),
}

impl Protocol {
    /// The connection's type, as users write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// The connection's own login.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The user at the upstream.
    pub user: String,
    /// Its password; none for `trust`.
    #[serde(default)]
    pub password: Option<String>,
    /// The database.
    pub database: String,
    /// libpq's `sslmode`.
    #[serde(default)]
    pub sslmode: SslMode,
    /// libpq's `sslnegotiation`.
    #[serde(default)]
    pub sslnegotiation: SslNegotiation,
    /// PEM roots for `verify-ca` and `verify-full`; the system's if absent.
    #[serde(default)]
    pub sslrootcert: Option<String>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("user", &self.user)
            .field("database", &self.database)
            .field("sslmode", &self.sslmode)
            .field("sslnegotiation", &self.sslnegotiation)
            .finish_non_exhaustive()
    }
}

/// libpq's `sslmode` (PostgreSQL, libpq, §32.19.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server offers it.
    #[default]
    Prefer,
    /// TLS, whatever the certificate.
    Require,
    /// TLS with a certificate from a known CA.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

/// libpq's `sslnegotiation` (PostgreSQL, libpq, §32.1.2): how TLS begins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslNegotiation {
    /// The server is asked first.
    #[default]
    Postgres,
    /// With the first byte, as PostgreSQL 17 and later take it.
    Direct,
}

/// Where and how a session is recorded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The file; created, never overwritten.
    pub path: PathBuf,
    /// What a recorded burst has survived.
    #[serde(default)]
    pub level: Level,
    /// Whether the session ends when its recording cannot go on. If not, the gap is told at its end.
    #[serde(default = "required")]
    pub required: bool,
}

const fn required() -> bool {
    true
}

/// What has to be survived by the record of a burst before the burst goes onward (design §5).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The death of our process: the kernel has it.
    #[default]
    Process,
    /// A loss of power: the disk has it.
    Fsync,
}

/// What bounds a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Seconds without a byte in either direction before the session ends.
    pub idle_seconds: u64,
    /// Bytes of a statement's text that are recorded.
    pub statement_bytes: usize,
}

//! The seam between carrying and deciding: Rust asks, a [`Decider`] answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Passage, Plan, Status, Visitor};

/// What a peer proves itself with when it dials.
#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Credential {
    /// An agent's key.
    Agent {
        /// The agent's name.
        name: String,
        /// The key's secret.
        secret: String,
    },
    /// A certificate that the handshake has proven.
    Certificate {
        /// The names in the leaf.
        names: Vec<String>,
        /// SHA-256 of the leaf, in hex.
        fingerprint: String,
    },
    /// A user's token.
    Token {
        /// The token.
        token: String,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent { name, .. } => write!(f, "Agent({name})"),
            Self::Certificate { names, .. } => write!(f, "Certificate({names:?})"),
            Self::Token { .. } => f.write_str("Token"),
        }
    }
}

/// Who a peer has proven to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Principal {
    /// An agent.
    Agent {
        /// Its name.
        name: String,
    },
    /// A person.
    User {
        /// Its identifier in the store.
        id: String,
        /// Its e-mail address.
        name: String,
        /// The identifier of the token that proved it; never the token.
        token: String,
    },
    /// A worker of a published app.
    Worker {
        /// The name in its certificate.
        name: String,
        /// The app's name.
        app: String,
    },
}

impl Principal {
    /// The name that logs and recordings show.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Agent { name } | Self::User { name, .. } | Self::Worker { name, .. } => name,
        }
    }
}

/// What the client said of itself in its first words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Client {
    /// The user name that it asked for.
    pub user: String,
    /// The database that it asked for.
    pub database: String,
    /// `application_name`.
    pub application: String,
}

/// A session whose client has spoken and whose upstream is about to be opened.
#[derive(Clone, Debug, Serialize)]
pub struct Begin {
    /// The session's identifier, from the plan.
    pub session: String,
    /// The connection's name.
    pub connection: String,
    /// Who.
    pub principal: Principal,
    /// What the client said of itself.
    pub client: Client,
    /// The principal's address.
    pub peer: String,
}

/// A session that is over.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// The session's identifier.
    pub session: String,
    /// How it ended.
    pub status: Status,
    /// Why, if not in order.
    pub reason: Option<String>,
    /// How many statements.
    pub statements: u64,
    /// Bytes from the client.
    pub client_bytes: u64,
    /// Bytes from the upstream.
    pub upstream_bytes: u64,
    /// Records of its recording.
    pub records: u64,
    /// The hash of the last of them, in hex; empty if there is none.
    pub head: String,
    /// What is not in the recording, where one was not required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// The part of a session that could not be recorded.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Gap {
    /// Since when, in microseconds since the epoch.
    pub since: u64,
    /// How many events.
    pub events: u64,
    /// Why.
    pub reason: String,
}

/// Somebody who wants to enter an app that identifies its callers.
#[derive(Clone, Serialize)]
pub struct Enter {
    /// The app's name.
    pub app: String,
    /// The token that the caller shows.
    pub token: String,
    /// The caller's address.
    pub peer: String,
}

impl fmt::Debug for Enter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter").field("app", &self.app).field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Somebody who calls the forward proxy with a credential.
#[derive(Clone, Serialize)]
pub struct Call {
    /// Who the caller says it is, if it says so; the token must prove it.
    pub name: Option<String>,
    /// The token or key that it shows.
    pub token: String,
    /// The caller's address.
    pub peer: String,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("name", &self.name).field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// What Rust asks at a boundary.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// Who is this?
    Authenticate {
        /// What it showed.
        credential: Credential,
        /// Where it comes from.
        peer: String,
    },
    /// May this principal use this connection, and how?
    Decide {
        /// Who.
        principal: Principal,
        /// The connection's name.
        connection: String,
        /// Where it comes from.
        peer: String,
    },
    /// The session begins: write it down before anything is opened.
    Begin(Begin),
    /// The session is over.
    Ended(Ended),
    /// May the bearer of this token enter this app?
    Enter(Enter),
    /// Who calls the forward proxy?
    Call(Call),
    /// These are open, or have ended, at the forward proxy.
    Passages {
        /// The oldest first.
        passages: Vec<Passage>,
    },
}

/// The answer. An exception, a timeout or an unknown value is a denial.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    /// Answers [`Question::Authenticate`].
    Principal(Principal),
    /// Answers [`Question::Decide`].
    Plan(Box<Plan>),
    /// Answers [`Question::Enter`] and [`Question::Call`].
    Visitor(Visitor),
    /// Answers [`Question::Begin`] and [`Question::Ended`].
    Noted,
    /// Answers [`Question::Passages`], which are noted but for these sessions: what proved their callers is
    /// gone.
    Revoked(Vec<String>),
    /// No, and why.
    Deny(Error),
}

/// The one seam of design §3. The gateway's is Python; tests script theirs.
#[async_trait::async_trait]
pub trait Decider: Send + Sync + 'static {
    /// Answers in bounded time; never panics.
    async fn decide(&self, question: Question) -> Verdict;
}

//! One catalogue of what can go wrong, who caused it, and what to do about it.

use serde::{Deserialize, Serialize};

/// What went wrong. Each code has one HTTP status and one Python exception.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The credential is missing, wrong, expired or revoked.
    Unauthenticated,
    /// The principal is known and may not do this.
    Forbidden,
    /// No such connection, session or path.
    NotFound,
    /// The thing exists already, or its state does not admit this.
    Conflict,
    /// A limit was reached; trying later may help.
    Limited,
    /// No link of the connection's agent is up.
    AgentOffline,
    /// The agent's own allow-list does not contain the target.
    TargetDenied,
    /// The target refused, reset or could not be resolved.
    UpstreamUnreachable,
    /// The target did not answer in time.
    UpstreamTimeout,
    /// The target did not accept the connection's credentials.
    UpstreamLogin,
    /// The target's TLS does not satisfy the connection's `SSLMODE`.
    UpstreamTls,
    /// A peer broke its protocol.
    Malformed,
    /// The recording could not be written.
    Recorder,
    /// An administrator ended the session.
    Killed,
    /// The session or its credential reached its end.
    Expired,
    /// This side is shutting down.
    Draining,
    /// The link or peer was lost.
    Lost,
    /// A fault of ours.
    Internal,
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The user's program.
    Client,
    /// The gateway itself.
    Gateway,
    /// The private resource.
    Upstream,
    /// The agent or its network.
    Agent,
    /// A rule.
    Policy,
}

/// An error with its code, its side, what was wrong, and what to do.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// Who caused it.
    pub side: Side,
    /// What was wrong, for a person; never a secret.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Error {
    /// An error without a hint.
    pub fn new(code: Code, side: Side, message: impl Into<String>) -> Self {
        Self { code, side, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The body of an `application/problem+json` answer (RFC 9457).
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem {
            r#type: "about:blank".into(),
            title: self.code.title().into(),
            status: self.code.http_status(),
            detail: self.message.clone(),
            code: self.code,
            side: self.side,
            hint: self.hint.clone(),
        }
    }
}

impl Code {
    /// The HTTP status that carries this code (design §4).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::TargetDenied | Self::Killed | Self::Expired => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Limited => 429,
            Self::UpstreamUnreachable | Self::UpstreamLogin | Self::UpstreamTls | Self::Lost => 502,
            Self::AgentOffline | Self::Draining | Self::Recorder => 503,
            Self::UpstreamTimeout => 504,
            Self::Malformed => 400,
            Self::Internal => 500,
        }
    }

    /// A short phrase for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "Not authenticated",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Conflict => "Conflict",
            Self::Limited => "Limit reached",
            Self::AgentOffline => "Agent offline",
            Self::TargetDenied => "Target not in the agent's allow-list",
            Self::UpstreamUnreachable => "Upstream unreachable",
            Self::UpstreamTimeout => "Upstream timed out",
            Self::UpstreamLogin => "Upstream refused the login",
            Self::UpstreamTls => "Upstream TLS failed",
            Self::Malformed => "Malformed input",
            Self::Recorder => "Recording failed",
            Self::Killed => "Session killed",
            Self::Expired => "Session expired",
            Self::Draining => "Shutting down",
            Self::Lost => "Connection lost",
            Self::Internal => "Internal error",
        }
    }
}

/// An RFC 9457 problem, as it travels between peers and to API clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A URI reference for the kind of problem.
    pub r#type: String,
    /// A short phrase for the kind of problem.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// Our code.
    pub code: Code,
    /// Who caused it.
    pub side: Side,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, side: problem.side, message: problem.detail, hint: problem.hint }
    }
}

//! What leaves by the forward proxy and stays open for a while: a tunnel, or a connection that became another
//! protocol. In the store it is a session without a recording.

use serde::Serialize;

use crate::Status;

/// One of them, whole: whoever is told of it twice learns nothing new.
#[derive(Clone, Debug, Serialize)]
pub struct Passage {
    /// Its identifier.
    pub session: String,
    /// The caller's name.
    pub principal: String,
    /// The caller's identifier in the store; empty if it proved nothing.
    pub user: String,
    /// The identifier of the token that proved it; empty likewise.
    pub token: String,
    /// The caller's address.
    pub peer: String,
    /// The destination, `HOST:PORT`.
    pub target: String,
    /// The rule that decided; none if there are no rules.
    pub rule: Option<String>,
    /// What became of it so far, as the access log says it.
    pub verdict: &'static str,
    /// Since when, in microseconds since the epoch.
    pub started_at: u64,
    /// How it ended; none while it is open.
    pub end: Option<PassageEnd>,
}

/// Its end.
#[derive(Clone, Debug, Serialize)]
pub struct PassageEnd {
    /// How.
    pub status: Status,
    /// Why, if not in order.
    pub reason: Option<String>,
    /// Bytes from the caller.
    pub client_bytes: u64,
    /// Bytes from the destination.
    pub upstream_bytes: u64,
    /// When, in microseconds since the epoch.
    pub at: u64,
}

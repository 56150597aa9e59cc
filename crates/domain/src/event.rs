//! What happens in a session, as inspectors see it and recordings keep it.

use serde::{Deserialize, Serialize};

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Client or upstream ended it in order.
    Closed,
    /// An administrator ended it.
    Killed,
    /// Its time or its credential's ran out.
    Expired,
    /// Something broke; the reason says what.
    Failed,
}

/// One thing that happened. The `type` tag and the field names are the recording's format: add, never rename.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The first record: who uses what.
    Opened {
        /// The session's identifier.
        session: String,
        /// The connection's name.
        connection: String,
        /// The wire protocol, as in `Plan`.
        protocol: String,
        /// The principal's name.
        principal: String,
    },
    /// What the client said of itself; noted, never believed.
    Client {
        /// The user name that it asked for.
        user: String,
        /// The database that it asked for.
        database: String,
        /// `application_name`.
        application: String,
    },
    /// A statement on its way to the upstream.
    Statement {
        /// Its number in the session, from 1.
        id: u64,
        /// Its text, up to the limit; what is not UTF-8 is replaced.
        text: String,
        /// Its whole length in bytes.
        bytes: u64,
        /// True if `text` is not all of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
        /// BLAKE3 of the whole statement in hex, where `text` does not say it all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// The upstream's answer to a statement.
    Completed {
        /// The statement's number.
        id: u64,
        /// Rows returned or touched, 0 where the answer names no count; none if it failed. A running total: the
        /// last record of a statement is the truth.
        rows: Option<u64>,
        /// `SQLSTATE: message`, if it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The client asked to cancel what was running.
    Cancel,
    /// An error of the upstream's that answers no statement (a shutdown, an idle timeout).
    Notice {
        /// `SQLSTATE: message`.
        text: String,
    },
    /// The last record of a session that ended in order.
    Ended {
        /// How.
        status: Status,
        /// Why, if not in order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How many statements.
        statements: u64,
        /// Bytes from the client.
        client_bytes: u64,
        /// Bytes from the upstream.
        upstream_bytes: u64,
    },
}

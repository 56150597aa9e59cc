//! Who enters a published app.

use serde::Deserialize;

/// A user who may enter an app.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Its identifier in the store.
    pub id: String,
    /// Its e-mail address.
    pub name: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The identifier of the token that proved it; never the token.
    pub token: String,
    /// When the token ends, in seconds since the epoch.
    pub expires_at: u64,
}

//! Who may call, and how they prove it.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The callers. One that shows a credential is judged by it alone; else its certificate counts, then its
/// address.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// Whether a caller may prove nothing; it is then `anonymous`, without groups. If not, it is answered
    /// 407.
    pub anonymous: bool,
    /// The realm in `Proxy-Authenticate`.
    pub realm: String,
    /// Who is known.
    pub list: Vec<Caller>,
}

impl Default for Callers {
    fn default() -> Self {
        Self { anonymous: false, realm: "penstock".into(), list: Vec::new() }
    }
}

/// One caller.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The principal's name; also the user name of `Basic`.
    pub name: String,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// SHA-256 of each key, 64 hex digits. A key is made by us with 256 random bits, so a plain hash
    /// suffices. It is the password of `Basic` and the token of `Bearer`.
    #[serde(default, skip_serializing)]
    pub keys: Vec<String>,
    /// Names in a proven client certificate (DNS names, URIs, common name).
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Networks from which it comes; an address is then proof enough.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// When it ends, in seconds since the epoch.
    #[serde(default)]
    pub expires_at: Option<u64>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("name", &self.name)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

//! How a dialling peer says who it is: gRPC metadata. No name has an underscore, which nginx would drop.

use std::fmt;

use penstock_domain::Credential;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

const AUTHORIZATION: &str = "authorization";
const AGENT: &str = "penstock-agent";

/// What a peer shows when it dials.
#[derive(Clone)]
pub struct Identity {
    agent: Option<String>,
    secret: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Identity {
    /// An agent with its key's secret.
    #[must_use]
    pub const fn agent(name: String, secret: String) -> Self {
        Self { agent: Some(name), secret }
    }

    /// A user with a token.
    #[must_use]
    pub const fn user(token: String) -> Self {
        Self { agent: None, secret: token }
    }

    /// Writes the identity into a call's metadata; false if it holds what no header may hold.
    #[must_use]
    pub(super) fn write(&self, metadata: &mut MetadataMap) -> bool {
        let Ok(mut secret) = AsciiMetadataValue::try_from(format!("Bearer {}", self.secret)) else {
            return false;
        };
        secret.set_sensitive(true);
        metadata.insert(AUTHORIZATION, secret);
        if let Some(name) = &self.agent {
            let Ok(name) = AsciiMetadataValue::try_from(name.as_str()) else { return false };
            metadata.insert(AGENT, name);
        }
        true
    }

    /// Reads the credential of a call; none if there is none.
    #[must_use]
    pub(super) fn read(metadata: &MetadataMap) -> Option<Credential> {
        let authorization = metadata.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, secret) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let secret = secret.trim().to_owned();
        match metadata.get(AGENT) {
            None => Some(Credential::Token { token: secret }),
            Some(name) => Some(Credential::Agent { name: name.to_str().ok()?.to_owned(), secret }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_survive_the_metadata() {
        let mut metadata = MetadataMap::new();
        assert!(Identity::agent("demo".into(), "s3".into()).write(&mut metadata));
        assert!(matches!(
            Identity::read(&metadata),
            Some(Credential::Agent { name, secret }) if name == "demo" && secret == "s3"
        ));
        let mut metadata = MetadataMap::new();
        assert!(Identity::user("t0k".into()).write(&mut metadata));
        assert!(matches!(Identity::read(&metadata), Some(Credential::Token { token }) if token == "t0k"));
    }

    #[test]
    fn other_schemes_are_no_credential() {
        let mut metadata = MetadataMap::new();
        assert!(Identity::read(&metadata).is_none());
        metadata.insert(AUTHORIZATION, AsciiMetadataValue::from_static("Basic abc"));
        assert!(Identity::read(&metadata).is_none());
    }

    #[test]
    fn a_secret_that_is_no_header_is_refused_before_it_is_sent() {
        assert!(!Identity::user("two\nlines".into()).write(&mut MetadataMap::new()));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", Identity::user("t0k".into())).contains("t0k"));
    }
}

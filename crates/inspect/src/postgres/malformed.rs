//! What is wrong with bytes that break the protocol, or ask for what is not served.

use penstock_domain::{Code, Error, Side};

/// SQLSTATE `protocol_violation`.
pub(super) const PROTOCOL_VIOLATION: &str = "08P01";

/// A peer broke the protocol or asked for what is not served. The session cannot go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct Malformed {
    /// What was wrong, for a person; never a secret and never a statement's text.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The SQLSTATE that tells it to a PostgreSQL client.
    pub sqlstate: &'static str,
}

impl Malformed {
    /// A protocol violation.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, sqlstate: PROTOCOL_VIOLATION }
    }

    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names another SQLSTATE than `protocol_violation`.
    pub(super) fn sqlstate(mut self, sqlstate: &'static str) -> Self {
        self.sqlstate = sqlstate;
        self
    }

    /// The error for the rest of the gateway; `side` is the peer whose bytes these were.
    #[must_use]
    pub fn error(self, side: Side) -> Error {
        Error { code: Code::Malformed, side, message: self.what, hint: self.hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_an_error_of_the_side_that_sent_it() {
        let error = Malformed::new("a length of 3").hint("speak protocol 3").error(Side::Upstream);
        assert_eq!((error.code, error.side), (Code::Malformed, Side::Upstream));
        assert_eq!(error.message, "a length of 3");
        assert_eq!(error.hint.as_deref(), Some("speak protocol 3"));
    }
}

//! How a session came to its end.

use std::io;

use penstock_domain::{Code, Error, Side, Status};

/// The end of a session: its status, and why if it was not in order.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub status: Status,
    pub error: Option<Error>,
}

impl End {
    /// Client or upstream ended it in order.
    pub(crate) const fn closed() -> Self {
        Self { status: Status::Closed, error: None }
    }

    /// Someone wanted it to end.
    pub(crate) fn wanted(status: Status, reason: String) -> Self {
        let code = match status {
            Status::Killed => Code::Killed,
            Status::Expired => Code::Expired,
            Status::Closed => Code::Draining,
            Status::Failed => Code::Internal,
        };
        Self { status, error: Some(Error::new(code, Side::Gateway, reason)) }
    }

    /// The client's link or program went away without a word.
    pub(crate) fn client_lost(error: &io::Error) -> Self {
        Error::new(Code::Lost, Side::Client, format!("the client was lost: {error}")).into()
    }

    /// The upstream, or the agent on the way to it, went away without a word.
    pub(crate) fn upstream_lost(error: &io::Error) -> Self {
        let lost = Error::new(Code::Lost, Side::Upstream, format!("the upstream was lost: {error}"));
        lost.hint("it or the agent stopped; what was running has no result").into()
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self { status: Status::Failed, error: Some(error) }
    }
}

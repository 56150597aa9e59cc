//! Tunnels and upgraded connections, for whoever shows them beside other things.

use std::{fmt, sync::Arc};

use penstock_domain::Status;

use crate::{access::Access, callers::Proven, watch::Line};

/// A tunnel or an upgraded connection that is open.
#[derive(Clone, Debug)]
pub struct Passage(pub(crate) Arc<Line>);

/// Learns of what passes: the gateway shows it among its sessions. Called from the data path; it must not wait.
pub trait Sink: Send + Sync + 'static {
    /// A passage is open; what it is called from now on, also in the access log.
    fn opened(&self, access: &Access, passage: Passage) -> Arc<str>;
    /// A passage that has a name has ended.
    fn ended(&self, session: &str, access: &Access);
}

/// Why a passage had to end.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// No byte moved for so many milliseconds.
    Silence(u64),
    /// Its time was over, or that of what proved its caller.
    Time,
    /// Somebody wanted it.
    Wanted(Status, String),
}

impl Passage {
    /// What proved its caller.
    #[must_use]
    pub fn proven(&self) -> Option<&Proven> {
        self.0.proven()
    }

    /// Payload bytes from the caller so far.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.0.sent.get()
    }

    /// Payload bytes to the caller so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.0.received.get()
    }

    /// Ends it; the first reason holds.
    pub fn end(&self, status: Status, reason: &str) {
        self.0.stop(Ending::Wanted(status, reason.to_owned()));
    }

    /// Why it had to end, if it had to.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.0.ending()
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(ms) => write!(f, "no byte moved for {ms} ms"),
            Self::Time => f.write_str("its time was over"),
            Self::Wanted(_, reason) => f.write_str(reason),
        }
    }
}

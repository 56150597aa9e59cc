//! Who and what is there right now.

mod agents;
mod cancels;
mod credentials;
mod sessions;
mod turns;

pub use agents::AgentState;
pub(crate) use agents::Agents;
pub(crate) use cancels::{Cancellable, Cancels};
pub(crate) use credentials::Credentials;
pub use sessions::SessionState;
pub(crate) use sessions::{Live, Registered as RegisteredSession, Sessions};
pub(crate) use turns::{Queue, Turns};

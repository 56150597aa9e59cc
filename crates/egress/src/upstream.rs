//! Connections to destinations: dialled to an address that was checked, kept, and driven by whoever waits for
//! an answer.

mod connection;
mod dial;
mod pool;
mod upload;

pub(crate) use connection::{Connection, Transport, Unsent};
pub(crate) use dial::{DialFault, dial};
pub(crate) use pool::Pool;
pub(crate) use upload::{Sent, Upload};

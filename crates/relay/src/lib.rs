//! Moving bytes between links and sockets: both directions in one task, half-close kept, a cut never looks like
//! an end.

mod allow;
mod buffers;
mod dial;
mod halves;
mod meter;
mod pump;
mod splice;

pub use allow::Allow;
pub use buffers::Buffers;
pub use dial::{Socket, dial};
pub use halves::{Sink, Source};
pub use meter::Meter;
pub use pump::Pump;
pub use splice::{join, splice};

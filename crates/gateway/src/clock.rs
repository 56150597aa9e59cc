//! The wall clock, in the one unit that recordings use.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the epoch.
pub(crate) fn micros() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// Seconds since the epoch.
pub(crate) fn seconds() -> u64 {
    micros() / 1_000_000
}

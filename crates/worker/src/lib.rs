//! The worker driver: it dials a proxy and serves what comes back.

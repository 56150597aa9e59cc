//! The dynamic forward proxy: it resolves, checks, decides and carries what leaves.

pub mod config;

pub use config::Config;

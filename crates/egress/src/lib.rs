//! The dynamic forward proxy: it resolves, checks, decides and carries what leaves.

mod breakers;
mod callers;
pub mod config;
mod count;
mod destinations;
mod dns;
mod domains;
mod guard;
mod meter;
mod outliers;
mod paths;
mod policy;
mod routes;
mod target;
mod template;
mod traffic;
mod upstream;
mod watch;

pub use callers::{Caller, Callers, Credential, Proof};
pub use config::Config;

//! The dynamic forward proxy: it resolves, checks, decides and carries what leaves.

mod breakers;
mod callers;
pub mod config;
mod count;
mod dns;
mod domains;
mod guard;
mod outliers;
mod paths;
mod policy;
mod routes;
mod target;
mod template;

pub use callers::{Caller, Callers, Credential, Proof};
pub use config::Config;

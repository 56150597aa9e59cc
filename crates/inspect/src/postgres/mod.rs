//! PostgreSQL, frontend/backend protocol 3 (PostgreSQL documentation, chapter "Frontend/Backend Protocol").
//!
//! The order of use in a session:
//!
//! 1. [`FirstWords`] reads what the client says first: an encryption request (the driver answers [`reply::NO`]), a
//!    cancel request, or a [`Startup`].
//! 2. [`Login`] logs in upstream with the connection's own account.
//! 3. [`reply::welcome`] tells the client that it is logged in; [`reply::error`] and [`reply::refusal`] that it is not.
//! 4. [`Inspector`] watches both directions of the relay and turns statements into events.

mod answer;
mod bounded;
mod capture;
mod conversation;
mod deallocate;
mod error_fields;
mod framing;
mod inspector;
mod login;
mod malformed;
mod name;
mod names;
mod parameters;
mod pipeline;
pub mod reply;
mod request;
mod scram;
mod sqlstate;
mod startup;
mod text;

pub use inspector::Inspector;
pub use login::{Login, Ready, cancel_request, ssl_request};
pub use malformed::Malformed;
pub use sqlstate::sqlstate;
pub use startup::{First, FirstWords, Startup};

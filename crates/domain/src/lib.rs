//! The vocabulary that every other crate speaks: errors, events, questions, verdicts and plans.
//!
//! Nothing here opens a socket, reads a clock or knows Python.

mod decider;
mod error;
mod event;
mod passage;
mod plan;
mod visitor;

pub use decider::{
    Begin, Call, Client, Credential, Decider, Ended, Enter, Gap, Principal, Question, Verdict,
};
pub use error::{Code, Error, Problem, Side};
pub use event::{Event, Status};
pub use passage::{Passage, PassageEnd};
pub use plan::{Level, Limits, Plan, Postgres, Protocol, Recording, SslMode, SslNegotiation, Target};
pub use visitor::Visitor;

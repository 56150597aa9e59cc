//! Turns what the client asks and what the server answers into events.

mod answered;
mod requested;

use std::sync::Arc;

use penstock_domain::Event;

use super::{
    capture::Captured,
    name::{Name, shown},
    names::Names,
    pipeline::Pipeline,
    request::Named,
    text::{Budget, Text},
};

/// The error of a statement that the server has dropped.
const NOT_EXECUTED: &str = "not executed: an earlier message of the pipeline failed";

/// What is known of both sides: the names that stand for texts, and what is unanswered.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    statements: Names,
    portals: Names,
    pipeline: Pipeline,
    budget: Budget,
    /// The number of the last statement that was told.
    told: u64,
    /// The number of the last change of a name.
    changes: u64,
    /// The last Execute that was answered since the last ReadyForQuery: its work is undone if the Sync fails.
    uncommitted: Option<u64>,
    terminated: bool,
}

impl Conversation {
    /// How many statements were told.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    /// Whether a statement is unanswered.
    pub(super) const fn is_running(&self) -> bool {
        self.pipeline.is_running()
    }

    /// Whether so much is unanswered that the client should wait.
    pub(super) fn is_deep(&self) -> bool {
        self.pipeline.is_deep()
    }

    /// Whether the client has said its last word.
    pub(super) const fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// The number of the next statement.
    fn next(&mut self) -> u64 {
        self.told += 1;
        self.told
    }

    /// What a portal that no Bind has opened executes: a cursor, as far as the server knows it.
    fn foreign_portal(&self, portal: &[u8]) -> Arc<Text> {
        self.foreign(format!("-- the portal \"{}\", which no Bind has opened", shown(portal)))
    }

    /// What a statement that no Parse has prepared says: one of a PREPARE, as far as the server knows it.
    fn foreign_statement(&self, name: &[u8]) -> Arc<Text> {
        self.foreign(format!("-- the prepared statement \"{}\", which no Parse has prepared", shown(name)))
    }

    fn foreign(&self, text: String) -> Arc<Text> {
        self.budget.hold(Captured::whole(text)).0
    }

    /// The text at the server.
    fn confirmed(&self, named: &Named) -> Option<&Arc<Text>> {
        match named {
            Named::Statement(name) => self.statements.confirmed(name),
            Named::Portal(name) => self.portals.confirmed(name),
        }
    }

    fn names(&mut self, named: Named) -> (&mut Names, Name) {
        match named {
            Named::Statement(name) => (&mut self.statements, name),
            Named::Portal(name) => (&mut self.portals, name),
        }
    }
}

fn done(id: u64, rows: u64) -> Event {
    Event::Completed { id, rows: Some(rows), error: None }
}

fn failed(id: u64, error: impl Into<String>) -> Event {
    Event::Completed { id, rows: None, error: Some(error.into()) }
}

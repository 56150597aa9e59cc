//! The server's half: what was asked is completed, fails, or is dropped.

use std::sync::Arc;

use penstock_domain::Event;

use super::{Conversation, NOT_EXECUTED, done, failed};
use crate::postgres::{
    answer::{Answer, Forgets},
    deallocate::deallocated,
    name::Name,
    pipeline::Expected,
    request::Named,
    text::Text,
};

const NOT_ANSWERED: &str = "the server did not answer it";
const MISTAKEN: &str = "not executed: its name stood for another text, which is told next";

impl Conversation {
    /// Takes a message of the server's that is about to be passed on.
    pub(in crate::postgres) fn answer(&mut self, answer: Answer, events: &mut Vec<Event>) {
        self.pipeline.pass(!matches!(answer, Answer::Ready { .. }));
        match answer {
            Answer::ParseComplete => self.parsed(events),
            Answer::BindComplete => self.bound(),
            Answer::CloseComplete => self.closed(),
            Answer::Described => {
                self.pipeline.pop_if(|head| matches!(head, Expected::Describe(_)));
            }
            Answer::Complete { rows, forgets } => self.completed(rows, forgets, events),
            Answer::PortalSuspended => self.suspended(events),
            Answer::CopyIn => self.pipeline.begin_copy(),
            Answer::Error(error) => self.error(error, events),
            Answer::Ready { idle } => self.ready(idle, events),
        }
        self.settle(events);
    }

    fn parsed(&mut self, events: &mut Vec<Event>) {
        let parse = self.pipeline.pop_if(|head| matches!(head, Expected::Parse { .. }));
        let Some(Expected::Parse { name, text, change, id }) = parse else { return };
        self.statements.confirm(name, change, Some(text));
        events.extend(id.map(|id| done(id, 0)));
    }

    fn bound(&mut self) {
        let bind = self.pipeline.pop_if(|head| matches!(head, Expected::Bind { .. }));
        let Some(Expected::Bind { portal, statement, change }) = bind else { return };
        let text = self.statements.confirmed(&statement).cloned();
        let text = text.unwrap_or_else(|| self.foreign_statement(&statement));
        self.portals.confirm(portal, change, Some(text));
    }

    fn closed(&mut self) {
        let close = self.pipeline.pop_if(|head| matches!(head, Expected::Close { .. }));
        let Some(Expected::Close { named, change }) = close else { return };
        let (names, name) = self.names(named);
        names.confirm(name, change, None);
    }

    /// One command is done. A Query may hold several: each tells the rows so far, so that whoever has seen an answer
    /// finds it told, and the last one told is the truth.
    fn completed(&mut self, more: u64, forgets: Forgets, events: &mut Vec<Event>) {
        let deallocated = match self.pipeline.head() {
            Some(Expected::Simple { id, rows, answered, deallocates }) => {
                *rows = rows.saturating_add(more);
                *answered = true;
                events.push(done(*id, *rows));
                deallocates.clone()
            }
            Some(Expected::Execute { id, text, .. }) => {
                events.push(done(*id, more));
                self.uncommitted = Some(*id);
                deallocated(text.held())
            }
            _ => return,
        };
        let passed = self.pipeline.end_copy();
        self.drop_all(passed, NOT_EXECUTED, events);
        self.pipeline.pop_if(|head| matches!(head, Expected::Execute { .. }));
        self.forget(forgets, deallocated);
    }

    fn forget(&mut self, forgets: Forgets, name: Option<Name>) {
        match (forgets, name) {
            (Forgets::All, _) => self.statements.forget_all(),
            (Forgets::One, Some(name)) => self.statements.forget(&name),
            // Which one is not known. None is forgotten: a text too many is better than one that stays hidden.
            (Forgets::One, None) | (Forgets::Nothing, _) => {}
        }
    }

    /// The rows that an Execute asked for are there, and more are to be had: exactly so many.
    fn suspended(&mut self, events: &mut Vec<Event>) {
        let execute = self.pipeline.pop_if(|head| matches!(head, Expected::Execute { .. }));
        let Some(Expected::Execute { id, max_rows, .. }) = execute else { return };
        events.push(done(id, u64::from(max_rows)));
        self.uncommitted = Some(id);
    }

    fn error(&mut self, error: String, events: &mut Vec<Event>) {
        match self.pipeline.head() {
            Some(Expected::Simple { id, answered, .. }) => {
                *answered = true;
                events.push(failed(*id, error));
                self.pipeline.fail_simple();
            }
            // The commit that a Sync implies has failed, and with it what was executed since the last one.
            Some(Expected::Sync { .. }) if self.uncommitted.is_some() => {
                events.extend(self.uncommitted.take().map(|id| failed(id, error)));
            }
            None | Some(Expected::Sync { .. }) => events.push(Event::Notice { text: error }),
            Some(_) => self.extended_error(error, events),
        }
    }

    /// The head has failed, and all up to the next Sync is dropped. The error goes to the head's own statement, or to
    /// the first dropped one with the same text, or to a statement of its own.
    fn extended_error(&mut self, error: String, events: &mut Vec<Event>) {
        let mut dropped = self.pipeline.fail_extended().into_iter();
        let Some(head) = dropped.next() else { return };
        let text = self.text_of(&head);
        let mut error = Some(error);
        if let Some(id) = self.conclude(head) {
            events.extend(error.take().map(|error| failed(id, error)));
        }
        for expected in dropped {
            let same = matches!((&expected, &text),
                (Expected::Execute { text, .. }, Some(failed)) if text.same(failed));
            let Some(id) = self.conclude(expected) else { continue };
            let own = if same { error.take() } else { None };
            events.push(failed(id, own.unwrap_or_else(|| NOT_EXECUTED.to_owned())));
        }
        match (error, text) {
            (Some(error), Some(text)) => {
                let id = self.next();
                events.extend([text.event(id), failed(id, error)]);
            }
            (Some(text), None) => events.push(Event::Notice { text }),
            (None, _) => {}
        }
    }

    /// The text that a message of an extended query is about.
    fn text_of(&self, expected: &Expected) -> Option<Arc<Text>> {
        match expected {
            Expected::Parse { text, .. } | Expected::Execute { text, .. } => Some(text.clone()),
            Expected::Bind { statement, .. } => self
                .statements
                .confirmed(statement)
                .cloned()
                .or_else(|| Some(self.foreign_statement(statement))),
            Expected::Describe(named) => self.confirmed(named).cloned(),
            _ => None,
        }
    }

    fn ready(&mut self, idle: bool, events: &mut Vec<Event>) {
        for expected in self.pipeline.ready() {
            let answered = matches!(expected, Expected::Simple { answered: true, .. });
            if let Some(id) = self.conclude(expected).filter(|_| !answered) {
                events.push(failed(id, NOT_ANSWERED));
            }
        }
        self.uncommitted = None;
        if idle {
            // Portals end with their transaction.
            self.portals.forget_all();
        }
    }

    fn drop_all(&mut self, dropped: Vec<Expected>, error: &str, events: &mut Vec<Event>) {
        for expected in dropped {
            events.extend(self.conclude(expected).map(|id| failed(id, error)));
        }
    }

    /// Something is not expected any more, and was not done: the number of the statement that was told of it.
    pub(super) fn conclude(&mut self, expected: Expected) -> Option<u64> {
        let (named, change, id) = match expected {
            Expected::Simple { id, .. } | Expected::Execute { id, .. } => return Some(id),
            Expected::Parse { name, change, id, .. } => (Named::Statement(name), change, id),
            Expected::Bind { portal, change, .. } => (Named::Portal(portal), change, None),
            Expected::Close { named, change } => (named, change, None),
            Expected::Describe(_) | Expected::Sync { .. } | Expected::CopyEnd => return None,
        };
        let (names, name) = self.names(named);
        names.withdraw(&name, change);
        id
    }

    /// An Execute that is next to be answered was told with the text that its portal was expected to have. All before
    /// it has been answered, so what the portal has is known now: if it is another text, that one is told.
    fn settle(&mut self, events: &mut Vec<Event>) {
        self.pipeline.pass(false);
        let Some(Expected::Execute { portal, text, .. }) = self.pipeline.head() else { return };
        let (portal, told) = (portal.clone(), text.clone());
        let portals = self.portals.confirmed(&portal).cloned();
        let actual = portals.unwrap_or_else(|| self.foreign_portal(&portal));
        if actual.same(&told) {
            return;
        }
        let new = self.next();
        if let Some(Expected::Execute { id, text, .. }) = self.pipeline.head() {
            events.extend([failed(*id, MISTAKEN), actual.event(new)]);
            (*id, *text) = (new, actual);
        }
    }
}

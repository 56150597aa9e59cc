//! The client's half: statements are told as they pass.

use penstock_domain::Event;

use super::{Conversation, NOT_EXECUTED, failed};
use crate::postgres::{
    Malformed,
    capture::Captured,
    deallocate::deallocated,
    name::Name,
    pipeline::Expected,
    request::{Named, Request},
    text::statement,
};

impl Conversation {
    /// Takes a message of the client's that is about to be passed on.
    ///
    /// # Errors
    /// [`Malformed`] if it must not be passed on.
    pub(in crate::postgres) fn request(
        &mut self,
        request: Request,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        if self.terminated {
            return Err(Malformed::new("a message after the client has ended the session"));
        }
        match request {
            Request::Query(text) => self.query(text, events),
            Request::Parse { name, text } => self.parse(name, text, events),
            Request::Bind { portal, statement } => self.bind(portal, statement),
            Request::Describe(named) => self.pipeline.push(Expected::Describe(named)),
            Request::Execute { portal, max_rows } => self.execute(portal, max_rows, events),
            Request::Close(named) => self.close(named),
            Request::FunctionCall { oid, body } => self.function(oid, &body, events),
            Request::Sync => self.sync(events),
            Request::CopyEnd if self.pipeline.is_empty() => Ok(()),
            Request::CopyEnd => self.pipeline.push(Expected::CopyEnd),
            Request::Terminate => {
                self.terminated = true;
                Ok(())
            }
        }
    }

    fn query(&mut self, text: Captured, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let id = self.next();
        let deallocates = deallocated(&text.kept);
        events.push(statement(id, text));
        self.pipeline.push(Expected::Simple { id, rows: 0, answered: false, deallocates })
    }

    /// A function called by its OID, past all SQL (protocol, "Function Call"): its arguments are told as a digest.
    fn function(&mut self, oid: u32, body: &Captured, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let id = self.next();
        events.push(Event::Statement {
            id,
            text: format!("-- a call of the function with OID {oid}"),
            bytes: body.length,
            truncated: true,
            digest: Some(body.digest().to_hex().to_string()),
        });
        self.pipeline.push(Expected::Simple { id, rows: 0, answered: false, deallocates: None })
    }

    fn parse(&mut self, name: Name, text: Captured, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let (text, whole) = self.budget.hold(text);
        // Told in full now, for there is no room to hold it until it is executed.
        let id = whole.map(|whole| {
            let id = self.next();
            events.push(statement(id, whole));
            id
        });
        let change = self.change();
        self.statements.expect(&name, change, Some(text.clone()))?;
        self.pipeline.push(Expected::Parse { name, text, change, id })
    }

    fn bind(&mut self, portal: Name, statement: Name) -> Result<(), Malformed> {
        let text = self.statements.expected(&statement).cloned();
        let text = text.unwrap_or_else(|| self.foreign_statement(&statement));
        let change = self.change();
        self.portals.expect(&portal, change, Some(text))?;
        self.pipeline.push(Expected::Bind { portal, statement, change })
    }

    fn close(&mut self, named: Named) -> Result<(), Malformed> {
        let change = self.change();
        let (names, name) = self.names(named.clone());
        names.expect(&name, change, None)?;
        self.pipeline.push(Expected::Close { named, change })
    }

    fn execute(&mut self, portal: Name, max_rows: u32, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let text = self.portals.expected(&portal).cloned();
        let text = text.unwrap_or_else(|| self.foreign_portal(&portal));
        let id = self.next();
        events.push(text.event(id));
        self.pipeline.push(Expected::Execute { id, portal, text, max_rows })
    }

    /// A Sync ends what the server steps over after an error.
    fn sync(&mut self, events: &mut Vec<Event>) -> Result<(), Malformed> {
        for skipped in self.pipeline.end_skipping() {
            if let Some(id) = self.conclude(skipped) {
                events.push(failed(id, NOT_EXECUTED));
            }
        }
        self.pipeline.push(Expected::Sync { optional: false })
    }

    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }
}

//! What the client has asked for and the server has not answered yet, in order (protocol, "Extended Query",
//! "Pipelining", "COPY Operations").

use std::{collections::VecDeque, sync::Arc};

use super::{Malformed, name::Name, request::Named, text::Text};

/// The most that may be unanswered. A driver that heeds [`Pipeline::is_deep`] never comes here.
const DEPTH: usize = 100_000;
/// From here on a driver should not read more from the client.
const DEEP: usize = 50_000;

/// One thing that the server is to answer, or to act on.
#[derive(Debug)]
pub(super) enum Expected {
    Parse {
        name: Name,
        text: Arc<Text>,
        change: u64,
        /// The statement's number, if it was told already because its text could not be held.
        id: Option<u64>,
    },
    Bind {
        portal: Name,
        statement: Name,
        change: u64,
    },
    Describe(Named),
    Close {
        named: Named,
        change: u64,
    },
    Execute {
        id: u64,
        portal: Name,
        /// The text that was told.
        text: Arc<Text>,
        max_rows: u32,
    },
    /// A Query or FunctionCall: ends with a ReadyForQuery of its own.
    Simple {
        id: u64,
        rows: u64,
        answered: bool,
        /// The prepared statement that its text deallocates.
        deallocates: Option<Name>,
    },
    /// Ends with a ReadyForQuery, unless `optional`.
    Sync {
        /// True if the server may have stepped over it: in the middle of a COPY it does.
        optional: bool,
    },
    /// CopyDone or CopyFail, which end a COPY and are stepped over elsewhere. Not answered.
    CopyEnd,
}

impl Expected {
    /// Whether a ReadyForQuery ends it.
    const fn ends_ready(&self) -> bool {
        matches!(self, Self::Simple { .. } | Self::Sync { .. })
    }

    const fn is_statement(&self) -> bool {
        matches!(self, Self::Simple { .. } | Self::Execute { .. })
    }
}

/// The queue of what is unanswered.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    queue: VecDeque<Expected>,
    statements: usize,
    /// The head is a COPY that takes data from the client.
    copying: bool,
    /// The server steps over everything up to the next Sync, which the client has not sent yet.
    pub(super) skipping: bool,
}

impl Pipeline {
    /// # Errors
    /// [`Malformed`] if too much is unanswered.
    pub(super) fn push(&mut self, expected: Expected) -> Result<(), Malformed> {
        if self.queue.len() >= DEPTH {
            return Err(Malformed::new(format!("the pipeline is too deep: {DEPTH} messages are unanswered"))
                .sqlstate("53000")
                .hint("read answers while you send"));
        }
        self.statements += usize::from(expected.is_statement());
        self.queue.push_back(expected);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_deep(&self) -> bool {
        self.queue.len() >= DEEP
    }

    /// Whether a statement is unanswered.
    pub(super) const fn is_running(&self) -> bool {
        self.statements > 0
    }

    pub(super) fn head(&mut self) -> Option<&mut Expected> {
        self.queue.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Expected> {
        let head = self.queue.pop_front()?;
        self.copying = false;
        self.statements -= usize::from(head.is_statement());
        Some(head)
    }

    /// Takes the head if it is what the answer is for.
    pub(super) fn pop_if(&mut self, answers: impl FnOnce(&Expected) -> bool) -> Option<Expected> {
        let answered = self.queue.front().is_some_and(answers);
        if answered { self.pop() } else { None }
    }

    /// Drops what the server does not answer before its next answer: ends of COPYs that never began, and, if this is
    /// an `answer` to something else than a Sync, Syncs that it stepped over.
    pub(super) fn pass(&mut self, answer: bool) {
        while match self.queue.front() {
            Some(Expected::CopyEnd) => true,
            Some(Expected::Sync { optional: true }) => answer,
            _ => false,
        } {
            self.pop();
        }
    }

    /// The head takes data from the client now.
    pub(super) fn begin_copy(&mut self) {
        self.copying = matches!(self.queue.front(), Some(Expected::Simple { .. } | Expected::Execute { .. }));
    }

    /// The head's COPY has come to its end in order: gives what stood behind it up to the client's CopyDone, which the
    /// server has stepped over.
    pub(super) fn end_copy(&mut self) -> Vec<Expected> {
        if !std::mem::take(&mut self.copying) {
            return Vec::new();
        }
        let end = self.queue.iter().position(|expected| matches!(expected, Expected::CopyEnd));
        let behind_head = 1.min(self.queue.len());
        let passed = self.queue.drain(behind_head..end.map_or(behind_head, |end| end + 1)).collect();
        self.recount(passed)
    }

    /// A simple statement has failed. If it was a COPY, Syncs sent while it ran may or may not be answered: that
    /// depends on whether the server read them before it failed.
    pub(super) fn fail_simple(&mut self) {
        if std::mem::take(&mut self.copying) {
            self.doubt_syncs(1);
        }
    }

    /// The head, of an extended query, has failed: gives it and all that the server drops with it.
    pub(super) fn fail_extended(&mut self) -> Vec<Expected> {
        let sync = self.queue.iter().position(|expected| matches!(expected, Expected::Sync { .. }));
        self.skipping = sync.is_none();
        let dropped: Vec<_> = self.queue.drain(..sync.unwrap_or(self.queue.len())).collect();
        let ended = dropped.iter().any(|expected| matches!(expected, Expected::CopyEnd));
        if std::mem::take(&mut self.copying) && !ended {
            self.doubt_syncs(0);
        }
        self.recount(dropped)
    }

    /// The client's Sync ends what the server stepped over: gives all of it.
    pub(super) fn end_skipping(&mut self) -> Vec<Expected> {
        if !std::mem::take(&mut self.skipping) {
            return Vec::new();
        }
        let skipped = self.queue.drain(..).collect();
        self.recount(skipped)
    }

    /// The server is ready: gives what that ends, and before it what should have been answered and was not.
    pub(super) fn ready(&mut self) -> Vec<Expected> {
        self.copying = false;
        let Some(end) = self.queue.iter().position(Expected::ends_ready) else { return Vec::new() };
        let done: Vec<_> = self.queue.drain(..=end).collect();
        self.pass(false);
        if let (Some(Expected::Sync { optional: true }), Some(Expected::Sync { optional })) =
            (done.last(), self.queue.front_mut())
        {
            // One of the two was answered; which, is not known.
            *optional = true;
        }
        self.recount(done)
    }

    /// Marks the Syncs that stand in a row from `start`.
    fn doubt_syncs(&mut self, start: usize) {
        for expected in self.queue.iter_mut().skip(start) {
            let Expected::Sync { optional } = expected else { break };
            *optional = true;
        }
    }

    fn recount(&mut self, gone: Vec<Expected>) -> Vec<Expected> {
        self.statements -= gone.iter().filter(|expected| expected.is_statement()).count();
        gone
    }
}

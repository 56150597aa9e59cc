//! Watches both directions of a session that is logged in.

use penstock_domain::Event;

use super::{
    Malformed,
    answer::{AnswerReader, Answers},
    conversation::Conversation,
    framing::Scanner,
    request::{RequestReader, Requests},
};

/// Turns the bytes of a session into events. The driver forwards the bytes themselves, unchanged.
///
/// For each chunk the driver first calls [`client`](Self::client) or [`upstream`](Self::upstream), then has the
/// events recorded, then passes the chunk on. So a statement is told before the server can act on it (its last byte
/// is in this chunk or a later one), and its completion before the client can know of it.
///
/// A statement may be told as completed more than once: the last is the truth.
pub struct Inspector {
    from_client: Scanner,
    from_upstream: Scanner,
    requests: Requests,
    answers: Answers,
    conversation: Conversation,
}

impl Inspector {
    /// Keeps at most `statement_limit` bytes of a statement's text.
    #[must_use]
    pub fn new(statement_limit: usize) -> Self {
        Self {
            from_client: Scanner::new(),
            from_upstream: Scanner::new(),
            requests: Requests::new(statement_limit),
            answers: Answers::new(),
            conversation: Conversation::default(),
        }
    }

    /// Sees a chunk from the client and adds to `events` what it holds.
    ///
    /// # Errors
    /// [`Malformed`] if the chunk must not be passed on; the session must end then. Events of whole messages before
    /// the fault have been added.
    pub fn client(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), Malformed> {
        let take = |request| self.conversation.request(request, events);
        self.from_client.scan(chunk, &mut RequestReader { requests: &mut self.requests, take })
    }

    /// Sees a chunk from the upstream and adds to `events` what it holds.
    ///
    /// # Errors
    /// [`Malformed`] if the chunk must not be passed on; the session must end then.
    pub fn upstream(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), Malformed> {
        let take = |answer| self.conversation.answer(answer, events);
        self.from_upstream.scan(chunk, &mut AnswerReader { answers: &mut self.answers, take })
    }

    /// How many statements were told.
    #[must_use]
    pub const fn statements(&self) -> u64 {
        self.conversation.told()
    }

    /// Whether a statement is running, as far as the server's answers tell.
    #[must_use]
    pub const fn busy(&self) -> bool {
        self.conversation.is_running()
    }

    /// Whether so much is unanswered that the driver should stop reading from the client until this is false again.
    /// A driver that does not will meet "pipeline too deep".
    #[must_use]
    pub fn congested(&self) -> bool {
        self.conversation.is_deep()
    }

    /// Whether what came from the upstream ends with a whole message, so that one of the driver's own may follow.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        self.from_upstream.is_between_messages()
    }

    /// Whether the client has sent Terminate.
    #[must_use]
    pub const fn finished(&self) -> bool {
        self.conversation.is_terminated()
    }
}

#[cfg(test)]
mod tests;

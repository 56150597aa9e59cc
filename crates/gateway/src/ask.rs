//! Asking the decider, in bounded time for all who wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use penstock_domain::{
    Begin, Call, Code, Credential, Decider, Ended, Enter, Error, Passage, Plan, Principal, Question, Side,
    Verdict, Visitor,
};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// The questions of design §3. What is not a fitting answer is a denial.
pub(crate) struct Asker {
    decider: Arc<dyn Decider>,
    limit: Duration,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Asker {
    pub(crate) fn new(decider: Arc<dyn Decider>, limit: Duration) -> Self {
        Self { decider, limit }
    }

    pub(crate) async fn authenticate(
        &self,
        metrics: &Metrics,
        credential: Credential,
        peer: String,
    ) -> Result<Principal, Error> {
        match self.ask(metrics, "authenticate", Question::Authenticate { credential, peer }).await {
            Verdict::Principal(principal) => Ok(principal),
            verdict => Err(denial(verdict)),
        }
    }

    pub(crate) async fn decide(
        &self,
        metrics: &Metrics,
        principal: Principal,
        connection: String,
        peer: String,
    ) -> Result<Plan, Error> {
        match self.ask(metrics, "decide", Question::Decide { principal, connection, peer }).await {
            Verdict::Plan(plan) => Ok(*plan),
            verdict => Err(denial(verdict)),
        }
    }

    pub(crate) async fn begin(&self, metrics: &Metrics, begin: Begin) -> Result<(), Error> {
        noted(self.ask(metrics, "begin", Question::Begin(begin)).await)
    }

    /// Waits as long as it takes: ends take turns, and nobody waits for one.
    pub(crate) async fn ended(&self, metrics: &Metrics, ended: Ended) -> Result<(), Error> {
        let started = Instant::now();
        let verdict = self.decider.decide(Question::Ended(ended)).await;
        metrics.asked("ended", started.elapsed());
        noted(verdict)
    }

    pub(crate) async fn enter(&self, metrics: &Metrics, enter: Enter) -> Result<Visitor, Error> {
        match self.ask(metrics, "enter", Question::Enter(enter)).await {
            Verdict::Visitor(visitor) => Ok(visitor),
            verdict => Err(denial(verdict)),
        }
    }

    pub(crate) async fn call(&self, metrics: &Metrics, call: Call) -> Result<Visitor, Error> {
        match self.ask(metrics, "call", Question::Call(call)).await {
            Verdict::Visitor(visitor) => Ok(visitor),
            verdict => Err(denial(verdict)),
        }
    }

    /// Of which sessions the callers' tokens are gone.
    pub(crate) async fn passages(
        &self,
        metrics: &Metrics,
        passages: Vec<Passage>,
    ) -> Result<Vec<String>, Error> {
        match self.ask(metrics, "passages", Question::Passages { passages }).await {
            Verdict::Noted => Ok(Vec::new()),
            Verdict::Revoked(sessions) => Ok(sessions),
            verdict => Err(denial(verdict)),
        }
    }

    async fn ask(&self, metrics: &Metrics, what: &'static str, question: Question) -> Verdict {
        let started = Instant::now();
        let verdict = timeout(self.limit, self.decider.decide(question)).await;
        metrics.asked(what, started.elapsed());
        verdict.unwrap_or_else(|_| {
            Verdict::Deny(
                Error::new(
                    Code::Internal,
                    Side::Gateway,
                    format!("no decision within {} s", self.limit.as_secs()),
                )
                .hint("the gateway is overloaded or its store does not answer"),
            )
        })
    }
}

fn noted(verdict: Verdict) -> Result<(), Error> {
    match verdict {
        Verdict::Noted => Ok(()),
        verdict => Err(denial(verdict)),
    }
}

fn denial(verdict: Verdict) -> Error {
    match verdict {
        Verdict::Deny(error) => error,
        Verdict::Principal(_)
        | Verdict::Plan(_)
        | Verdict::Visitor(_)
        | Verdict::Noted
        | Verdict::Revoked(_) => {
            Error::new(Code::Internal, Side::Gateway, "the decision was an answer to another question")
        }
    }
}

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

use crate::{metrics::Metrics, registry::Turns};

/// The questions of design §3. What is not a fitting answer is a denial.
pub(crate) struct Asker {
    decider: Arc<dyn Decider>,
    limit: Duration,
    /// Whose turn it is to be told who they are, by address.
    strangers: Turns,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Asker {
    pub(crate) fn new(decider: Arc<dyn Decider>, limit: Duration) -> Self {
        Self { decider, limit, strangers: Turns::default() }
    }

    /// So many at once for each address: whoever floods a port with keys that are none keeps no place from others.
    pub(crate) async fn authenticate(
        &self,
        metrics: &Metrics,
        credential: Credential,
        peer: String,
    ) -> Result<Principal, Error> {
        let queue = self.strangers.of(peer.rsplit_once(':').map_or(peer.as_str(), |(host, _port)| host));
        let deciding = async {
            let _turn = queue.turn().await;
            self.decider.decide(Question::Authenticate { credential, peer }).await
        };
        match self.within_limit(metrics, "authenticate", deciding).await {
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
        self.within_limit(metrics, what, self.decider.decide(question)).await
    }

    async fn within_limit(
        &self,
        metrics: &Metrics,
        what: &'static str,
        deciding: impl Future<Output = Verdict>,
    ) -> Verdict {
        let started = Instant::now();
        let verdict = timeout(self.limit, deciding).await;
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::task::yield_now;

    use super::*;

    /// Notes who is asked about, and never answers.
    #[derive(Default)]
    struct Silent(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl Decider for Silent {
        async fn decide(&self, question: Question) -> Verdict {
            if let Question::Authenticate { peer, .. } = question {
                self.0.lock().unwrap().push(peer);
            }
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn an_address_that_asks_too_much_keeps_no_other_waiting() {
        let decider = Arc::new(Silent::default());
        let asker = Arc::new(Asker::new(decider.clone(), Duration::from_secs(60)));
        let metrics = Arc::new(Metrics::new(None));
        let ask = |peer: String| {
            let (asker, metrics) = (Arc::clone(&asker), Arc::clone(&metrics));
            let credential = Credential::Token { token: "none".into() };
            tokio::spawn(async move { asker.authenticate(&metrics, credential, peer).await })
        };
        let _flood: Vec<_> = (0..1000).map(|port| ask(format!("192.0.2.1:{port}"))).collect();
        let _other = ask("[2001:db8::1]:1".into());
        let asked = || decider.0.lock().unwrap().clone();
        while asked().len() < 65 {
            yield_now().await;
        }
        for _ in 0..1000 {
            yield_now().await;
        }
        assert_eq!(asked().len(), 65);
        assert!(asked().contains(&"[2001:db8::1]:1".to_owned()));
    }
}

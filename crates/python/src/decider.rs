//! Python as the [`Decider`]: questions go out as JSON, verdicts come back as JSON.

use std::sync::Mutex;

use penstock_domain::{Code, Decider, Error, Question, Side, Verdict};
use pyo3::{Py, PyAny, PyErr, Python, pyclass, pymethods};
use tokio::sync::{mpsc, oneshot};

use crate::error::raise;

/// Questions that wait for the interpreter; more are denied, for nobody would wait that long.
const QUEUE: usize = 4096;

/// Answers one question, once.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Reply(Mutex<Option<oneshot::Sender<Verdict>>>);

#[pymethods]
impl Reply {
    /// Gives the verdict, in JSON.
    ///
    /// What cannot be read is a denial. Later calls change nothing.
    fn answer(&self, verdict: &str) {
        let verdict = serde_json::from_str(verdict)
            .unwrap_or_else(|error| deny(format!("the verdict cannot be read: {error}")));
        let sender = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Whoever asked may have stopped waiting.
            let _late = sender.send(verdict);
        }
    }
}

struct Asked {
    question: String,
    reply: Reply,
}

/// Asks a Python callable. The interpreter's lock is waited for by one thread of its own, never by one that moves
/// bytes.
pub(crate) struct PythonDecider(mpsc::Sender<Asked>);

impl PythonDecider {
    pub(crate) fn start(ask: Py<PyAny>) -> Result<Self, PyErr> {
        let (sender, mut questions) = mpsc::channel::<Asked>(QUEUE);
        std::thread::Builder::new()
            .name("penstock-ask".into())
            .spawn(move || {
                while let Some(Asked { question, reply }) = questions.blocking_recv() {
                    Python::attach(|py| {
                        if let Err(error) = ask.call1(py, (question, reply)) {
                            // The reply is dropped with the call: whoever asked is denied.
                            tracing::error!(target: "penstock::engine", %error, "the decider failed");
                        }
                    });
                }
                Python::attach(|_| drop(ask));
            })
            .map_err(|error| raise(&Error::new(Code::Internal, Side::Gateway, error.to_string())))?;
        Ok(Self(sender))
    }
}

#[async_trait::async_trait]
impl Decider for PythonDecider {
    async fn decide(&self, question: Question) -> Verdict {
        let Ok(question) = serde_json::to_string(&question) else {
            return deny("the question cannot be written".into());
        };
        let (sender, verdict) = oneshot::channel();
        let asked = Asked { question, reply: Reply(Mutex::new(Some(sender))) };
        if self.0.try_send(asked).is_err() {
            return deny("too many decisions are waiting".into());
        }
        verdict.await.unwrap_or_else(|_| deny("the decider gave no answer".into()))
    }
}

fn deny(why: String) -> Verdict {
    Verdict::Deny(Error::new(Code::Internal, Side::Gateway, why).hint("the gateway's log says more"))
}

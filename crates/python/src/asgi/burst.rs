//! Small answers of one turn of the loop leave together.
//!
//! Each answer that reaches a link wakes the thread that writes it, which then writes that one alone and sleeps
//! again: on a busy machine most of an answer's price. Answers that are complete therefore wait until all requests
//! that came together have had their first turn, as long as these turns are quick.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::exchange::Callables;

/// Requests whose turns take longer than this, on average, do not wait for each other.
const QUICK: Duration = Duration::from_micros(50);

/// How long the first answer may wait for the last.
const PATIENCE: Duration = Duration::from_micros(500);

/// The answers that wait.
#[derive(Default)]
pub(super) struct Burst(Mutex<Turn>);

#[derive(Default)]
struct Turn {
    began: Option<Instant>,
    requests: usize,
    slow: bool,
    held: Vec<Arc<dyn Callables>>,
}

impl Burst {
    /// So many requests get their first turn now.
    pub(super) fn begin(&self, requests: usize) {
        let mut turn = self.turn();
        turn.began = Some(Instant::now());
        turn.requests = requests;
    }

    /// Holds a complete answer, if answers are held now.
    pub(super) fn hold(&self, answered: &Arc<impl Callables + 'static>) -> bool {
        let mut turn = self.turn();
        let holds = !turn.slow && turn.began.is_some_and(|began| began.elapsed() < PATIENCE);
        if holds {
            turn.held.push(Arc::clone(answered) as _);
        }
        holds
    }

    /// All have had their turn: the answers that may leave.
    pub(super) fn end(&self) -> Vec<Arc<dyn Callables>> {
        let mut turn = self.turn();
        if let Some(began) = turn.began.take() {
            let requests = u32::try_from(turn.requests).unwrap_or(u32::MAX);
            turn.slow = began.elapsed() > QUICK.saturating_mul(requests);
        }
        std::mem::take(&mut turn.held)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Agents that have dialled in, and the way to their targets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use penstock_domain::{Code, Error, Side, Target};
use penstock_link::{Link, Open, Pool, Stream};
use serde::Serialize;
use tokio::time::timeout;

use crate::clock;

/// How long an agent may take to open a target. It gives up after 10 s itself and says why; one that does not say
/// anything is not waited for.
const OPENING: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(crate) struct Agents(Mutex<HashMap<String, Agent>>);

#[derive(Debug)]
struct Agent {
    pool: Pool,
    since: u64,
}

/// An agent with at least one link.
#[derive(Clone, Debug, Serialize)]
pub struct AgentState {
    /// Links that are up.
    pub links: usize,
    /// Streams on them.
    pub streams: usize,
    /// Since when, in seconds since the epoch.
    pub since: u64,
}

impl Agents {
    pub(crate) fn add(&self, name: &str, link: Link) {
        self.with(|agents| {
            agents
                .entry(name.to_owned())
                .or_insert_with(|| Agent { pool: Pool::default(), since: clock::seconds() })
                .pool
                .add(link);
        });
    }

    /// Opens a target through the named agent.
    pub(crate) async fn open(&self, name: &str, target: &Target) -> Result<Stream, Error> {
        let pool = self.with(|agents| agents.get(name).map(|agent| agent.pool.clone()));
        let offline = || {
            Error::new(Code::AgentOffline, Side::Agent, format!("agent {name} is offline"))
                .hint(format!("start it with the key of `penstock admin create agent {name}`; see its log"))
        };
        let pool = pool.ok_or_else(offline)?;
        let silent = || {
            let what = format!("agent {name} did not answer within {} s", OPENING.as_secs());
            Error::new(Code::UpstreamTimeout, Side::Agent, what)
                .hint("is its machine overloaded? see its log")
        };
        let opened = timeout(OPENING, pool.open(&Open::Target(target.clone()))).await;
        opened.unwrap_or_else(|_| Err(silent())).map_err(|error| match error.code {
            Code::AgentOffline | Code::Lost => offline(),
            _ => error,
        })
    }

    /// Drops the links of an agent; says how many.
    pub(crate) fn end(&self, name: &str) -> usize {
        let Some(agent) = self.with(|agents| agents.remove(name)) else { return 0 };
        let links = agent.pool.links();
        agent.pool.close();
        links
    }

    /// Links that take streams, of all.
    pub(crate) fn links(&self) -> usize {
        self.with(|agents| agents.values().map(|agent| agent.pool.links()).sum())
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, AgentState> {
        self.with(|agents| {
            agents
                .iter()
                .filter(|(_, agent)| agent.pool.links() > 0)
                .map(|(name, Agent { pool, since })| {
                    (name.clone(), AgentState { links: pool.links(), streams: pool.streams(), since: *since })
                })
                .collect()
        })
    }

    /// Agents whose last link has gone are forgotten here, before anyone looks.
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Agent>) -> T) -> T {
        let mut agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        agents.retain(|_, agent| !agent.pool.is_empty());
        act(&mut agents)
    }
}

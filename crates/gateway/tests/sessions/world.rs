//! A gateway, an agent, a client and two targets.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_agent::Agent;
use penstock_client::Client;
use penstock_domain::{Code, Credential, Decider, Ended, Error, Plan, Principal, Question, Side, Verdict};
use penstock_gateway::{Config, Gateway};
use penstock_record::{Report, Summary};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Mutex, mpsc},
    time::timeout,
};

/// The gateways' limit here.
pub const RESETS_PER_MINUTE: u32 = 8;

/// A connection that must be recorded and cannot be.
pub const UNWRITABLE: &str = "unwritable";

/// A connection that cannot be recorded and need not be.
pub const UNRECORDED: &str = "unwritable-optional";

/// A connection whose sessions are refused as they begin.
pub const REVOKED: &str = "revoked";

/// What the scripted decider refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusals {
    None,
    Tokens,
    /// It never answers for tokens.
    Silence,
}

struct Script {
    refusals: Refusals,
    targets: HashMap<&'static str, String>,
    recordings: PathBuf,
    sessions: AtomicU64,
    ended: mpsc::UnboundedSender<Ended>,
}

#[async_trait::async_trait]
impl Decider for Script {
    async fn decide(&self, question: Question) -> Verdict {
        match question {
            Question::Authenticate { credential: Credential::Agent { name, .. }, .. } => {
                Verdict::Principal(Principal::Agent { name })
            }
            Question::Authenticate { credential: Credential::Certificate { names, .. }, .. } => {
                match names.into_iter().find(|name| name == "agent") {
                    Some(name) => Verdict::Principal(Principal::Agent { name }),
                    None => Verdict::Deny(Error::new(Code::Forbidden, Side::Policy, "not an agent")),
                }
            }
            Question::Authenticate { .. } if self.refusals == Refusals::Silence => {
                std::future::pending().await
            }
            Question::Authenticate { .. } if self.refusals == Refusals::Tokens => Verdict::Deny(
                Error::new(Code::Unauthenticated, Side::Client, "no such token").hint("run `penstock login`"),
            ),
            Question::Authenticate { .. } => Verdict::Principal(Principal::User {
                id: "user-1".into(),
                name: "ada@example.com".into(),
                token: "token-1".into(),
            }),
            Question::Decide { connection, .. } => self.plan(&connection),
            Question::Begin(begin) if begin.connection == REVOKED => {
                Verdict::Deny(Error::new(Code::Forbidden, Side::Policy, "revoked meanwhile"))
            }
            Question::Begin(_) => Verdict::Noted,
            Question::Enter(_) => Verdict::Deny(Error::new(Code::NotFound, Side::Client, "no such app")),
            Question::Passages { .. } => Verdict::Noted,
            Question::Call(_) => Verdict::Deny(Error::new(Code::Unauthenticated, Side::Client, "unknown")),
            Question::Ended(ended) => {
                self.ended.send(ended).unwrap();
                Verdict::Noted
            }
        }
    }
}

impl Script {
    fn plan(&self, connection: &str) -> Verdict {
        let Some(address) = self.targets.get(connection) else {
            return Verdict::Deny(Error::new(Code::NotFound, Side::Client, "no such connection"));
        };
        let session = format!("session-{}", self.sessions.fetch_add(1, Ordering::Relaxed));
        let folder = if connection.starts_with("unwritable") { "missing" } else { "." };
        let plan: Plan = serde_json::from_value(json!({
            "session": session,
            "connection": connection,
            "agent": "agent",
            "target": {"tcp": address},
            "protocol": "tcp",
            "recording": {
                "path": self.recordings.join(folder).join(&session),
                "required": connection != UNRECORDED,
            },
            "limits": {"idle_seconds": 3600, "statement_bytes": 1024},
        }))
        .unwrap();
        Verdict::Plan(Box::new(plan))
    }
}

pub struct World {
    pub gateway: Gateway,
    client: Client,
    agent: Option<Agent>,
    ended: Mutex<mpsc::UnboundedReceiver<Ended>>,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn start(refusals: Refusals) -> Self {
        let world = Self::begin(refusals, json!(null)).await;
        let url = world.client_url();
        world.with_agent(json!({"url": url, "name": "agent", "secret": "s", "links": 2})).await
    }

    /// A world whose agent is still to come; `tunnel` is the gateway's configuration of carrier `tls`.
    pub async fn begin(refusals: Refusals, tunnel: serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ended, receiver) = mpsc::unbounded_channel();
        let targets = HashMap::from([
            ("echo", echo().await),
            ("flood", flood().await),
            (UNWRITABLE, echo().await),
            (UNRECORDED, echo().await),
            (REVOKED, echo().await),
        ]);
        let script = Script {
            refusals,
            targets,
            recordings: folder.path().into(),
            sessions: AtomicU64::new(0),
            ended,
        };
        let config: Config = serde_json::from_value(json!({
            "http_listen": "127.0.0.1:0",
            "grpc_listen": "127.0.0.1:0",
            "admin_listen": "127.0.0.1:0",
            "api_socket": folder.path().join("api.sock"),
            "tunnel": tunnel,
            "resets_per_minute": RESETS_PER_MINUTE,
            "ask_timeout_seconds": 1,
            "handshake_seconds": 1,
        }))
        .unwrap();
        let gateway = Gateway::start(config, Arc::new(script), Handle::current().into(), &Handle::current())
            .await
            .unwrap();
        gateway.ready(true);
        let url = format!("grpc://{}", gateway.addresses().grpc);
        let client =
            Client::new(&serde_json::from_value(json!({"url": url, "token": "t"})).unwrap()).unwrap();
        Self { gateway, client, agent: None, ended: Mutex::new(receiver), folder }
    }

    pub fn client_url(&self) -> String {
        format!("grpc://{}", self.gateway.addresses().grpc)
    }

    /// Starts the agent and waits until its two links are up.
    pub async fn with_agent(mut self, config: serde_json::Value) -> Self {
        self.agent =
            Some(Agent::start(&serde_json::from_value(config).unwrap(), &Handle::current()).unwrap());
        let up = async {
            while self.gateway.agents().get("agent").is_none_or(|agent| agent.links < 2)
                || self.agent.as_ref().is_none_or(|agent| agent.state().links < 2)
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), up).await.unwrap();
        self
    }

    /// A local connection to a forwarded port.
    pub async fn connect(&self, connection: &str) -> TcpStream {
        let address = self.client.forward(connection, "127.0.0.1:0").await.unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Whether a local connection is cut before a byte has come. It may be so early that it is never seen to open.
    pub async fn is_cut(&self, connection: &str) -> bool {
        let address = self.client.forward(connection, "127.0.0.1:0").await.unwrap();
        match TcpStream::connect(address).await {
            Ok(mut stream) => stream.read(&mut [0u8; 1]).await.is_err(),
            Err(_) => true,
        }
    }

    /// Why a connection cannot be used.
    pub async fn refusal(&self, connection: &str) -> Error {
        assert!(self.is_cut(connection).await, "a refused session looked like an empty one");
        timeout(Duration::from_secs(10), self.client.notice()).await.unwrap().unwrap()
    }

    /// Resolves when no session is live.
    pub async fn idle(&self) {
        let idle = async {
            while !self.gateway.sessions().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), idle).await.unwrap();
    }

    /// The next session that ended.
    pub async fn ended(&self) -> Ended {
        timeout(Duration::from_secs(10), self.ended.lock().await.recv()).await.unwrap().unwrap()
    }

    /// What a recording says of its session.
    pub fn summary(&self, session: &str) -> Summary {
        penstock_record::summarise(std::fs::File::open(self.folder.path().join(session)).unwrap()).unwrap()
    }

    pub fn verify(&self, session: &str, head: &str) -> Report {
        penstock_record::verify(std::fs::File::open(self.folder.path().join(session)).unwrap(), Some(head))
    }
}

pub async fn echo() -> String {
    listen(|mut tcp| async move {
        let (mut reader, mut writer) = tcp.split();
        // A reset ends it: that is what some tests do.
        let _copied = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await
}

async fn flood() -> String {
    listen(|mut tcp| async move { while tcp.write_all(&[7u8; 65536]).await.is_ok() {} }).await
}

async fn listen<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(tcp));
        }
    });
    address
}

//! A proxy, origins of all kinds, and a caller that speaks raw bytes.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use penstock_egress::{Config, Egress, Seams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::timeout,
};

/// Nothing in these tests takes as long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running proxy.
pub struct World {
    pub egress: Egress,
    pub proxy: SocketAddr,
    pub config: Value,
    folder: TempDir,
}

impl World {
    /// A proxy that lets everybody reach loopback; `change` is merged into its configuration.
    pub async fn new(change: Value) -> Self {
        Self::with(change, Seams::default()).await
    }

    pub async fn with(change: Value, seams: Seams) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "listeners": [{"address": "127.0.0.1:0", "connect": true}],
            "default_action": "allow",
            "callers": {"anonymous": true},
            "guard": {"allow": ["127.0.0.0/8", "::1/128"]},
            "connect": {"ports": [{"first": 1, "last": 65535}]},
            "dns": {"hosts_file": false, "query_timeout_ms": 200, "resolvers": [{"address": "127.0.0.1:9"}],
                    "static_hosts": {"origin.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}},
            "access_log": {"path": folder.path().join("access.log")},
        });
        merge(&mut config, change);
        let parsed = Config::parse(&config.to_string()).unwrap();
        let egress =
            Egress::start(parsed, seams, Handle::current().into(), &Handle::current()).await.unwrap();
        let proxy =
            egress.addresses().await.listeners.first().map_or("127.0.0.1:1", String::as_str).parse().unwrap();
        Self { egress, proxy, config, folder }
    }

    /// Puts a change in force.
    pub async fn change(&mut self, change: Value) -> Result<(), penstock_domain::Error> {
        let mut config = self.config.clone();
        merge(&mut config, change);
        self.egress.reconfigure(Config::parse(&config.to_string())?).await?;
        self.config = config;
        Ok(())
    }

    /// Sends raw bytes and reads until the proxy closes; the request should say `Connection: close`.
    pub async fn raw(&self, request: &str) -> String {
        let mut tcp = TcpStream::connect(self.proxy).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _read = timeout(LIMIT, tcp.read_to_end(&mut answer)).await.expect("an answer in time");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One GET in absolute form.
    pub async fn get(&self, url: &str) -> String {
        self.raw(&format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// A tunnel; panics with the answer if it is refused.
    pub async fn connect(&self, authority: &str) -> TcpStream {
        let (tcp, head) = self.try_connect(authority, "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        tcp
    }

    /// A tunnel, or why there is none.
    pub async fn try_connect(&self, authority: &str, fields: &str) -> (TcpStream, String) {
        let mut tcp = TcpStream::connect(self.proxy).await.unwrap();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut tcp).await;
        (tcp, head)
    }

    /// One number of the statistics.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.egress.stats();
        stats[name].as_u64().unwrap_or_else(|| panic!("{name} in {stats}"))
    }

    /// Waits until a number has a value.
    pub async fn until(&self, name: &str, wanted: u64) {
        let reached = async {
            while self.stat(name) != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, reached)
            .await
            .unwrap_or_else(|_| panic!("{name} is {}, not {wanted}", self.stat(name)));
    }

    /// Waits until the log has so many lines, and gives them.
    pub async fn log(&self, lines: usize) -> Vec<Value> {
        let path: PathBuf = self.folder.path().join("access.log");
        let reading = async {
            loop {
                let text = std::fs::read_to_string(&path).unwrap();
                let read: Vec<Value> =
                    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
                if read.len() >= lines {
                    return read;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, reading).await.expect("the lines in time")
    }
}

/// Reads a head, with its empty line.
pub async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            match tcp.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
    };
    timeout(LIMIT, reading).await.expect("a head in time");
    String::from_utf8_lossy(&head).into_owned()
}

/// Reads a chunked body without extensions and trailers (RFC 9112 §7.1).
async fn read_chunks(tcp: &mut TcpStream) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            let Ok(byte) = tcp.read_u8().await else { return body };
            size.push(byte);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        if tcp.read_exact(&mut chunk).await.is_err() || size == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// The body of a raw answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

/// An origin that runs a task for each connection, and counts them.
pub struct Origin {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
}

impl Origin {
    pub async fn new<F, H>(handle: H) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(TcpStream) -> F + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(handle(tcp));
            }
        });
        Self { address, connections }
    }

    /// Answers each request head with what `answer` makes of it, and keeps the connection. Bodies with a
    /// `Content-Length` are read.
    pub async fn http(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::new(move |mut tcp| {
            let answer = Arc::clone(&answer);
            async move {
                loop {
                    let head = read_head(&mut tcp).await;
                    if head.is_empty() {
                        return;
                    }
                    let length =
                        field(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                    let mut body = vec![0; length];
                    if tcp.read_exact(&mut body).await.is_err() {
                        return;
                    }
                    if field(&head, "transfer-encoding").is_some() {
                        body = read_chunks(&mut tcp).await;
                    }
                    let text = answer(&head, &String::from_utf8_lossy(&body));
                    if tcp.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Answers with the request as it came.
    pub async fn echo() -> Self {
        Self::http(|head, body| ok(&format!("{head}{body}"))).await
    }

    /// Sends back every byte.
    pub async fn mirror() -> Self {
        Self::new(|mut tcp| async move {
            let (mut reader, mut writer) = tcp.split();
            let _copied = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .await
    }

    /// A URL on a name that is this origin.
    pub fn url(&self, path: &str) -> String {
        format!("http://origin.test:{}{path}", self.address.port())
    }

    pub fn authority(&self) -> String {
        format!("origin.test:{}", self.address.port())
    }

    pub fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The value of a header field in a raw head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A plain answer.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

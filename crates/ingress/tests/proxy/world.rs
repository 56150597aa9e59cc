//! A proxy with its certificates, and what is asked of it.

use std::{net::SocketAddr, time::Duration};

use penstock_ingress::{Config, Hooks, Proxy, WorkerState};
use penstock_link::{
    Endpoint,
    carrier::tls::{Dialler, Flavour},
    tls::{Connector, Identity, Trust},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{client::Client, worker::Script};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Ca = CertifiedIssuer<'static, KeyPair>;

/// An authority.
pub fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate with a name, as subject alternative and as common name.
pub fn issue(ca: &Ca, name: &str) -> Identity {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, format!("{name}.common"));
    sign(ca, params)
}

/// Signs whatever the parameters say.
pub fn sign(ca: &Ca, params: CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, ca).unwrap();
    Identity { chain_pem: leaf.pem(), key_pem: key.serialize_pem() }
}

pub struct World {
    pub ca: Ca,
    pub proxy: Proxy,
}

impl World {
    pub async fn start(table: Value, forwarding: Value) -> Self {
        Self::with(json!({"table": table, "forwarding": forwarding}), Hooks::default()).await
    }

    /// Every request goes to the group `default`.
    pub async fn plain() -> Self {
        Self::with(json!({}), Hooks::default()).await
    }

    /// `tunnel` and the rest of the settings, merged over the usual ones.
    pub async fn with(mut settings: Value, hooks: Hooks) -> Self {
        let ca = ca();
        let server = issue(&ca, "127.0.0.1");
        let mut tunnel = json!({
            "listen": "127.0.0.1:0", "cert_pem": server.chain_pem, "key_pem": server.key_pem,
            "workers_ca_pem": ca.pem(),
        });
        let fields = settings.as_object_mut().unwrap();
        if let Some(Value::Object(more)) = fields.remove("tunnel") {
            tunnel.as_object_mut().unwrap().extend(more);
        }
        fields.insert("tunnels".into(), json!([tunnel]));
        fields.entry("public").or_insert(json!([{"listen": "127.0.0.1:0"}]));
        let config: Config = serde_json::from_value(settings).unwrap();
        let proxy = Proxy::start(config, hooks, Handle::current().into(), &Handle::current()).await.unwrap();
        Self { ca, proxy }
    }

    pub fn public(&self) -> SocketAddr {
        self.proxy.addresses().public[0].parse().unwrap()
    }

    pub fn tunnel(&self) -> SocketAddr {
        self.proxy.addresses().tunnels[0].parse().unwrap()
    }

    pub fn http1(&self) -> Client {
        Client::http1(self.public())
    }

    pub fn http2(&self) -> Client {
        Client::http2(self.public())
    }

    /// A way in with a certificate of that name.
    pub fn dialler(&self, identity: &Identity, flavour: Flavour) -> Dialler {
        let trust = Trust::Roots(self.ca.pem());
        let connector = Connector::new(&trust, None, &[flavour.alpn()], Some(identity)).unwrap();
        let endpoint = Endpoint::parse(&format!("tls://{}", self.tunnel()), false).unwrap();
        Dialler::new(endpoint, connector)
    }

    /// A worker of that name with one link, attached.
    pub async fn worker(&self, name: &str) -> Script {
        self.worker_of(&issue(&self.ca, name), name, Flavour::Swap).await
    }

    pub async fn worker_of(&self, identity: &Identity, name: &str, flavour: Flavour) -> Script {
        let links = self.links();
        let script = Script::dial(self.dialler(identity, flavour), name).await;
        self.until(|workers| count(workers) > links).await;
        script
    }

    pub fn workers(&self) -> Vec<WorkerState> {
        self.proxy.ingress().workers()
    }

    pub fn links(&self) -> usize {
        count(&self.workers())
    }

    /// Waits until something holds of the workers.
    pub async fn until(&self, holds: impl Fn(&[WorkerState]) -> bool) {
        eventually(|| holds(&self.workers())).await;
    }
}

fn count(workers: &[WorkerState]) -> usize {
    workers.iter().map(|worker| worker.links).sum()
}

/// Waits until something holds.
pub async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it never held");
}

//! Carrier `tls`: links on mutual TLS, both flavours.

use std::time::Duration;

use penstock_agent::Agent;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Handle,
    time::timeout,
};

use crate::world::{Refusals, World};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Identity {
    cert_pem: String,
    key_pem: String,
    fingerprint: String,
}

/// A certificate for a name, with its key.
fn issue(ca: &Ca, name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, ca).unwrap();
    let fingerprint = Sha256::digest(leaf.der()).iter().map(|byte| format!("{byte:02x}")).collect();
    Identity { cert_pem: leaf.pem(), key_pem: key.serialize_pem(), fingerprint }
}

fn tunnel(ca: &Ca) -> Value {
    let Identity { cert_pem, key_pem, .. } = issue(ca, "127.0.0.1");
    json!({"listen": "127.0.0.1:0", "cert_pem": cert_pem, "key_pem": key_pem, "client_ca_pem": ca.pem()})
}

fn agent(world: &World, roots: &Ca, identity: &Identity, flavour: &str) -> Value {
    let address = world.gateway.addresses().tunnel.clone().unwrap();
    json!({
        "url": format!("tls://{address}"), "name": "agent", "secret": "", "links": 2,
        "ca_pem": roots.pem(), "cert_pem": identity.cert_pem, "key_pem": identity.key_pem, "flavour": flavour,
    })
}

async fn carries(world: &World) {
    let mut stream = world.connect("echo").await;
    let sent = vec![7u8; 1 << 20];
    let (mut reader, mut writer) = stream.split();
    let mut back = vec![0u8; sent.len()];
    let (written, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut back));
    written.unwrap();
    read.unwrap();
    assert_eq!(back, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_flavours_carry_sessions() {
    for flavour in ["swap", "rh2"] {
        let ca = ca();
        let world = World::begin(Refusals::None, tunnel(&ca)).await;
        let config = agent(&world, &ca, &issue(&ca, "agent"), flavour);
        carries(&world.with_agent(config).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_loses_its_links() {
    let ca = ca();
    let world = World::begin(Refusals::None, tunnel(&ca)).await;
    let identity = issue(&ca, "agent");
    let config = agent(&world, &ca, &identity, "swap");
    let world = world.with_agent(config).await;
    let mut stream = world.connect("echo").await;
    stream.write_all(b"x").await.unwrap();
    stream.read_exact(&mut [0u8; 1]).await.unwrap();
    world.gateway.end_certificate("another");
    carries(&world).await;
    world.gateway.end_certificate(&identity.fingerprint);
    assert!(stream.read(&mut [0u8; 1]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_no_link() {
    let ca_of_ours = ca();
    let world = World::begin(Refusals::None, tunnel(&ca_of_ours)).await;
    let other = ca();
    let strangers = [
        // Another CA's word for the same name; a name that is no agent's.
        agent(&world, &ca_of_ours, &issue(&other, "agent"), "swap"),
        agent(&world, &ca_of_ours, &issue(&ca_of_ours, "somebody"), "swap"),
        // A gateway that is not who the agent trusts.
        agent(&world, &other, &issue(&ca_of_ours, "agent"), "swap"),
    ];
    for config in strangers {
        let agent = Agent::start(&serde_json::from_value(config).unwrap(), &Handle::current()).unwrap();
        let up = async {
            while !world.gateway.agents().contains_key("agent") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(Duration::from_millis(500), up).await.is_err());
        agent.shutdown(Duration::ZERO).await;
    }
}

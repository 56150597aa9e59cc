//! Who calls: what a caller shows, and who it is by that.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use ipnet::IpNet;
use penstock_domain::{Code, Error, Side};
use sha2::{Digest as _, Sha256};

use crate::config::{self, malformed};

/// Who a caller has proven to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Its name.
    pub name: Arc<str>,
    /// Its groups.
    pub groups: Arc<[String]>,
    /// What proved it, where that can end while something of its is open.
    pub proven: Option<Proven>,
}

/// What proved a caller, to whoever knows callers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// Whose it is: the account's identifier.
    pub account: Arc<str>,
    /// Its identifier; never the secret.
    pub id: Arc<str>,
    /// When it ends, in seconds since the epoch.
    pub expires_at: u64,
}

impl Caller {
    /// One that proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: "anonymous".into(), groups: Arc::new([]), proven: None }
    }
}

/// What a caller shows of itself.
#[derive(Clone, Debug)]
pub struct Proof {
    /// From `Proxy-Authorization`.
    pub credential: Option<Credential>,
    /// The names in its proven client certificate.
    pub names: Vec<String>,
    /// SHA-256 of that certificate, in hex.
    pub fingerprint: Option<String>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// A secret that a caller shows.
#[derive(Clone, Eq, Hash, PartialEq)]
pub enum Credential {
    /// `Basic` (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password: a key.
        password: String,
    },
    /// `Bearer` (RFC 6750).
    Bearer {
        /// The token.
        token: String,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => write!(f, "Basic({user})"),
            Self::Bearer { .. } => f.write_str("Bearer"),
        }
    }
}

impl Credential {
    /// Reads `Proxy-Authorization` (RFC 9110 §11.7.2).
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] if it is neither `Basic` nor `Bearer`.
    pub fn parse(value: &HeaderValue) -> Result<Self, Error> {
        let unreadable = || unauthenticated("Proxy-Authorization is neither Basic NAME:KEY nor Bearer TOKEN");
        let text = value.to_str().map_err(|_| unreadable())?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(unreadable)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Self::Bearer { token: rest.to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(unreadable());
        }
        let decoded = BASE64_STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(unreadable)?;
        let (user, password) = decoded.split_once(':').ok_or_else(unreadable)?;
        Ok(Self::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Says who callers are. The gateway asks its own principals; a proxy of its own reads its configuration.
#[async_trait::async_trait]
pub trait Callers: Send + Sync + 'static {
    /// Who shows this; none proves nothing, and is then judged by the proxy's `callers.anonymous`.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] for a credential that is wrong, expired or revoked.
    async fn identify(&self, proof: &Proof) -> Result<Option<Caller>, Error>;
}

/// The callers of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    callers: Vec<(Caller, Option<u64>)>,
    by_key: HashMap<[u8; 32], usize>,
    by_certificate: HashMap<String, usize>,
    networks: Vec<(IpNet, usize)>,
}

impl Listed {
    pub(crate) fn compile(config: &config::Callers) -> Result<Self, Error> {
        let mut listed = Self::default();
        for (index, caller) in config.list.iter().enumerate() {
            let (name, groups) = (caller.name.as_str().into(), caller.groups.clone().into());
            let known = Caller { name, groups, proven: None };
            listed.callers.push((known, caller.expires_at));
            for key in &caller.keys {
                let hash = parse_hash(key).ok_or_else(|| {
                    malformed(format!("a key of caller {} is no SHA-256 in hex", caller.name))
                        .hint("write the hash of the key, 64 hex digits, never the key itself")
                })?;
                if listed.by_key.insert(hash, index).is_some_and(|other| other != index) {
                    return Err(malformed(format!(
                        "a key of caller {} is another caller's, too",
                        caller.name
                    )));
                }
            }
            listed.by_certificate.extend(caller.certificates.iter().map(|name| (name.clone(), index)));
            listed.networks.extend(caller.networks.iter().map(|network| (*network, index)));
        }
        // The narrowest network speaks.
        listed.networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Ok(listed)
    }

    /// Who shows this, at a time in seconds since the epoch.
    pub(crate) fn identify(&self, proof: &Proof, now: u64) -> Result<Option<Caller>, Error> {
        if let Some(credential) = &proof.credential {
            let wrong = || unauthenticated("the key is unknown, expired, or another caller's");
            let (user, secret) = match credential {
                Credential::Basic { user, password } => (Some(user), password),
                Credential::Bearer { token } => (None, token),
            };
            let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
            let caller =
                self.by_key.get(&hash).and_then(|index| self.alive(*index, now)).ok_or_else(wrong)?;
            return if user.is_none_or(|user| **user == *caller.name) {
                Ok(Some(caller))
            } else {
                Err(wrong())
            };
        }
        if let Some(index) = proof.names.iter().find_map(|name| self.by_certificate.get(name)) {
            let expired = || unauthenticated("this certificate's caller has expired");
            return self.alive(*index, now).map(Some).ok_or_else(expired);
        }
        let address = proof.address.to_canonical();
        let by_network = self.networks.iter().find(|(network, _)| network.contains(&address));
        Ok(by_network.and_then(|(_, index)| self.alive(*index, now)))
    }

    fn alive(&self, index: usize, now: u64) -> Option<Caller> {
        let (caller, expires_at) = self.callers.get(index)?;
        expires_at.is_none_or(|end| now < end).then(|| caller.clone())
    }
}

/// How long an answer of another's is believed: a revocation holds within this.
const BELIEVED: Duration = Duration::from_secs(1);

/// How many answers are kept.
const KEPT: usize = 10_000;

/// Asks another, and remembers for a moment: a page of a hundred requests asks once.
pub(crate) struct Asked {
    other: Arc<dyn Callers>,
    answers: Mutex<HashMap<[u8; 32], Answer>>,
}

/// Who it is, and when that was said.
type Answer = (Option<Caller>, Instant);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl Asked {
    pub(crate) fn new(other: Arc<dyn Callers>) -> Self {
        Self { other, answers: Mutex::default() }
    }

    pub(crate) async fn identify(&self, proof: &Proof) -> Result<Option<Caller>, Error> {
        let key = fingerprint(proof);
        if let Some((caller, at)) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && at.elapsed() < BELIEVED
        {
            return Ok(caller.clone());
        }
        let caller = self.other.identify(proof).await?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            answers.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        }
        if answers.len() < KEPT {
            answers.insert(key, (caller.clone(), Instant::now()));
        }
        Ok(caller)
    }
}

/// What tells one proof from another, without keeping the secret.
fn fingerprint(proof: &Proof) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |kind: u8, text: &[u8]| {
        hash.update([kind]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match &proof.credential {
        Some(Credential::Basic { user, password }) => {
            part(1, user.as_bytes());
            part(2, password.as_bytes());
        }
        Some(Credential::Bearer { token }) => part(3, token.as_bytes()),
        None => {}
    }
    part(4, proof.fingerprint.as_deref().unwrap_or_default().as_bytes());
    part(5, proof.address.to_string().as_bytes());
    hash.finalize().into()
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The refusal of a caller.
pub(crate) fn unauthenticated(message: &str) -> Error {
    Error::new(Code::Unauthenticated, Side::Client, message)
        .hint("set the proxy's URL to http://NAME:KEY@HOST:PORT, or send Proxy-Authorization: Bearer KEY")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    fn listed() -> Listed {
        let hash =
            |key: &str| Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let callers = json!({"list": [
            {"name": "ci", "groups": ["builds"], "keys": [hash("one"), hash("two")]},
            {"name": "old", "keys": [hash("old")], "expires_at": 100},
            {"name": "mtls", "certificates": ["worker.example"]},
            {"name": "office", "networks": ["192.0.2.0/24"]},
            {"name": "printer", "networks": ["192.0.2.9/32"]}
        ]});
        Listed::compile(&serde_json::from_value(callers).unwrap()).unwrap()
    }

    fn proof(authorization: Option<&str>, names: &[&str], address: &str) -> Proof {
        Proof {
            credential: authorization.map(|text| Credential::parse(&text.parse().unwrap()).unwrap()),
            names: names.iter().map(|&name| name.into()).collect(),
            fingerprint: None,
            address: address.parse().unwrap(),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn keys_certificates_and_addresses() {
        let listed = listed();
        let name = |proof: &Proof| {
            listed.identify(proof, 100).map(|caller| caller.map(|caller| caller.name.to_string()))
        };
        for (authorization, names, address, expected) in [
            (Some(basic("ci:one")), vec![], "8.8.8.8", Some("ci")),
            (Some("bearer two".into()), vec!["worker.example"], "192.0.2.9", Some("ci")),
            (None, vec!["x", "worker.example"], "192.0.2.9", Some("mtls")),
            (None, vec!["stranger"], "192.0.2.9", Some("printer")),
            (None, vec![], "::ffff:192.0.2.1", Some("office")),
            (None, vec![], "8.8.8.8", None),
        ] {
            let read = name(&proof(authorization.as_deref(), &names, address)).unwrap();
            assert_eq!(read.as_deref(), expected);
        }
        for wrong in [basic("ci:three"), basic("office:one"), basic("old:old"), "Bearer old".into()] {
            let error = name(&proof(Some(&wrong), &["worker.example"], "192.0.2.9")).unwrap_err();
            assert_eq!(error.code, Code::Unauthenticated, "a wrong key is not made good by an address");
        }
        assert!(listed.identify(&proof(Some(&basic("old:old")), &[], "::1"), 99).unwrap().is_some());
    }

    #[test]
    fn what_is_no_credential_is_refused_and_no_secret_is_shown() {
        for bad in ["", "Basic", "Basic !!!", &basic("nocolon"), "Bearer ", "Digest x", "Negotiate abc"] {
            assert!(Credential::parse(&bad.parse().unwrap()).is_err(), "{bad}");
        }
        let shown = format!("{:?}", proof(Some(&basic("ci:s3cret")), &[], "::1"));
        assert!(shown.contains("ci") && !shown.contains("s3cret"));
    }

    #[test]
    fn keys_stand_as_hashes_and_once() {
        let compile = |list: serde_json::Value| {
            Listed::compile(&serde_json::from_value(json!({ "list": list })).unwrap()).unwrap_err().message
        };
        assert!(compile(json!([{"name": "a", "keys": ["hunter2"]}])).contains("caller a"));
        let hash = "ab".repeat(32);
        assert!(
            compile(json!([{"name": "a", "keys": [hash]}, {"name": "b", "keys": [hash]}]))
                .contains("caller b")
        );
    }

    struct Counting(AtomicUsize);

    #[async_trait::async_trait]
    impl Callers for Counting {
        async fn identify(&self, proof: &Proof) -> Result<Option<Caller>, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if proof.credential.is_some() {
                Err(unauthenticated("no"))
            } else {
                Ok(Some(Caller::anonymous()))
            }
        }
    }

    #[tokio::test]
    async fn answers_are_remembered_and_refusals_are_not() {
        let other = Arc::new(Counting(AtomicUsize::new(0)));
        let asked = Asked::new(Arc::clone(&other) as Arc<dyn Callers>);
        for _ in 0..3 {
            assert!(asked.identify(&proof(None, &[], "::1")).await.unwrap().is_some());
        }
        assert!(asked.identify(&proof(None, &[], "::2")).await.is_ok());
        for _ in 0..2 {
            assert!(asked.identify(&proof(Some("Bearer x"), &[], "::1")).await.is_err());
        }
        assert_eq!(other.0.load(Ordering::Relaxed), 4);
    }
}

//! Callers that stay with one worker: rendezvous hashing of a key, so that a worker that comes or goes moves its own
//! callers only, and two proxies agree.

use http::{HeaderMap, HeaderValue, header};

/// The longest key that is heeded, in bytes.
const KEY_BYTES: usize = 256;

/// What keeps a caller with one worker.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Affinity {
    /// Nothing.
    None,
    /// A key that the caller has brought.
    Brought(Vec<u8>),
    /// A key that it is to bring from now on, in the cookie of that name.
    Issued { cookie: String, key: String },
}

impl Affinity {
    pub(super) fn of_cookie(headers: &HeaderMap, name: &str) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let brought = pairs.filter(|(each, _)| *each == name).map(|(_, value)| value.as_bytes());
        brought
            .filter(|key| is_key(key))
            .map(|key| Self::Brought(key.to_vec()))
            .next()
            .unwrap_or_else(|| Self::Issued { cookie: name.to_owned(), key: new_key() })
    }

    pub(super) fn of_header(headers: &HeaderMap, name: &str) -> Self {
        let brought = headers.get(name).map(HeaderValue::as_bytes).filter(|key| is_key(key));
        brought.map_or(Self::None, |key| Self::Brought(key.to_vec()))
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Brought(key) => Some(key),
            Self::Issued { key, .. } => Some(key.as_bytes()),
        }
    }

    /// The cookie that the answer sets, if it is to set one.
    pub(crate) fn cookie(&self, tls: bool) -> Option<HeaderValue> {
        let Self::Issued { cookie, key } = self else { return None };
        let secure = if tls { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{cookie}={key}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.len() <= KEY_BYTES
}

fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// How much a key belongs to a worker: highest-random-weight hashing (Thaler and Ravishankar, 1998).
pub(super) fn weight(key: &[u8], worker: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(worker.as_bytes());
    let mut first = [0u8; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers("cookie", &["a=1; other=2", "x=; seat=abc; y=2"]);
        assert_eq!(Affinity::of_cookie(&headers, "seat"), Affinity::Brought(b"abc".to_vec()));
        assert_eq!(Affinity::of_cookie(&headers, "seat").cookie(true), None);
    }

    #[test]
    fn a_caller_without_one_is_given_one() {
        for values in [&["other=1"][..], &["seat="], &["seatbelt=1"], &[]] {
            let affinity = Affinity::of_cookie(&headers("cookie", values), "seat");
            let cookie = affinity.cookie(true).unwrap();
            let value = cookie.to_str().unwrap().strip_prefix("seat=").unwrap();
            assert_eq!(value.split_once(';').unwrap().0.as_bytes(), affinity.key().unwrap());
            assert!(value.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
            assert!(!affinity.cookie(false).unwrap().to_str().unwrap().contains("Secure"));
        }
    }

    #[test]
    fn a_header_is_a_key_or_nothing() {
        let tenant = headers("x-tenant", &["acme"]);
        assert_eq!(Affinity::of_header(&tenant, "x-tenant"), Affinity::Brought(b"acme".to_vec()));
        assert_eq!(Affinity::of_header(&tenant, "x-other"), Affinity::None);
        let long = "x".repeat(KEY_BYTES + 1);
        let long = HeaderMap::from_iter([("x-tenant".parse().unwrap(), long.parse().unwrap())]);
        assert_eq!(Affinity::of_header(&long, "x-tenant"), Affinity::None);
    }

    proptest! {
        #[test]
        fn a_worker_that_goes_moves_its_own_callers_only(
            workers in prop::collection::btree_set("[a-z]{1,6}", 2..8),
            keys in prop::collection::vec("[a-z0-9]{1,12}", 1..50),
        ) {
            let chosen = |key: &str, left: &[&String]| {
                left.iter().max_by_key(|worker| weight(key.as_bytes(), worker)).map(|worker| (*worker).clone())
            };
            let all: Vec<&String> = workers.iter().collect();
            let (gone, rest) = all.split_first().unwrap();
            for key in keys {
                let before = chosen(&key, &all).unwrap();
                let after = chosen(&key, rest).unwrap();
                prop_assert!(before == after || before == **gone);
            }
        }
    }
}

//! One caller's stay in an app that identifies its callers.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_domain::{Code, Enter, Error, Side, Visitor};
use penstock_http::headers;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{App, Public};
use crate::{clock, shared::Shared};

/// Who the caller is, for the app.
const USER: &str = "x-penstock-user";
/// The caller's groups, with commas between them.
const GROUPS: &str = "x-penstock-groups";

/// A caller who shows a token.
#[derive(Clone)]
pub(super) struct Visit {
    pub shared: Arc<Shared>,
    pub public: Arc<Public>,
    pub app: Arc<App>,
    pub token: String,
    pub peer: String,
}

impl Visit {
    /// Whom the token proves, if it may enter; as it was decided a moment ago, or decided now.
    pub(super) async fn enter(&self) -> Result<Arc<Visitor>, Error> {
        let Self { shared, public, app, token, peer } = self;
        let before = public.visitors.changes();
        if let Some(visitor) = public.visitors.get(&app.name, token) {
            return Ok(visitor);
        }
        let waited = timeout(shared.config.ask_timeout(), public.asking.acquire()).await;
        let _place = waited.map_err(|_| busy())?;
        let enter = Enter { app: app.name.clone(), token: token.clone(), peer: peer.clone() };
        let visitor = Arc::new(shared.asker.enter(&shared.metrics, enter).await?);
        public.visitors.remember(&before, &app.name, token, &visitor);
        Ok(visitor)
    }

    /// Completes when the caller may no longer be here: its token has ended, or it is not allowed any more.
    pub(super) async fn over(self, mut changes: watch::Receiver<u64>, mut visitor: Arc<Visitor>) {
        loop {
            let left = Duration::from_secs(visitor.expires_at.saturating_sub(clock::seconds()));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep(left) => {}
            }
            match self.enter().await {
                Ok(still) if clock::seconds() < still.expires_at => visitor = still,
                _ => return,
            }
        }
    }
}

/// What only we may say, in the spelling of apps that take `_` for `-`, too.
const OURS: &str = "x-penstock-";

/// Removes what only we may say, and the fields of one hop: `Connection` could name ours, to have them removed later.
pub(super) fn strip(fields: &mut HeaderMap) {
    headers::strip_hop_by_hop(fields);
    let ours = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with('x') && name.replace('_', "-").starts_with(OURS)
    };
    let forged: Vec<_> = fields.keys().filter(ours).cloned().collect();
    for name in forged {
        fields.remove(name);
    }
}

/// Tells the app who calls.
pub(super) fn tell(headers: &mut HeaderMap, visitor: &Visitor) -> Result<(), Error> {
    let value = |text: &str| {
        HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| Error::new(Code::Internal, Side::Gateway, "the user's name fits no header"))
    };
    headers.insert(USER, value(&visitor.name)?);
    headers.insert(GROUPS, value(&visitor.groups.join(","))?);
    Ok(())
}

fn busy() -> Error {
    Error::new(Code::Limited, Side::Gateway, "too many logins are being checked")
        .hint("try again in a few seconds")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use penstock_domain::{Decider, Question, Verdict};
    use serde_json::json;
    use tokio::{runtime::Handle, sync::Notify};

    use super::*;

    /// Answers as it is told, and counts.
    #[derive(Default)]
    struct Script {
        expires_at: Mutex<Option<u64>>,
        asked: AtomicUsize,
        asking: Notify,
    }

    #[async_trait::async_trait]
    impl Decider for Script {
        async fn decide(&self, _question: Question) -> Verdict {
            self.asked.fetch_add(1, SeqCst);
            self.asking.notify_one();
            let denied = || Verdict::Deny(Error::new(Code::Forbidden, Side::Policy, "no"));
            let expires_at = *self.expires_at.lock().unwrap();
            expires_at.map_or_else(denied, |expires_at| Verdict::Visitor(visitor(expires_at)))
        }
    }

    fn visitor(expires_at: u64) -> Visitor {
        Visitor {
            id: "u1".into(),
            name: "jürgen@example.com".into(),
            groups: vec!["dev".into(), "ops".into()],
            token: "t1".into(),
            expires_at,
        }
    }

    fn visit(expires_at: u64) -> (Visit, Arc<Script>) {
        let (here, listen) = ("127.0.0.1:0", json!({"listen": "127.0.0.1:0"}));
        let config =
            json!({"http_listen": here, "grpc_listen": here, "api_socket": "/none", "public": listen});
        let script = Arc::new(Script { expires_at: Mutex::new(Some(expires_at)), ..Script::default() });
        let (config, lanes) = (serde_json::from_value(config).unwrap(), Handle::current().into());
        let shared = Arc::new(Shared::new(config, script.clone(), lanes).unwrap());
        let public = Arc::clone(shared.public.as_ref().unwrap());
        let selector = json!({"kind": "round-robin"});
        let app = json!({"id": "1", "name": "shop", "routes": [], "identify": true, "selector": selector, "timeout_seconds": 1});
        let app = Arc::new(serde_json::from_value(app).unwrap());
        (Visit { shared, public, app, token: "pst_1".into(), peer: "192.0.2.1:1".into() }, script)
    }

    #[tokio::test]
    async fn a_decision_is_asked_for_once_and_a_denial_each_time() {
        let (visit, script) = visit(u64::MAX);
        for _ in 0..3 {
            assert_eq!(visit.enter().await.unwrap().token, "t1");
        }
        assert_eq!(script.asked.load(SeqCst), 1);
        visit.public.visitors.end_token("t1");
        *script.expires_at.lock().unwrap() = None;
        for _ in 0..2 {
            assert_eq!(visit.enter().await.unwrap_err().code, Code::Forbidden);
        }
        assert_eq!(script.asked.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn a_stay_is_decided_anew_when_something_changes() {
        let (visit, script) = visit(u64::MAX);
        let changes = visit.public.visitors.changes();
        let entered = visit.enter().await.unwrap();
        script.asking.notified().await;
        let public = Arc::clone(&visit.public);
        let stay = tokio::spawn(visit.over(changes, entered));
        public.visitors.forget();
        script.asking.notified().await;
        assert!(!stay.is_finished());
        *script.expires_at.lock().unwrap() = None;
        public.visitors.forget();
        stay.await.unwrap();
        assert_eq!(script.asked.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn a_stay_ends_with_its_token() {
        let (visit, _script) = visit(clock::seconds() + 1);
        let changes = visit.public.visitors.changes();
        let entered = visit.enter().await.unwrap();
        visit.over(changes, entered).await;
    }

    #[test]
    fn who_calls_is_ours_to_say() {
        let mut headers = HeaderMap::new();
        for name in [USER, USER, GROUPS, "x_penstock_user", "x-penstock_groups", "x-penstock-app"] {
            headers.append(name, HeaderValue::from_static("admin"));
        }
        headers.insert("connection", HeaderValue::from_static("x-penstock-user, x-penstock-groups"));
        strip(&mut headers);
        assert!(headers.is_empty());
        tell(&mut headers, &visitor(0)).unwrap();
        headers::strip_hop_by_hop(&mut headers);
        assert_eq!(headers.get(USER).unwrap().as_bytes(), "jürgen@example.com".as_bytes());
        assert_eq!(headers.get(GROUPS).unwrap(), "dev,ops");
    }
}

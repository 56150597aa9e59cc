//! One caller's stay in an app that identifies its callers.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use penstock_domain::{Code, Enter, Error, Side, Visitor};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{App, Public};
use crate::{clock, shared::Shared};

/// Who the caller is, for the app. Nobody else may say it.
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

/// Removes what only we may say.
pub(super) fn strip(headers: &mut HeaderMap) {
    headers.remove(USER);
    headers.remove(GROUPS);
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
    use super::*;

    #[test]
    fn who_calls_is_ours_to_say() {
        let mut headers = HeaderMap::new();
        headers.append(USER, HeaderValue::from_static("root"));
        headers.append(USER, HeaderValue::from_static("admin"));
        headers.append(GROUPS, HeaderValue::from_static("admin"));
        strip(&mut headers);
        assert!(headers.is_empty());
        let visitor = Visitor {
            id: "u1".into(),
            name: "jürgen@example.com".into(),
            groups: vec!["dev".into(), "ops".into()],
            token: "t1".into(),
            expires_at: 0,
        };
        tell(&mut headers, &visitor).unwrap();
        assert_eq!(headers.get(USER).unwrap().as_bytes(), "jürgen@example.com".as_bytes());
        assert_eq!(headers.get(GROUPS).unwrap(), "dev,ops");
    }
}

//! Callers whom somebody else knows, or cannot name just now.

use std::sync::Arc;

use penstock_domain::{Code, Error, Side};
use penstock_egress::{Caller, Callers, Proof, Seams};
use serde_json::json;

use crate::world::{Origin, World};

struct Failing(Code, Side);

#[async_trait::async_trait]
impl Callers for Failing {
    async fn identify(&self, _: &Proof) -> Result<Option<Caller>, Error> {
        Err(Error::new(self.0, self.1, "it is as it is"))
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_not_the_callers() {
    let origin = Origin::echo().await;
    for (code, side, status, verdict) in [
        (Code::Internal, Side::Gateway, "500", "failed"),
        (Code::Limited, Side::Gateway, "503", "limited"),
        (Code::Unauthenticated, Side::Client, "407", "unauthenticated"),
    ] {
        let seams = Seams { callers: Some(Arc::new(Failing(code, side))), sink: None };
        let world = World::with(json!({}), seams).await;
        let answer = world.get(&origin.url("/")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(&format!("\"code\":{}", json!(code))), "{answer}");
        assert_eq!(answer.to_lowercase().contains("proxy-authenticate"), status == "407", "{answer}");
        assert_eq!(world.log(1).await[0]["verdict"], verdict);
    }
    assert_eq!(origin.count(), 0);
}

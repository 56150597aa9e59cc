//! The forward proxy as a part of the gateway.

mod announce;
mod callers;
mod passages;

use std::sync::Arc;

use penstock_domain::Error;
use penstock_egress::{Config, Egress, Seams};
use tokio::runtime::Handle;

use self::callers::Principals;
pub(crate) use self::{announce::settle, passages::Passages};
use crate::shared::Shared;

/// Binds the ports of the configuration, then serves.
pub(crate) async fn start(config: Config, shared: &Arc<Shared>, admin: &Handle) -> Result<Egress, Error> {
    let seams = Seams {
        callers: Some(Arc::new(Principals::new(shared))),
        sink: Some(Arc::clone(&shared.passages) as Arc<dyn penstock_egress::Sink>),
    };
    let egress = Egress::start(config, seams, shared.lanes.clone(), admin).await?;
    tokio::spawn(announce::announce(Arc::clone(shared)));
    Ok(egress)
}

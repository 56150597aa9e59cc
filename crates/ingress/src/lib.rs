//! The proxy side of Reverse HTTP: workers dial in, and public requests go out to them over their links.
//!
//! [`Ingress`] holds the groups of workers and the routes to them. [`Public`] is the handler of a public port.
//! [`Proxy`] is the standalone driver; the gateway brings its own ports: it hands the links that it accepts to
//! [`Ingress::carry`], publishes routes with [`Ingress::publish_only`] and puts a [`Gatekeeper`] of its own before the
//! requests.

mod admin;
mod budget;
mod config;
mod group;
mod heard;
mod ingress;
mod metrics;
mod pattern;
mod proxy;
mod public;
mod routes;
mod selector;
mod tunnel;
mod worker;
mod workers;

pub use config::{
    Allowed, Config, DEFAULT_GROUP, Forwarding, GroupConfig, PublicConfig, SelectorConfig, Table, TlsConfig,
    TunnelConfig,
};
pub use group::Group;
pub use ingress::Ingress;
pub use metrics::Metrics;
pub use pattern::Pattern;
pub use proxy::{Addresses, Hooks, Proxy};
pub use public::{Everyone, Gatekeeper, Held, Opened, Passage, Public};
pub use routes::{Route, RouteConfig, Routes, climbs};
pub use selector::Select;
pub use worker::{Worker, WorkerState};
pub use workers::{Attachment, Unwatched, Watch};

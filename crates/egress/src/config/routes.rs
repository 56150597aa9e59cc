//! Routes: what a request must look like, and what is done with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PortRange;

/// One route.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name in logs and errors.
    pub name: String,
    /// What a request must look like; all of it must hold.
    #[serde(default, rename = "match")]
    pub when: Match,
    /// What is done with it.
    pub act: Act,
}

/// Conditions; an empty one always holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The requested host, without its port: `api.example.com`, `*.example.com` (any subdomain),
    /// `.example.com` (it and any subdomain), a glob such as `api-*.example.com` (`*` stands for any run of
    /// characters), or `*`.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The requested port.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// The path, without the query. A CONNECT has none: a condition on it never holds for one.
    #[serde(default)]
    pub path: Option<PathMatch>,
    /// Methods, in upper case.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Headers; all must hold.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
    /// `true`: only CONNECT. `false`: anything else. None: both.
    #[serde(default)]
    pub connect: Option<bool>,
}

/// A condition on a path, as it stands in the request line: percent-encoding is compared as written, and
/// paths with dot segments or encoded slashes match no prefix and no exact path.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathMatch {
    /// It begins with this.
    Prefix(String),
    /// It is this.
    Exact(String),
    /// The whole of it matches this regular expression (syntax of Rust's `regex`: no look-around, linear
    /// time).
    Regex(String),
}

/// A condition on one header.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// The header's name.
    pub name: String,
    /// Its exact value; with `regex` true, a regular expression for the whole value; none: it must be
    /// present.
    #[serde(default)]
    pub value: Option<String>,
    /// Whether `value` is a regular expression.
    #[serde(default)]
    pub regex: bool,
    /// Whether the condition is turned round.
    #[serde(default)]
    pub invert: bool,
}

/// What is done with a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Resolves the destination and forwards there. Rules and the address guard hold for the *new*
    /// destination.
    Forward {
        /// Where the destination stands.
        #[serde(default)]
        host: HostSource,
        /// How to speak to it.
        #[serde(default)]
        scheme: Scheme,
        /// Which HTTP to speak to it.
        #[serde(default)]
        version: Version,
        /// Whether a CONNECT is terminated: a raw TCP tunnel to the destination. If not, it is refused.
        #[serde(default)]
        terminate_connect: bool,
        /// Replaces `timeouts.response_ms` for this route; 0 for none.
        #[serde(default)]
        timeout_ms: Option<u64>,
        /// Headers set on the request before it is forwarded; never `Host` or one about a hop.
        #[serde(default)]
        set_headers: BTreeMap<String, String>,
    },
    /// Forwards to a fixed address that the operator names; the address guard does not hold for it, rules do.
    Upstream {
        /// `http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT`.
        url: String,
        /// The `Host` that the upstream sees; none keeps the caller's.
        #[serde(default)]
        host: Option<String>,
        /// Whether a CONNECT is terminated: a raw TCP tunnel to the address in `url`. If not, it is refused.
        #[serde(default)]
        terminate_connect: bool,
        /// Replaces `timeouts.response_ms` for this route; 0 for none.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// Answers 403.
    Deny {
        /// Why; the caller reads it.
        reason: String,
    },
}

/// Where the destination of a forwarded request stands. Its value is `HOST`, `HOST:PORT` or
/// `http[s]://HOST[:PORT]`. Whatever but [`HostSource::Request`] also replaces the `Host` that the
/// destination sees.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostSource {
    /// The request itself: the absolute URL, the CONNECT authority, or `Host`.
    #[default]
    Request,
    /// Always this.
    Literal {
        /// The destination.
        value: String,
    },
    /// The value of a header (`autoHostRewriteHeader`). A request without it is refused with 400.
    Header {
        /// The header's name.
        name: String,
    },
    /// A text with `{{ header("x-name") }}` and, with `body_bytes`, `{{ field.inner }}` of the JSON body.
    Template {
        /// The text.
        template: String,
        /// How many bytes of body are read at the most to find the fields; a longer body is refused with 413.
        /// None: a template that names a field of the body is refused when the configuration is read.
        #[serde(default)]
        body_bytes: Option<usize>,
    },
}

/// How to speak to a destination.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// As the URL says; plain for origin-form.
    #[default]
    Request,
    /// Plain.
    Http,
    /// TLS, verified by name.
    Https,
}

/// Which HTTP to speak to a destination.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Over TLS what ALPN says; in plain HTTP/1.1, but HTTP/2 for gRPC.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, in plain with prior knowledge.
    Http2,
}

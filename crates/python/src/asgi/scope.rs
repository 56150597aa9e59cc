//! The scope: what an application is told of a request before it begins.
//!
//! The link's peer, a proxy, is the only one believed about the caller: the last entry of `X-Forwarded-For` and
//! `X-Forwarded-Proto` is what it wrote itself, whatever callers put before it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use percent_encoding::percent_decode_str;
use pyo3::{
    Bound, Py, PyResult, Python, intern,
    types::{PyBytes, PyDict, PyDictMethods as _, PyList, PyListMethods as _, PyString},
};

/// The version of ASGI's HTTP and websocket messages that is spoken.
const SPEC: &str = "2.5";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Makes scopes, from what is the same in all of them.
pub(super) struct Scopes {
    http: Py<PyDict>,
    websocket: Py<PyDict>,
    root_path: String,
}

impl Scopes {
    pub(super) fn new(py: Python<'_>, root_path: String) -> PyResult<Self> {
        Ok(Self {
            http: constant(py, "http", &root_path)?,
            websocket: constant(py, "websocket", &root_path)?,
            root_path,
        })
    }

    /// The scope of an HTTP request, without its state.
    pub(super) fn http<'py>(&self, py: Python<'py>, parts: &Parts) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.http.bind(py).copy()?;
        scope.set_item(intern!(py, "method"), method(py, &parts.method))?;
        scope.set_item(intern!(py, "scheme"), scheme(parts))?;
        let extensions = PyDict::new(py);
        extensions.set_item(intern!(py, "http.response.trailers"), PyDict::new(py))?;
        scope.set_item(intern!(py, "extensions"), extensions)?;
        self.target(&scope, parts)?;
        Ok(scope)
    }

    /// The scope of a websocket, without its state.
    pub(super) fn websocket<'py>(&self, py: Python<'py>, parts: &Parts) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.websocket.bind(py).copy()?;
        scope.set_item(intern!(py, "scheme"), if scheme(parts) == "http" { "ws" } else { "wss" })?;
        scope.set_item(intern!(py, "subprotocols"), subprotocols(&parts.headers))?;
        let extensions = PyDict::new(py);
        extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
        scope.set_item(intern!(py, "extensions"), extensions)?;
        self.target(&scope, parts)?;
        Ok(scope)
    }

    /// What both kinds say of a request.
    fn target(&self, scope: &Bound<'_, PyDict>, parts: &Parts) -> PyResult<()> {
        let py = scope.py();
        let raw_path = parts.uri.path();
        let path = percent_decode_str(raw_path).decode_utf8_lossy();
        if self.root_path.is_empty() {
            scope.set_item(intern!(py, "path"), path)?;
            scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, raw_path.as_bytes()))?;
        } else {
            scope.set_item(intern!(py, "path"), format!("{}{path}", self.root_path))?;
            let raw_path = format!("{}{raw_path}", self.root_path);
            scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, raw_path.as_bytes()))?;
        }
        let query = parts.uri.query().unwrap_or_default();
        scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query.as_bytes()))?;
        scope.set_item(intern!(py, "headers"), headers(py, parts)?)?;
        scope.set_item(intern!(py, "client"), client(&parts.headers).map(|ip| (ip, 0)))?;
        scope.set_item(intern!(py, "server"), server(parts))
    }
}

fn constant(py: Python<'_>, kind: &str, root_path: &str) -> PyResult<Py<PyDict>> {
    let scope = PyDict::new(py);
    scope.set_item("type", kind)?;
    scope.set_item("http_version", "2")?;
    scope.set_item("root_path", root_path)?;
    Ok(scope.unbind())
}

/// ASGI's versions; a dict of its own for each scope, for applications may write to it.
pub(super) fn versions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let versions = PyDict::new(py);
    versions.set_item(intern!(py, "version"), intern!(py, "3.0"))?;
    versions.set_item(intern!(py, "spec_version"), intern!(py, SPEC))?;
    Ok(versions)
}

fn method<'py>(py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
    match *method {
        Method::GET => intern!(py, "GET").clone(),
        Method::POST => intern!(py, "POST").clone(),
        ref other => PyString::new(py, other.as_str()),
    }
}

fn scheme(parts: &Parts) -> &'static str {
    let forwarded = last(&parts.headers, &FORWARDED_PROTO);
    match forwarded.or_else(|| parts.uri.scheme_str()) {
        Some("http" | "ws") => "http",
        _ => "https",
    }
}

/// Names in lower case and values, `host` first (from `:authority`) and the crumbs of cookies joined (RFC 9113
/// §8.2.3).
fn headers<'py>(py: Python<'py>, parts: &Parts) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    let field = |name: &[u8], value: &[u8]| list.append((PyBytes::new(py, name), PyBytes::new(py, value)));
    let authority = parts.uri.authority();
    if let Some(authority) = authority {
        field(b"host", authority.as_str().as_bytes())?;
    }
    for (name, value) in &parts.headers {
        if name != header::COOKIE && (name != header::HOST || authority.is_none()) {
            field(name.as_str().as_bytes(), value.as_bytes())?;
        }
    }
    let mut cookies =
        parts.headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes).peekable();
    if cookies.peek().is_some() {
        field(b"cookie", &cookies.collect::<Vec<_>>().join(&b"; "[..]))?;
    }
    Ok(list)
}

/// The caller, as the proxy names it.
fn client(headers: &HeaderMap) -> Option<&str> {
    last(headers, &FORWARDED_FOR).map(|ip| ip.trim_start_matches('[').trim_end_matches(']'))
}

/// Whom the caller asked for.
fn server(parts: &Parts) -> Option<(Cow<'_, str>, u16)> {
    let authority = match parts.uri.authority() {
        Some(authority) => Cow::Borrowed(authority),
        None => Cow::Owned(parts.headers.get(header::HOST)?.to_str().ok()?.parse().ok()?),
    };
    let port = authority.port_u16().unwrap_or(if scheme(parts) == "http" { 80 } else { 443 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host.into(), port))
}

fn subprotocols(headers: &HeaderMap) -> Vec<&str> {
    list(headers, &header::SEC_WEBSOCKET_PROTOCOL).collect()
}

/// The last entry of a list that each proxy appends to.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    list(headers, name).last()
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

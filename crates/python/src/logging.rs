//! The core's log lines, in the form of Python's: to stderr, JSON or for a terminal.

use std::io::IsTerminal as _;

use penstock_domain::{Code, Error, Side};
use pyo3::{PyResult, pyfunction};
use tracing_subscriber::{EnvFilter, fmt};

use crate::error::raise;

/// Starts logging. Only Penstock's own targets are heard: libraries would log headers, and with them secrets.
/// `grpc` adds the head of every frame on links.
#[pyfunction]
pub(crate) fn init_logging(encoding: &str, level: &str, grpc: bool) -> PyResult<()> {
    let level = level.to_ascii_lowercase();
    let link = if grpc { "trace" } else { level.as_str() };
    let filter = EnvFilter::try_new(format!("off,penstock={level},penstock::link={link}"))
        .map_err(|error| malformed(&format!("LOG_LEVEL: {error}")))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match encoding {
        "json" => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
        "console" => builder.with_ansi(std::io::stderr().is_terminal()).compact().try_init(),
        other => return Err(malformed(&format!("LOG_ENCODING: {other:?} is neither json nor console"))),
    };
    done.map_err(|error| malformed(&error.to_string()))
}

fn malformed(what: &str) -> pyo3::PyErr {
    raise(&Error::new(Code::Malformed, Side::Gateway, what))
}

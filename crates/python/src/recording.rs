//! Recordings, as Python reads them. Files are opened here; the format is `penstock-record`'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, BufReader, Seek},
    os::unix::fs::OpenOptionsExt,
    sync::{Mutex, PoisonError},
};

use penstock_domain::{Code, Error, Side};
use pyo3::{PyErr, PyRef, PyResult, Python, pyclass, pyfunction, pymethods};

use crate::error::{raise, render};

fn open(path: &str) -> PyResult<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Recorder };
        raise(&Error::new(code, Side::Gateway, format!("the recording {path} cannot be read: {error}")))
    })
}

/// Events of a recording, one JSON object each.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Replay(Mutex<penstock_record::Replay<BufReader<File>>>);

#[pymethods]
impl Replay {
    const fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let next = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).next());
        next.transpose().map_err(|fault| raise(&Error::new(Code::Recorder, Side::Gateway, fault.to_string())))
    }
}

/// Replays a recording.
#[pyfunction]
pub(crate) fn read_recording(path: &str) -> PyResult<Replay> {
    Ok(Replay(Mutex::new(penstock_record::Replay::new(open(path)?))))
}

/// Verifies a recording, against its head if one is known; the report, in JSON.
#[pyfunction]
#[pyo3(signature = (path, head=None))]
pub(crate) fn verify_recording(py: Python<'_>, path: &str, head: Option<&str>) -> PyResult<String> {
    py.detach(|| render(&penstock_record::verify(open(path)?, head)))
}

/// Writes a compressed copy of a recording that is over. What returns is on the disk and was read back.
#[pyfunction]
pub(crate) fn compress_recording(py: Python<'_>, source: &str, target: &str) -> PyResult<()> {
    Ok(py.detach(|| copy_compressed(source, target))?)
}

fn copy_compressed(source: &str, target: &str) -> io::Result<()> {
    let mut copy =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(target)?;
    penstock_record::compress(File::open(source)?, &copy)?;
    copy.sync_all()?;
    copy.rewind()?;
    if penstock_record::digest(&copy)? == penstock_record::digest(File::open(source)?)? {
        return Ok(());
    }
    Err(io::Error::other("the compressed copy differs from the recording"))
}

/// The hashes in hex of the records with these numbers, as far as a recording holds.
#[pyfunction]
pub(crate) fn recording_heads(
    py: Python<'_>,
    path: &str,
    numbers: BTreeSet<u64>,
) -> PyResult<BTreeMap<u64, String>> {
    py.detach(|| {
        let heads = penstock_record::heads(open(path)?, &numbers);
        Ok(heads.into_iter().map(|(number, hash)| (number, hash.to_string())).collect())
    })
}

/// Summarises a recording as far as it holds, after a crash; in JSON.
#[pyfunction]
pub(crate) fn summarise_recording(py: Python<'_>, path: &str) -> PyResult<String> {
    py.detach(|| {
        let summary = penstock_record::summarise(open(path)?).map_err(|fault| -> PyErr {
            raise(&Error::new(Code::Recorder, Side::Gateway, fault.to_string()))
        })?;
        render(&summary)
    })
}

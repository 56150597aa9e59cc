//! The thread that writes the log. It wakes for the first line and then writes what has gathered, so that a
//! busy proxy wakes it a few times a second and not for each line.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    mem,
    os::unix::fs::OpenOptionsExt as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use penstock_domain::{Code, Error, Side};

use super::Access;
use crate::{config::AccessLog, count::Counter, meter::now_ms};

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(20);

/// Writes lines, in order.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    lost: Counter,
}

struct State {
    lines: Vec<Access>,
    lost: u64,
    most: usize,
    enabled: bool,
    sink: Option<Sink>,
    closing: bool,
}

enum Sink {
    Stdout,
    File(File),
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Opens the log and begins.
    ///
    /// # Errors
    /// [`Code::Malformed`] for a file that cannot be opened.
    pub(crate) fn start(config: &AccessLog) -> Result<Self, Error> {
        let state = State {
            lines: Vec::new(),
            lost: 0,
            most: config.queue,
            enabled: config.enabled,
            sink: Some(open(config)?),
            closing: false,
        };
        let queue =
            Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new(), lost: Counter::default() });
        let running = Arc::clone(&queue);
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || running.run());
        let thread = thread.map_err(|error| {
            Error::new(Code::Internal, Side::Gateway, format!("no thread for the access log: {error}"))
        })?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Opens the log that a new configuration names; also the same one anew, which is how logs are rotated.
    ///
    /// # Errors
    /// [`Code::Malformed`] for a file that cannot be opened; the old one then stays.
    pub(crate) fn prepare(config: &AccessLog) -> Result<Prepared, Error> {
        Ok(Prepared { sink: open(config)?, most: config.queue, enabled: config.enabled })
    }

    /// Goes on with what was prepared.
    pub(crate) fn switch(&self, prepared: Prepared) {
        let mut state = self.queue.lock();
        state.sink = Some(prepared.sink);
        state.most = prepared.most;
        state.enabled = prepared.enabled;
    }

    /// Hands a line over; if too many wait, it is lost, and that is counted.
    pub(crate) fn write(&self, access: Access) {
        let mut state = self.queue.lock();
        if !state.enabled {
            return;
        }
        if state.lines.len() >= state.most || state.closing {
            state.lost += 1;
            self.queue.lost.add(1);
            return;
        }
        state.lines.push(access);
        if state.lines.len() == 1 {
            self.queue.changed.notify_one();
        }
    }

    /// Lines that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.queue.lost.get()
    }

    /// Writes what waits, and ends.
    pub(crate) fn close(&self) {
        self.queue.lock().closing = true;
        self.queue.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(target: "penstock::egress", "the access log's thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// A log that is open and not yet in use.
pub(crate) struct Prepared {
    sink: Sink,
    most: usize,
    enabled: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut sink = None;
        let mut text = Vec::new();
        loop {
            let (lines, lost, closing) = self.gather(&mut sink);
            text.clear();
            for line in &lines {
                // A line of plain fields always serializes; a fault would be seen as a lost line.
                match serde_json::to_writer(&mut text, line) {
                    Ok(()) => text.push(b'\n'),
                    Err(_) => self.lost.add(1),
                }
            }
            if lost > 0 {
                text.extend_from_slice(format!("{{\"time_ms\":{},\"lost\":{lost}}}\n", now_ms()).as_bytes());
            }
            if let Some(Err(error)) = sink.as_mut().map(|sink| sink.write(&text)) {
                self.lost.add(lines.len() as u64);
                tracing::error!(target: "penstock::egress", %error, lines = lines.len(), "the access log cannot be written");
            }
            if closing {
                return;
            }
        }
    }

    fn gather(&self, sink: &mut Option<Sink>) -> (Vec<Access>, u64, bool) {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.closing {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closing {
            drop(state);
            thread::sleep(GATHER);
            state = self.lock();
        }
        if let Some(new) = state.sink.take() {
            *sink = Some(new);
        }
        let room = Vec::with_capacity(state.lines.len());
        (mem::replace(&mut state.lines, room), mem::take(&mut state.lost), state.closing)
    }
}

impl Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text)?;
                stdout.flush()
            }
            Self::File(file) => file.write_all(text),
        }
    }
}

fn open(config: &AccessLog) -> Result<Sink, Error> {
    let Some(path) = config.path.as_deref().filter(|_| config.enabled) else { return Ok(Sink::Stdout) };
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path).map_err(|error| {
        Error::new(Code::Malformed, Side::Gateway, format!("the access log {path} cannot be opened: {error}"))
            .hint("name a file in a folder that the proxy may write to")
    })?;
    Ok(Sink::File(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Kind;

    fn access(number: u16) -> Access {
        let mut access = Access::new("egress".into(), "192.0.2.1:1".parse().unwrap(), Kind::Request);
        access.status = number;
        access
    }

    fn config(path: &std::path::Path, queue: usize) -> AccessLog {
        AccessLog { enabled: true, path: Some(path.to_str().unwrap().into()), queue }
    }

    #[test]
    fn every_line_is_written_in_order_and_a_new_file_takes_over() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let writer = Writer::start(&config(&one, 1_000)).unwrap();
        for number in 0..100 {
            writer.write(access(number));
        }
        while std::fs::read_to_string(&one).unwrap().lines().count() < 100 {
            thread::yield_now();
        }
        writer.switch(Writer::prepare(&config(&two, 1_000)).unwrap());
        writer.write(access(100));
        writer.close();
        let lines = std::fs::read_to_string(&one).unwrap();
        for (number, line) in lines.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["status"], number);
        }
        assert_eq!(std::fs::read_to_string(&two).unwrap().lines().count(), 1);
        assert_eq!(writer.lost(), 0);
    }

    #[test]
    fn what_finds_no_room_is_counted_in_the_log_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let writer = Writer::start(&config(&path, 0)).unwrap();
        writer.write(access(1));
        writer.write(access(2));
        writer.close();
        assert_eq!(writer.lost(), 2);
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"lost\":2"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Writer::start(&config(std::path::Path::new("/nonexistent/log"), 1)).unwrap_err();
        assert!(error.message.contains("/nonexistent/log"));
    }
}

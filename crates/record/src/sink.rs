//! Where a recording's bytes go, and the law that a broken one stays broken.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Acquire},
    },
};

use penstock_domain::{Code, Error, Side};

/// What takes a recording's bytes. Called from one thread at a time, in order.
pub trait Sink: Send + Sync + 'static {
    /// Hands all the bytes to the kernel.
    ///
    /// # Errors
    /// What the kernel says. There is no second call after a failed one.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written would survive a loss of power.
    ///
    /// # Errors
    /// What the kernel says. There is no second call after a failed one.
    fn sync(&self) -> io::Result<()>;

    /// Whether a write is usually a copy into memory, worth less than waking a thread for it.
    fn is_prompt(&self) -> bool {
        false
    }
}

impl Sink for File {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    /// The page cache takes it, as long as the disk keeps up.
    fn is_prompt(&self) -> bool {
        true
    }
}

/// A sink that is never used again once it failed: after a failed write or fsync Linux may have dropped the
/// pages, and a retry would report success for bytes that are gone.
pub(crate) struct Reel {
    sink: Box<dyn Sink>,
    broken: OnceLock<Error>,
    /// Bursts that wait for the thread.
    pub waiting: AtomicUsize,
}

impl Reel {
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, broken: OnceLock::new(), waiting: AtomicUsize::new(0) }
    }

    /// Writes a burst.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.sink.write_all(bytes).map_err(|error| self.poison(unwritable(&error)))
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), Error> {
        self.check()?;
        self.sink.sync().map_err(|error| self.poison(unwritable(&error)))
    }

    /// Whether a burst may be written without the thread: nothing that came before it waits there.
    pub fn is_prompt(&self) -> bool {
        self.sink.is_prompt() && self.waiting.load(Acquire) == 0
    }

    /// The first failure, if there was one.
    pub fn check(&self) -> Result<(), Error> {
        self.broken.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Takes no more bytes from here on; returns why, which is the first failure's reason.
    pub fn poison(&self, error: Error) -> Error {
        self.broken.get_or_init(|| error).clone()
    }
}

/// A recording that cannot be created or written.
pub(crate) fn unwritable(error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "a recording is never overwritten: open a new session",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on the gateway's disk for recordings, then open a new session"
        }
        _ => "check that the gateway's folder for recordings exists, is writable and is on a sound disk",
    };
    Error::new(Code::Recorder, Side::Gateway, format!("the recording cannot be written: {error}")).hint(hint)
}

//! The two forms of a recording's file: as it was written, or the same bytes in one Zstandard frame (RFC 8878).
//!
//! A live recording is plain, a kept one is a frame. Whatever reads one reads it through [`Source`], so that
//! nothing else knows the difference.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read, Write};

use blake3::{Hash, Hasher};
use zstd::stream::raw::{DParameter, Decoder, Operation};

/// The first bytes of a frame (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// A frame that needs more memory than 8 MiB is refused; ours need half of one.
const WINDOW_LOG: u32 = 23;
/// A quarter of a recording is hashes, which nothing compresses: up to level 5 nothing is gained, at twice the time.
const LEVEL: i32 = 1;
/// Bytes that are read from a file at once.
const CHUNK: usize = 64 << 10;

/// What is wrong with a frame, whatever it holds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The file ends before the frame does. No crash leaves that behind: a frame is whole before it has its name.
    #[error("the compressed file is cut: its Zstandard frame does not end")]
    Cut,
    /// The frame cannot be decoded, or not within bounds, or its checksum differs.
    #[error("the compressed file was changed: {0}")]
    Changed(String),
    /// The frame is not all that is in the file.
    #[error("the compressed file was changed: something follows its Zstandard frame")]
    Followed,
}

impl Damage {
    /// The damage that made reading fail; none if it was something else.
    pub(crate) fn behind(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// Writes a recording, whichever form it has, as one frame with a checksum; returns where it wrote to.
///
/// Memory is bounded, however long the recording is. The recording itself is not judged.
///
/// # Errors
/// What reading or writing says, and what is wrong with the frame if `source` is one already.
pub fn compress<R: Read, W: Write>(source: R, target: W) -> io::Result<W> {
    let mut encoder = zstd::Encoder::new(target, LEVEL)?;
    encoder.include_checksum(true)?;
    io::copy(&mut BufReader::with_capacity(CHUNK, Source::new(source)), &mut encoder)?;
    encoder.finish()
}

/// The BLAKE3 hash of all that was recorded, the same for both forms.
///
/// # Errors
/// What reading says, and what is wrong with the frame if `source` is one.
pub fn digest<R: Read>(source: R) -> io::Result<Hash> {
    Ok(Hasher::new().update_reader(Source::new(source))?.finalize())
}

/// The bytes that were recorded, whichever form the file has.
pub(crate) enum Source<R> {
    /// Nothing was read yet; none if that failed.
    Unread(Option<R>),
    Plain(Whole<R>),
    Framed(Frame<Whole<R>>),
}

/// A file whose first bytes were looked at.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: Read> Source<R> {
    pub fn new(file: R) -> Self {
        Self::Unread(Some(file))
    }

    fn recognise(mut file: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(MAGIC.len());
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
        let framed = start == MAGIC;
        let whole = Cursor::new(start).chain(file);
        Ok(if framed { Self::Framed(Frame::new(whole)?) } else { Self::Plain(whole) })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                Self::Unread(file) => {
                    let file =
                        file.take().ok_or_else(|| io::Error::other("its beginning could not be read"))?;
                    *self = Self::recognise(file)?;
                }
                Self::Plain(file) => return file.read(out),
                Self::Framed(frame) => return frame.read(out),
            }
        }
    }
}

/// Decodes one frame, which must be all that is left of the file.
pub(crate) struct Frame<R> {
    file: BufReader<R>,
    decoder: Decoder<'static>,
    ended: bool,
}

impl<R: Read> Frame<R> {
    fn new(file: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { file: BufReader::with_capacity(CHUNK, file), decoder, ended: false })
    }
}

impl<R: Read> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty() {
            let input = self.file.fill_buf()?;
            let exhausted = input.is_empty();
            if self.ended {
                return if exhausted { Ok(0) } else { Err(Damage::Followed.into()) };
            }
            // Without input the decoder hands out what it still holds.
            let step = self
                .decoder
                .run_on_buffers(input, out)
                .map_err(|error| Damage::Changed(error.to_string()))?;
            self.file.consume(step.bytes_read);
            self.ended = step.remaining == 0;
            if step.bytes_written > 0 {
                return Ok(step.bytes_written);
            }
            if exhausted && !self.ended {
                return Err(Damage::Cut.into());
            }
        }
        Ok(0)
    }
}

//! The bytes of a file: counted, and unpacked where their first ones say gzip or zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::placed::{Placed, Windows};
use super::remote::RemoteFile;
use super::{Place, ReadError};

/// Bytes that are looked at to tell the format of a file.
const HEAD_BYTES: u64 = 64 << 10;
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// No cell, record or tag is larger: beyond it memory is at stake, and the file is not a table.
pub(super) const CELL_MAX_BYTES: usize = 256 << 20;

/// A stream of unpacked bytes.
pub(super) type Stream = Box<dyn BufRead + Send>;

/// Where a file is.
#[derive(Debug, Clone)]
pub enum FileAt {
    /// On disk.
    Disk(PathBuf),
    /// In a store.
    Store(RemoteFile),
}

impl FileAt {
    /// Its path, or the URL in place of one.
    pub fn name(&self) -> &Path {
        match self {
            Self::Disk(path) => path,
            Self::Store(file) => Path::new(file.name()),
        }
    }
}

/// How much a packed file may be once it is unpacked, and whether one was more. Its clones are the
/// same.
#[derive(Debug, Clone)]
pub struct Unpacked {
    bytes_max: u64,
    exceeded: Arc<AtomicBool>,
}

impl Unpacked {
    /// At most so many bytes.
    pub fn at_most(bytes_max: u64) -> Self {
        Self { bytes_max, exceeded: Arc::default() }
    }

    /// Whether a file was more: then it ended with an error.
    pub fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    /// The error of a file that is so many bytes, if those are more.
    pub(super) fn check(&self, bytes: u64) -> io::Result<()> {
        if bytes <= self.bytes_max {
            return Ok(());
        }
        self.exceeded.store(true, Ordering::Relaxed);
        let reason = format!("it is more than {} bytes once it is unpacked", self.bytes_max);
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    }
}

impl PartialEq for Unpacked {
    fn eq(&self, other: &Self) -> bool {
        self.bytes_max == other.bytes_max
    }
}

impl Eq for Unpacked {}

/// A file, which can be read from its start as often as needed.
#[derive(Debug, Clone)]
pub(super) struct Source {
    at: FileAt,
    packing: Packing,
    bytes: u64,
    /// Bytes of the file (packed ones, if it is) that were read by the newest stream.
    read: Arc<AtomicU64>,
    head: Vec<u8>,
    unpacked: Option<Unpacked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Source {
    /// Opens a file and looks at its first bytes.
    pub(super) fn open(at: FileAt) -> Result<Self, ReadError> {
        let path = at.name();
        let wrong = |reason: &str| ReadError::malformed(path, Place::default(), reason);
        let failed = |error| ReadError::io(path, Place::default(), error);
        let bytes = match &at {
            FileAt::Disk(path) => {
                let facts = std::fs::metadata(path).map_err(failed)?;
                if !facts.is_file() {
                    return Err(wrong("this is not a file: give the files in it one by one"));
                }
                facts.len()
            }
            FileAt::Store(file) => file.bytes(),
        };
        if bytes == 0 {
            return Err(wrong("the file is empty"));
        }
        let mut magic = Vec::new();
        read_from(&at, 0).and_then(|file| file.take(4).read_to_end(&mut magic)).map_err(failed)?;
        let packing = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
            _ => Packing::Plain,
        };
        let (read, head, unpacked) = (Arc::default(), Vec::new(), None);
        let mut source = Self { at, packing, bytes, read, head, unpacked };
        let mut head = Vec::new();
        let read = source.stream()?.take(HEAD_BYTES).read_to_end(&mut head);
        // A packed file that is cut within the first bytes still tells its format.
        if head.is_empty() {
            let place = Place::default();
            read.map_err(|error| ReadError::io(source.path(), place.clone(), error))?;
            let reason = "the file holds nothing once it is unpacked";
            return Err(ReadError::malformed(source.path(), place, reason));
        }
        source.head = head;
        Ok(source)
    }

    /// The same file, which may be so much once it is unpacked.
    pub(super) fn unpacking(self, unpacked: Option<Unpacked>) -> Self {
        Self { unpacked, ..self }
    }

    /// Its path, or its URL, for messages and for what its name says.
    pub(super) fn path(&self) -> &Path {
        self.at.name()
    }

    /// The file itself, where it is on disk.
    pub(super) fn on_disk(&self) -> Option<io::Result<File>> {
        match &self.at {
            FileAt::Disk(path) => Some(File::open(path)),
            FileAt::Store(_) => None,
        }
    }

    /// The bytes of a file that is not packed by their place.
    pub(super) fn placed(&self) -> io::Result<Placed> {
        Ok(match &self.at {
            FileAt::Disk(path) => Placed::Disk(Arc::new(File::open(path)?)),
            FileAt::Store(file) => Placed::Store(Arc::new(Windows::new(file.clone()))),
        })
    }

    /// The first unpacked bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn is_packed(&self) -> bool {
        self.packing != Packing::Plain
    }

    /// The unpacked bytes from the start.
    pub(super) fn stream(&self) -> Result<Stream, ReadError> {
        let failed = |error| ReadError::io(self.path(), Place::default(), error);
        let file = read_from(&self.at, 0).map_err(failed)?;
        self.read.store(0, Ordering::Relaxed);
        let counted = Counted { file, read: Arc::clone(&self.read) };
        let packed = BufReader::with_capacity(BUFFER_BYTES, counted);
        Ok(match self.packing {
            Packing::Plain => Box::new(packed),
            Packing::Gzip => self.bounded(MultiGzDecoder::new(packed)),
            Packing::Zstd => {
                self.bounded(zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?)
            }
        })
    }

    /// Unpacked bytes, as many as may be.
    fn bounded(&self, unpacked: impl Read + Send + 'static) -> Stream {
        let Some(limit) = &self.unpacked else {
            return Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked));
        };
        let bounded = Bounded { unpacked, bytes: 0, limit: limit.clone() };
        Box::new(BufReader::with_capacity(BUFFER_BYTES, bounded))
    }

    /// The bytes of a file that is not packed from a place in it, without reading what is before.
    pub(super) fn stream_from(&self, place: u64) -> Result<Stream, ReadError> {
        let failed = |error| ReadError::io(self.path(), Place::default(), error);
        let file = read_from(&self.at, place).map_err(failed)?;
        self.read.store(place, Ordering::Relaxed);
        let counted = Counted { file, read: Arc::clone(&self.read) };
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, counted)))
    }

    /// Bytes of the file that were read, and its size.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed).min(self.bytes), self.bytes)
    }

    /// Counts bytes that were read past the streams.
    pub(super) fn count(&self, bytes: u64) {
        self.read.store(bytes, Ordering::Relaxed);
    }
}

/// The bytes of a file from a place on.
fn read_from(at: &FileAt, place: u64) -> io::Result<Box<dyn Read + Send>> {
    Ok(match at {
        FileAt::Disk(path) => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(place))?;
            Box::new(file)
        }
        FileAt::Store(file) => Box::new(file.read_from(place)),
    })
}

/// A stream that ends with an error where it becomes too long.
struct Bounded<R> {
    unpacked: R,
    bytes: u64,
    limit: Unpacked,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.unpacked.read(buffer)?;
        self.bytes += bytes as u64;
        self.limit.check(self.bytes)?;
        Ok(bytes)
    }
}

struct Counted {
    file: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A text that knows its line, and ends with an error where a single piece of it is endless.
///
/// The parsers of XML and CSV keep a whole tag or record in memory: an unclosed quote would take
/// in the rest of the file.
pub(super) struct Metered {
    inner: Stream,
    line: u64,
    left: usize,
}

impl Metered {
    pub(super) fn new(inner: Stream) -> Self {
        Self { inner, line: 1, left: CELL_MAX_BYTES }
    }

    /// The line of the next byte, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Begins a new piece.
    pub(super) fn renew(&mut self) {
        self.left = CELL_MAX_BYTES;
    }
}

impl BufRead for Metered {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let mebibytes = CELL_MAX_BYTES >> 20;
            let reason = format!(
                "a single tag, cell or record is longer than {mebibytes} MiB: is a quote or a tag \
                 not closed?"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed lies in the buffer, so that this reads nothing.
        if let Ok(buffer) = self.inner.fill_buf() {
            let consumed = &buffer[..amount.min(buffer.len())];
            let lines: usize = consumed.iter().map(|byte| usize::from(*byte == b'\n')).sum();
            self.line += lines as u64;
        }
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

//! Arrow messages of strangers: none is handed on that claims more than it has.
//!
//! The reader of Arrow makes room for what a message says that it has before it looks. So each one
//! is read here first, as far as there are bytes, and what it says of its sizes is held against
//! them; of what is compressed, the sizes that it will have are bounded.

use std::io::{self, Cursor, Read};

use datafusion::arrow::ipc::{MessageHeader, RecordBatch, root_as_message};

use super::CONTINUATION;

/// A header tells of columns and buffers: some dozens of bytes for each.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// Rows of a batch, compressed or not: some million of twenty columns.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// A stream of Arrow messages, each of which was looked at.
pub(super) struct Guarded<R> {
    stream: R,
    /// The message that is handed on.
    message: Cursor<Vec<u8>>,
    has_ended: bool,
}

impl<R: Read> Guarded<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, message: Cursor::default(), has_ended: false }
    }

    /// Reads the next message whole; whether there is one.
    fn advance(&mut self) -> io::Result<bool> {
        let mut message = Vec::new();
        if !self.more(4, &mut message, true)? {
            return Ok(false);
        }
        if message == CONTINUATION {
            self.more(4, &mut message, false)?;
        }
        let length = message.last_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        if length == 0 {
            self.has_ended = true;
            self.message = Cursor::new(message);
            return Ok(true);
        }
        let length = bounded(i64::from(length), HEADER_BYTES_MAX, "the header of a message")?;
        let begin = message.len();
        self.more(length, &mut message, false)?;
        let header = root_as_message(&message[begin..]);
        let header = header.map_err(|error| wrong(format!("a header is none: {error}")))?;
        let body = bounded(header.bodyLength(), BODY_BYTES_MAX, "a batch")?;
        let end = message.len();
        self.more(body, &mut message, false)?;
        let (header, body) = message[begin..].split_at(end - begin);
        let header =
            root_as_message(header).map_err(|error| wrong(format!("a header is none: {error}")))?;
        match header.header_type() {
            MessageHeader::RecordBatch => look_at(header.header_as_record_batch(), body)?,
            MessageHeader::DictionaryBatch => {
                let batch = header.header_as_dictionary_batch();
                look_at(batch.and_then(|batch| batch.data()), body)?;
            }
            _ => {}
        }
        self.message = Cursor::new(message);
        Ok(true)
    }

    /// Reads so many bytes more; whether there are. None at all are enough where a stream may end.
    fn more(&mut self, bytes: u64, to: &mut Vec<u8>, may_end: bool) -> io::Result<bool> {
        let read = self.stream.by_ref().take(bytes).read_to_end(to)?;
        match u64::try_from(read) {
            Ok(read) if read == bytes => Ok(true),
            Ok(0) if may_end => Ok(false),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a message is cut short")),
        }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.message.read(to)?;
            if read > 0 || to.is_empty() || self.has_ended || !self.advance()? {
                return Ok(read);
            }
        }
    }
}

/// Holds what a batch says of its buffers against its bytes.
fn look_at(batch: Option<RecordBatch<'_>>, body: &[u8]) -> io::Result<()> {
    let batch = batch.ok_or_else(|| wrong("a batch says nothing of its columns".to_owned()))?;
    let is_compressed = batch.compression().is_some();
    let mut unpacked: u64 = 0;
    for buffer in batch.buffers().into_iter().flatten() {
        let range =
            usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes = range.and_then(|(from, length)| body.get(from..from.checked_add(length)?));
        let bytes = bytes.ok_or_else(|| wrong("a column lies outside of its batch".to_owned()))?;
        // What is compressed says first how large it will be; -1 that it is not.
        if is_compressed
            && let Some(said) = bytes.first_chunk()
            && let said @ 0.. = i64::from_le_bytes(*said)
        {
            let said = bounded(said, BODY_BYTES_MAX, "a column of a batch")?;
            unpacked = unpacked.saturating_add(said);
        }
    }
    bounded(i64::try_from(unpacked).unwrap_or(i64::MAX), BODY_BYTES_MAX, "a batch").map(|_| ())
}

fn bounded(said: i64, most: u64, what: &str) -> io::Result<u64> {
    let bytes = u64::try_from(said).ok().filter(|bytes| *bytes <= most);
    bytes.ok_or_else(|| {
        wrong(format!(
            "{what} says that it has {said} bytes, and {most} are the most: write fewer rows in each \
             batch"
        ))
    })
}

fn wrong(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

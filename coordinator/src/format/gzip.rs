//! gzip on all cores: one member, as every client reads it, compressed block by block (RFC 1952).
//!
//! Each block is deflated on its own and ends on a byte by a sync flush, as pigz does it, so that
//! blocks only need to follow one another. What has come is compressed and sent: nothing waits for
//! a block to be full.

use std::task::Poll;

use bytes::Bytes;
use datafusion::error::DataFusionError;
use flate2::{Compress, Compression, Crc, FlushCompress};
use futures::stream::{BoxStream, Fuse};
use futures::{Stream, StreamExt, TryStreamExt, poll, stream};

use crate::Error;
use crate::format::in_order::{at_once, started};

/// An error of any body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A block of this size is compressed well: deflate looks back over 32 KiB.
const BLOCK_BYTES: usize = 128 * 1024;

/// The fastest level with codes made for the data: the one below has fixed codes, by which base64
/// does not get shorter.
const LEVEL: u32 = 2;

/// The header: deflate, no name, no time, any system.
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Compresses a stream of chunks into one member. An error breaks it off.
pub fn compressed<S, E>(chunks: S) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let chunks = chunks.map_err(Into::into).boxed().fuse();
    let blocks = Blocks { chunks, rest: Bytes::new(), failed: None };
    let blocks = stream::unfold(blocks, |mut blocks| async move {
        let block = blocks.next().await?;
        Some((block, blocks))
    });
    let deflated = blocks.map(|block| {
        let work = block.map(|block| started(async move { Deflated::new(&block) }));
        async move { Ok::<_, BoxError>(work?.await?) }
    });
    let member =
        Member { blocks: deflated.buffered(at_once()).boxed(), crc: Crc::new(), state: State::New };
    stream::unfold(member, |mut member| async move {
        let bytes = member.next().await?;
        Some((bytes, member))
    })
}

/// Chunks, put together to blocks and cut.
struct Blocks {
    chunks: Fuse<BoxStream<'static, Result<Bytes, BoxError>>>,
    rest: Bytes,
    failed: Option<BoxError>,
}

impl Blocks {
    /// What is there, up to the size of a block; waits where nothing is.
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        while self.rest.len() < BLOCK_BYTES && self.failed.is_none() {
            let next = self.chunks.next();
            let chunk = if self.rest.is_empty() {
                next.await
            } else {
                match poll!(next) {
                    Poll::Ready(chunk) => chunk,
                    Poll::Pending => break,
                }
            };
            match chunk {
                Some(Ok(chunk)) if self.rest.is_empty() => self.rest = chunk,
                Some(Ok(chunk)) => self.rest = [&self.rest[..], &chunk[..]].concat().into(),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
        }
        if self.rest.is_empty() {
            return self.failed.take().map(Err);
        }
        let length = self.rest.len();
        let block = if length < 2 * BLOCK_BYTES { length } else { BLOCK_BYTES };
        Some(Ok(self.rest.split_to(block)))
    }
}

/// A block by itself.
struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Deflated {
    fn new(block: &[u8]) -> Result<Self, Error> {
        let mut crc = Crc::new();
        crc.update(block);
        let mut deflate = Compress::new(Compression::new(LEVEL), false);
        let mut bytes = Vec::with_capacity(block.len() / 2 + 1024);
        let mut rest = block;
        // It is complete when it leaves room in the output.
        loop {
            let before = deflate.total_in();
            deflate
                .compress_vec(rest, &mut bytes, FlushCompress::Sync)
                .map_err(|error| Error::Execution(DataFusionError::External(Box::new(error))))?;
            let read = usize::try_from(deflate.total_in() - before).unwrap_or(rest.len());
            rest = &rest[read..];
            if rest.is_empty() && bytes.len() < bytes.capacity() {
                return Ok(Self { bytes, crc });
            }
            bytes.reserve(rest.len() / 2 + 1024);
        }
    }
}

/// The one member of the file.
struct Member {
    blocks: BoxStream<'static, Result<Deflated, BoxError>>,
    crc: Crc,
    state: State,
}

enum State {
    New,
    Begun,
    Ended,
}

impl Member {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        let mut out = match self.state {
            State::New => HEADER.to_vec(),
            State::Begun => Vec::new(),
            State::Ended => return None,
        };
        self.state = State::Begun;
        match self.blocks.next().await {
            Some(Ok(Deflated { bytes, crc })) => {
                self.crc.combine(&crc);
                out.extend_from_slice(&bytes);
            }
            Some(Err(error)) => {
                self.state = State::Ended;
                return Some(Err(error));
            }
            None => {
                self.state = State::Ended;
                out.extend_from_slice(&LAST_BLOCK);
                out.extend_from_slice(&self.crc.sum().to_le_bytes());
                out.extend_from_slice(&self.crc.amount().to_le_bytes());
            }
        }
        Some(Ok(out.into()))
    }
}

//! Checksums of a tile: CRC-32 of each block of 64 KiB, so that a read verifies what it returns and
//! no more.
//!
//! They are computed while a tile is copied and lie beside it in a file of their own, which has a
//! checksum too. They find what disks do to bytes; they are no protection against an adversary.

use crc32fast::Hasher;

/// Bytes of a block; the last one of a file is shorter.
pub const BLOCK_BYTES: u64 = 64 * 1024;

/// What a file with sums begins with, its version in the last byte.
const MAGIC: [u8; 8] = *b"ARMSUMS\x01";

/// Magic, size and checksum of the whole file.
const HEAD_BYTES: usize = MAGIC.len() + 8 + 4;

/// The sums of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    bytes: u64,
    whole: u32,
    blocks: Vec<u32>,
}

impl Sums {
    /// The size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An entity tag that two files share only if they hold the same.
    pub fn etag(&self) -> String {
        format!("\"armilla-{:x}-{:08x}\"", self.bytes, self.whole)
    }

    /// The first block of `data` that is not as it was; `data` begins with the block `first` and
    /// ends with a block.
    pub fn damaged(&self, first: u64, data: &[u8]) -> Option<u64> {
        let size = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        (first..).zip(data.chunks(size)).find_map(|(block, bytes)| {
            let right = usize::try_from(block).ok().and_then(|at| self.blocks.get(at));
            (right != Some(&crc32fast::hash(bytes))).then_some(block)
        })
    }

    /// As many bytes of memory as it takes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + size_of_val(self.blocks.as_slice())
    }

    /// The content of a file with these sums.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEAD_BYTES + 4 * (self.blocks.len() + 1));
        file.extend(MAGIC);
        file.extend(self.bytes.to_le_bytes());
        file.extend(self.whole.to_le_bytes());
        for block in &self.blocks {
            file.extend(block.to_le_bytes());
        }
        file.extend(crc32fast::hash(&file).to_le_bytes());
        file
    }

    /// Reads what [`Self::encode`] wrote; none if it is not exactly that.
    pub fn decode(file: &[u8]) -> Option<Self> {
        let (content, own) = file.split_last_chunk::<4>()?;
        let (head, blocks) = content.split_at_checked(HEAD_BYTES)?;
        let head = head.strip_prefix(&MAGIC)?;
        let (bytes, whole) = head.split_first_chunk::<8>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*own) {
            return None;
        }
        let sums = Self {
            bytes: u64::from_le_bytes(*bytes),
            whole: u32::from_le_bytes(whole.try_into().ok()?),
            blocks: blocks.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect(),
        };
        (sums.blocks.len() as u64 == sums.bytes.div_ceil(BLOCK_BYTES)).then_some(sums)
    }
}

/// Computes sums while the bytes of a file pass by.
#[derive(Debug, Default)]
pub struct Summing {
    bytes: u64,
    whole: Hasher,
    /// The block that is not full yet, and how much is in it.
    block: Hasher,
    filled: u64,
    blocks: Vec<u32>,
}

impl Summing {
    /// Takes the next bytes.
    pub fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = usize::try_from(BLOCK_BYTES - self.filled).unwrap_or(usize::MAX);
            let (now, later) = data.split_at(room.min(data.len()));
            self.block.update(now);
            self.filled += now.len() as u64;
            if self.filled == BLOCK_BYTES {
                self.end_block();
            }
            data = later;
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.whole.combine(&block);
        self.blocks.push(block.finalize());
        self.bytes += std::mem::take(&mut self.filled);
    }

    /// The sums of all bytes that passed.
    pub fn finish(mut self) -> Sums {
        if self.filled > 0 {
            self.end_block();
        }
        Sums { bytes: self.bytes, whole: self.whole.finalize(), blocks: self.blocks }
    }
}

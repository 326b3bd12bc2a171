//! Checksums of pages: CRC-32 of each page's bytes as they are stored (Parquet format, "Checksumming").
//!
//! The Parquet reader verifies them only as a feature of the whole build, for every read of every
//! query. Here the headers of pages are walked through, which are structs of Thrift's compact
//! protocol, and of which three numbers count.

use flate2::Crc;

/// A page whose bytes are not those that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DamagedPage {
    /// Its number in the column chunk, from 0, dictionaries counted.
    pub(super) page: usize,
    /// The checksum that its header states.
    pub(super) stated: u32,
    /// The one that its bytes have.
    pub(super) computed: u32,
}

/// The sizes and the checksum that the header of a page states.
#[derive(Debug, Default)]
struct Header {
    compressed: Option<u64>,
    checksum: Option<u32>,
}

/// Types of fields in Thrift's compact protocol.
mod thrift {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Structs within structs of a page header are not deeper.
const DEPTH_MAX: usize = 8;
/// Field of the size of the page as it is stored.
const COMPRESSED_PAGE_SIZE: i64 = 3;
/// Field of the checksum.
const CRC: i64 = 4;

/// The pages of a column chunk whose checksums are wrong; none where it has none. It ends early
/// where a header is none, which decoding will tell.
pub(super) fn damaged(chunk: &[u8]) -> Vec<DamagedPage> {
    let mut found = Vec::new();
    let mut rest = chunk;
    let mut page = 0;
    while !rest.is_empty() {
        let mut reader = Reader(rest);
        let Some(header) = reader.header() else { break };
        let size = header.compressed.and_then(|size| usize::try_from(size).ok());
        let Some((bytes, after)) = size.and_then(|size| reader.0.split_at_checked(size)) else {
            break;
        };
        if let Some(stated) = header.checksum {
            let mut crc = Crc::new();
            crc.update(bytes);
            let computed = crc.sum();
            if computed != stated {
                found.push(DamagedPage { page, stated, computed });
            }
        }
        rest = after;
        page += 1;
    }
    found
}

/// What is left of a struct.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn header(&mut self) -> Option<Header> {
        let mut header = Header::default();
        let mut field = 0;
        loop {
            let (number, data_type) = self.field(field)?;
            field = number;
            match (number, data_type) {
                (_, thrift::STOP) => return Some(header),
                (COMPRESSED_PAGE_SIZE, thrift::I32) => {
                    header.compressed = Some(u64::try_from(self.number()?).ok()?);
                }
                (CRC, thrift::I32) => {
                    header.checksum = Some(i32::try_from(self.number()?).ok()?.cast_unsigned());
                }
                (_, data_type) => self.skip(data_type, 0)?,
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number, zigzag.
    fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// The number and type of the field after one.
    fn field(&mut self, before: i64) -> Option<(i64, u8)> {
        let byte = self.byte()?;
        let (step, data_type) = (byte >> 4, byte & 0x0f);
        if data_type == thrift::STOP {
            return Some((before, data_type));
        }
        let number = if step == 0 { self.number()? } else { before + i64::from(step) };
        Some((number, data_type))
    }

    fn skip(&mut self, data_type: u8, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match data_type {
            thrift::TRUE | thrift::FALSE => {}
            thrift::BYTE => drop(self.byte()?),
            thrift::I16 | thrift::I32 | thrift::I64 => drop(self.varint()?),
            thrift::DOUBLE => self.0 = self.0.get(8..)?,
            thrift::BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.0 = self.0.get(length..)?;
            }
            thrift::LIST | thrift::SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    few => u64::from(few),
                };
                for _ in 0..count {
                    match head & 0x0f {
                        // In a list, unlike in a struct, a boolean takes a byte.
                        thrift::TRUE | thrift::FALSE => drop(self.byte()?),
                        element => self.skip(element, depth + 1)?,
                    }
                }
            }
            thrift::STRUCT => {
                let mut field = 0;
                loop {
                    let (number, data_type) = self.field(field)?;
                    if data_type == thrift::STOP {
                        break;
                    }
                    field = number;
                    self.skip(data_type, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

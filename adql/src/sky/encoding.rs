//! Regions, covers and region tests as bytes, for literals in plans that travel to workers.
//!
//! Little-endian; the first byte is the version of this layout. Only the degrees that make a
//! region are written, so that what is read back is equal.

use std::ops::Range as Indices;

use super::circle::Circle;
use super::cover::Cover;
use super::coverage::Coverage;
use super::error::RegionError;
use super::polygon::Polygon;
use super::position::Position;
use super::range::Range;
use super::region::Region;
use super::region_test::RegionTest;

const VERSION: u8 = 1;

const POINT: u8 = 0;
const CIRCLE: u8 = 1;
const OPEN_CIRCLE: u8 = 2;
const POLYGON: u8 = 3;
const RANGE: u8 = 4;
const MOC: u8 = 5;
const UNION: u8 = 6;

/// What is left to read.
struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], what: &'static str) -> Result<Self, RegionError> {
        let mut reader = Self { bytes, what };
        let [version] = reader.array()?;
        if version == VERSION { Ok(reader) } else { Err(reader.error("its version is unknown")) }
    }

    fn error(&self, reason: &'static str) -> RegionError {
        RegionError::Encoding { what: self.what, reason }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RegionError> {
        let short = self.error("it is cut short");
        let (head, tail) = self.bytes.split_first_chunk().ok_or(short)?;
        self.bytes = tail;
        Ok(*head)
    }

    fn float(&mut self) -> Result<f64, RegionError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A count of items that take `size` bytes each, no more than there are bytes for.
    fn count(&mut self, size: usize) -> Result<usize, RegionError> {
        let count = usize::try_from(u32::from_le_bytes(self.array()?)).unwrap_or(usize::MAX);
        if count > self.bytes.len() / size {
            return Err(self.error("it is cut short"));
        }
        Ok(count)
    }

    fn position(&mut self) -> Result<Position, RegionError> {
        let (lon, lat) = (self.float()?, self.float()?);
        Position::from_degrees(lon, lat).ok_or_else(|| self.error("it has no such place"))
    }

    fn region(&mut self, in_union: bool) -> Result<Region, RegionError> {
        let [tag] = self.array()?;
        Ok(match tag {
            POINT => self.position()?.into(),
            CIRCLE | OPEN_CIRCLE => {
                Circle::build(self.position()?, self.float()?, tag == CIRCLE)?.into()
            }
            POLYGON => {
                let count = self.count(16)?;
                let vertices = (0..count).map(|_| self.position()).collect::<Result<_, _>>()?;
                Polygon::assemble(vertices)?.into()
            }
            RANGE => Range::new(self.float()?, self.float()?, self.float()?, self.float()?)?.into(),
            MOC => Region::Moc(Coverage::from_ranges(self.ranges()?)),
            UNION if !in_union => {
                let count = self.count(1)?;
                Region::Union((0..count).map(|_| self.region(true)).collect::<Result<_, _>>()?)
            }
            _ => return Err(self.error("its kind of region is unknown")),
        })
    }

    fn ranges(&mut self) -> Result<Vec<Indices<u64>>, RegionError> {
        let count = self.count(16)?;
        let mut ranges: Vec<Indices<u64>> = Vec::with_capacity(count);
        for _ in 0..count {
            let start = u64::from_le_bytes(self.array()?);
            let end = u64::from_le_bytes(self.array()?);
            if start >= end || ranges.last().is_some_and(|last| start <= last.end) {
                return Err(self.error("its ranges are not in order"));
            }
            ranges.push(start..end);
        }
        Ok(ranges)
    }

    fn cover(&mut self) -> Result<Cover, RegionError> {
        let (inner, edge) = (self.ranges()?, self.ranges()?);
        Ok(Cover::from_parts(inner, edge))
    }

    fn finish<T>(self, value: T) -> Result<T, RegionError> {
        if self.bytes.is_empty() { Ok(value) } else { Err(self.error("it has bytes to spare")) }
    }
}

fn write_count(count: usize, bytes: &mut Vec<u8>) {
    // No region or cover has 2^32 items: vertices and edge cells are limited far below.
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    bytes.extend(count.to_le_bytes());
}

fn write_floats<const N: usize>(floats: [f64; N], bytes: &mut Vec<u8>) {
    bytes.extend(floats.into_iter().flat_map(f64::to_le_bytes));
}

fn write_position(position: &Position, bytes: &mut Vec<u8>) {
    write_floats([position.lon_deg(), position.lat_deg()], bytes);
}

fn write_region(region: &Region, bytes: &mut Vec<u8>) {
    match region {
        Region::Point(point) => {
            bytes.push(POINT);
            write_position(point, bytes);
        }
        Region::Circle(circle) => {
            bytes.push(if circle.is_closed() { CIRCLE } else { OPEN_CIRCLE });
            write_position(&circle.center(), bytes);
            write_floats([circle.radius().degrees()], bytes);
        }
        Region::Polygon(polygon) => {
            bytes.push(POLYGON);
            write_count(polygon.vertices().len(), bytes);
            for vertex in polygon.vertices() {
                write_position(vertex, bytes);
            }
        }
        Region::Range(range) => {
            bytes.push(RANGE);
            let ((west, east), (south, north)) = (range.longitudes(), range.latitudes());
            write_floats([west, east, south, north], bytes);
        }
        Region::Moc(moc) => {
            bytes.push(MOC);
            write_ranges(moc.ranges(), bytes);
        }
        Region::Union(parts) => {
            bytes.push(UNION);
            write_count(parts.len(), bytes);
            parts.iter().for_each(|part| write_region(part, bytes));
        }
    }
}

fn write_ranges(ranges: &[Indices<u64>], bytes: &mut Vec<u8>) {
    write_count(ranges.len(), bytes);
    for range in ranges {
        bytes.extend(range.start.to_le_bytes());
        bytes.extend(range.end.to_le_bytes());
    }
}

fn write_cover(cover: &Cover, bytes: &mut Vec<u8>) {
    for ranges in [cover.inner(), cover.edge()] {
        write_ranges(ranges, bytes);
    }
}

impl Region {
    /// Writes it as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_region(self, &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RegionError> {
        let mut reader = Reader::new(bytes, "region")?;
        let region = reader.region(false)?;
        reader.finish(region)
    }
}

impl Cover {
    /// Writes it as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_cover(self, &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RegionError> {
        let mut reader = Reader::new(bytes, "cover")?;
        let cover = reader.cover()?;
        reader.finish(cover)
    }
}

impl RegionTest {
    /// Writes it as bytes: the literal of `in_region`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_region(self.region(), &mut bytes);
        write_cover(self.cover(), &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RegionError> {
        let mut reader = Reader::new(bytes, "region test")?;
        let (region, cover) = (reader.region(false)?, reader.cover()?);
        reader.finish(Self::from_parts(region, cover))
    }
}

//! Pieces of the sky over which joins of tables that are tiled alike are cut: a pure function of
//! the tiles.
//!
//! No tile of any of the tables reaches over the border of a piece. A coarse tile of one table
//! holds together the fine tiles of another over which it lies, and a piece is a run of such
//! groups on one slot.

use std::ops::Range;

use adql::sky::Pixel;

/// A file of one of the tables that are joined.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which scan reads it.
    pub scan: usize,
    /// Its place in the list of the scan's files.
    pub file: usize,
    /// The pixel of its tile.
    pub pixel: Pixel,
    /// What is read of it at most.
    pub bytes: u64,
    /// The slot that reads its tile.
    pub slot: usize,
}

/// A piece of the sky: the files of each scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The slot that joins it.
    pub slot: usize,
    /// The files of each scan, as places in its list.
    pub files: Vec<Vec<usize>>,
}

/// How pieces are cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// How many scans there are.
    pub scans: usize,
    /// Pieces over which some scan has nothing have no answer.
    pub all_meet: bool,
    /// A piece that has so many bytes is not made larger.
    pub bytes: u64,
}

/// The tiles that hang together, and what they take.
struct Group {
    range: Range<u64>,
    parts: Vec<Part>,
    bytes: u64,
}

/// Cuts the files of some scans into pieces, along the sky.
pub fn cut(mut parts: Vec<Part>, how: Cut) -> Vec<Unit> {
    parts.sort_by_key(|part| (part.pixel.range().start, part.scan, part.file));
    let mut groups: Vec<Group> = Vec::new();
    for part in parts {
        let range = part.pixel.range();
        match groups.last_mut().filter(|group| range.start < group.range.end) {
            Some(group) => {
                group.range.end = group.range.end.max(range.end);
                group.bytes += part.bytes;
                group.parts.push(part);
            }
            None => groups.push(Group { range, bytes: part.bytes, parts: vec![part] }),
        }
    }
    if how.all_meet {
        groups.retain(|group| {
            (0..how.scans).all(|scan| group.parts.iter().any(|part| part.scan == scan))
        });
    }
    let mut units: Vec<Unit> = Vec::new();
    let mut filled = 0;
    for group in groups {
        // The first tile says where: a coarse one is read by the reader of its first cell.
        let slot = group.parts[0].slot;
        let fits = units.last().is_some_and(|unit| unit.slot == slot) && filled < how.bytes;
        if !fits {
            units.push(Unit { slot, files: vec![Vec::new(); how.scans] });
            filled = 0;
        }
        filled += group.bytes;
        if let Some(unit) = units.last_mut() {
            for part in group.parts {
                unit.files[part.scan].push(part.file);
            }
        }
    }
    units
}

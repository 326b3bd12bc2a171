//! Pieces of the sky over which joins of tables that are tiled alike are cut: a pure function of
//! the tiles.
//!
//! No tile of any of the tables reaches over the border of a piece. A coarse tile of one table
//! holds together the fine tiles of another over which it lies, and a piece is a run of such
//! groups on one slot.

use std::ops::Range;

use adql::sky::Pixel;

/// A file of one of the tables that are joined, or what it has of some pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which scan reads it.
    pub scan: usize,
    /// Its place in the list of the scan's files.
    pub file: usize,
    /// The pixel of its tile, or that one.
    pub pixel: Pixel,
    /// What is read of it at most.
    pub bytes: u64,
    /// The slot that reads it.
    pub slot: usize,
}

/// A piece of the sky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The slot that joins it.
    pub slot: usize,
    /// What it has of each scan, along the sky.
    pub parts: Vec<Vec<Part>>,
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

/// Cuts the files of some scans into pieces, along the sky; none where a piece would need files of
/// more than one slot.
pub fn cut(mut parts: Vec<Part>, how: Cut) -> Option<Vec<Unit>> {
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
    let has_all =
        |group: &Group| (0..how.scans).all(|scan| group.parts.iter().any(|part| part.scan == scan));
    if how.all_meet {
        groups.retain(has_all);
    }
    let mut units: Vec<Unit> = Vec::new();
    let mut filled = 0;
    for group in groups {
        let slot = group.parts[0].slot;
        if group.parts.iter().any(|part| part.slot != slot) {
            units.extend(divided(&group, how)?);
            filled = how.bytes;
            continue;
        }
        let fits = units.last().is_some_and(|unit| unit.slot == slot) && filled < how.bytes;
        if !fits {
            units.push(Unit::empty(slot, how.scans));
            filled = 0;
        }
        filled += group.bytes;
        if let Some(unit) = units.last_mut() {
            for part in &group.parts {
                unit.parts[part.scan].push(*part);
            }
        }
    }
    Some(units)
}

impl Unit {
    fn empty(slot: usize, scans: usize) -> Self {
        Self { slot, parts: vec![Vec::new(); scans] }
    }
}

/// A group over the border between slots, a piece for each of them. A coarse tile is held by all of
/// them and read by each for the fine tiles that it has of one scan, so that a row of the answer,
/// which has one of these, is found once. Rows without a partner would be found more often.
fn divided(group: &Group, how: Cut) -> Option<Vec<Unit>> {
    if !how.all_meet {
        return None;
    }
    let count = |scan: &usize| group.parts.iter().filter(|part| part.scan == *scan).count();
    let finest = (0..how.scans).max_by_key(count)?;
    let (fine, others): (Vec<&Part>, Vec<&Part>) =
        group.parts.iter().partition(|part| part.scan == finest);
    let mut units: Vec<Unit> = Vec::new();
    for part in fine {
        let at = units.iter().position(|unit| unit.slot == part.slot).unwrap_or_else(|| {
            units.push(Unit::empty(part.slot, how.scans));
            units.len() - 1
        });
        let parts = &mut units[at].parts;
        parts[finest].push(*part);
        let own = part.pixel.range();
        for other in &others {
            let range = other.pixel.range();
            if range.end <= own.start || own.end <= range.start {
                continue;
            }
            let holds_it = range.start <= own.start && own.end <= range.end;
            if !holds_it && other.slot != part.slot {
                return None;
            }
            if !parts[other.scan].contains(other) {
                parts[other.scan].push(**other);
            }
        }
    }
    Some(units)
}

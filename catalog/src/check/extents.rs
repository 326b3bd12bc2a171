//! Which row groups of a table may hold rows of a range of the spatial index.

use std::collections::BTreeSet;
use std::ops::Range;

use super::rows::FileFacts;

/// A row group: the number of its file, and its own.
pub(super) type GroupNumber = (usize, usize);

/// Row groups by what they hold, as was found by reading them.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// Least and largest spatial index, ascending by the least.
    groups: Vec<(u64, u64, GroupNumber)>,
    /// The largest of this and all groups before.
    largest: Vec<u64>,
}

impl Extents {
    /// Of the files of a table; a row group of which not all is known may hold anything.
    pub(super) fn new(facts: &[Option<FileFacts>]) -> Self {
        let mut groups = Vec::new();
        for (file, facts) in facts.iter().enumerate() {
            for (group, extent) in facts.iter().flat_map(|facts| &facts.groups).enumerate() {
                let (low, high) = extent.unwrap_or((0, u64::MAX));
                groups.push((low, high, (file, group)));
            }
        }
        groups.sort_unstable();
        let largest = groups
            .iter()
            .scan(0, |largest: &mut u64, (_, high, _)| {
                *largest = (*largest).max(*high);
                Some(*largest)
            })
            .collect();
        Self { groups, largest }
    }

    /// Adds the row groups that may hold rows of a range.
    pub(super) fn touch(&self, range: &Range<u64>, touched: &mut BTreeSet<GroupNumber>) {
        let end = self.groups.partition_point(|(low, _, _)| *low < range.end);
        for at in (0..end).rev().take_while(|at| self.largest[*at] >= range.start) {
            let (_, high, number) = self.groups[at];
            if high >= range.start {
                touched.insert(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Extents, FileFacts};

    #[test]
    fn groups_are_found_by_what_they_hold() {
        let facts =
            |groups: &[Option<(u64, u64)>]| Some(FileFacts { rows: 0, groups: groups.to_vec() });
        let extents = Extents::new(&[
            facts(&[Some((0, 9)), Some((10, 19))]),
            None,
            facts(&[Some((5, 50)), Some((60, 60))]),
        ]);
        let touched = |range| {
            let mut touched = BTreeSet::new();
            extents.touch(&range, &mut touched);
            touched.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(touched(0..1), [(0, 0)]);
        assert_eq!(touched(9..11), [(0, 0), (0, 1), (2, 0)]);
        assert_eq!(touched(51..60), []);
        assert_eq!(touched(60..61), [(2, 1)]);
        let damaged = Extents::new(&[facts(&[None])]);
        let mut any = BTreeSet::new();
        damaged.touch(&(7..8), &mut any);
        assert_eq!(any.len(), 1);
    }
}

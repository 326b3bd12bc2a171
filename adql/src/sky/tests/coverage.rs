//! Set operations of coverages against sets of pixels.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const CELLS: u64 = 96;
const CELL: u64 = (12 << 58) / CELLS;

fn cells() -> impl Strategy<Value = BTreeSet<u64>> {
    proptest::collection::btree_set(0..CELLS, 0..60)
}

fn coverage(cells: &BTreeSet<u64>) -> Coverage {
    Coverage::from_ranges(cells.iter().rev().map(|c| c * CELL..(c + 1) * CELL))
}

proptest! {
    #[test]
    fn coverages_are_sets(a in cells(), b in cells()) {
        let (x, y) = (coverage(&a), coverage(&b));
        prop_assert_eq!(x.union(&y), coverage(&a.union(&b).copied().collect()));
        prop_assert_eq!(x.intersection(&y), coverage(&a.intersection(&b).copied().collect()));
        let rest: BTreeSet<u64> = (0..CELLS).filter(|c| !a.contains(c)).collect();
        prop_assert_eq!(x.complement(), coverage(&rest));
        prop_assert!((x.sky_fraction() - a.len() as f64 / CELLS as f64).abs() < 1e-12);
        prop_assert_eq!(x.is_empty(), a.is_empty());
        for cell in 0..CELLS {
            for index in [cell * CELL, (cell + 1) * CELL - 1] {
                prop_assert_eq!(x.contains(index), a.contains(&cell));
            }
        }
    }

    #[test]
    fn ranges_are_sorted_and_apart(a in cells()) {
        let x = coverage(&a);
        prop_assert!(x.ranges().iter().all(|r| r.start < r.end));
        prop_assert!(x.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
        let hull = a.first().map(|first| first * CELL..(a.last().unwrap() + 1) * CELL);
        prop_assert_eq!(x.hull(), hull);
    }

    #[test]
    fn overlaps_is_an_intersection(a in cells(), start in 0..CELLS, length in 0..9_u64) {
        let x = coverage(&a);
        let expected = (start..start + length).any(|cell| a.contains(&cell));
        prop_assert_eq!(x.overlaps(&(start * CELL..(start + length) * CELL)), expected);
    }

    #[test]
    fn a_coarser_coverage_holds_the_finer(a in cells(), most in 0..20_usize) {
        let (x, y) = (coverage(&a), coverage(&a).coarsen(most));
        prop_assert_eq!(x.intersection(&y), x.clone());
        prop_assert!(y.ranges().len() <= most.max(1));
        prop_assert_eq!(x.hull(), y.hull());
        // What is added is not more than the smallest gaps.
        let mut gaps: Vec<u64> =
            x.ranges().windows(2).map(|pair| pair[1].start - pair[0].end).collect();
        gaps.sort_unstable();
        let excess = x.ranges().len().saturating_sub(most.max(1));
        let size = |c: &Coverage| c.ranges().iter().map(|r| r.end - r.start).sum::<u64>();
        prop_assert_eq!(size(&y) - size(&x), gaps[..excess].iter().sum::<u64>());
    }
}

#[test]
fn all_and_nothing() {
    assert_eq!(Coverage::all().complement(), Coverage::empty());
    assert_eq!(Coverage::empty().complement(), Coverage::all());
    assert_eq!(Coverage::all().sky_fraction(), 1.0);
    assert_eq!(Coverage::empty().hull(), None);
    let beyond = Coverage::from_ranges([0..u64::MAX, 7..7]);
    assert_eq!(beyond, Coverage::all());
    assert!(!beyond.contains(Order::MAX.pixels()));
}

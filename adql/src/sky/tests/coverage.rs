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

#[test]
fn cells_are_the_fewest_pixels() {
    let pixel = |order: u8, index| Pixel::new(Order::new(order).unwrap(), index).unwrap();
    let of = |cells: &[Pixel]| Coverage::from_ranges(cells.iter().map(|cell| cell.range()));
    assert_eq!(Coverage::all().cells(), Pixel::base().collect::<Vec<_>>());
    let cells = [pixel(29, 3), pixel(28, 1), pixel(1, 1), pixel(0, 11)];
    assert_eq!(of(&cells).cells(), cells);
    assert_eq!(of(&pixel(7, 1_000).children().unwrap()).cells(), [pixel(7, 1_000)]);
    let strewn = of(&[pixel(29, 70), pixel(20, 1_000_000)]);
    let coarse = strewn.at_order(Order::new(5).unwrap());
    assert_eq!(coarse.cells(), [pixel(5, 0), pixel(5, 1_000_000 >> 30)][..1]);
    assert_eq!(strewn.at_order(Order::MAX), strewn);
}

/// The example of MOC 2.0 §3.3.1, and its limits.
#[test]
fn mocs_are_written_as_the_standard_has_them() {
    let order = |order| Order::new(order).unwrap();
    let pixel = |order: u8, index| Pixel::new(Order::new(order).unwrap(), index).unwrap();
    let cells = [pixel(1, 1), pixel(1, 2), pixel(1, 4), pixel(2, 12), pixel(2, 14), pixel(2, 21)];
    let moc = Coverage::from_ranges(cells.iter().map(|cell| cell.range()));
    assert_eq!(moc.ascii(order(8)), "1/1-2 4 2/12 14 21 8/");
    assert_eq!(moc.ascii(order(2)), "1/1-2 4 2/12 14 21");
    assert_eq!(Coverage::empty().ascii(order(3)), "3/");
    assert_eq!(Coverage::all().ascii(order(0)), "0/0-11");
}

proptest! {
    #[test]
    fn cells_and_their_numbers_hold_all(cells in cells(), order in 0_u8..=29) {
        let coverage = coverage(&cells);
        let numbers: Vec<u64> = coverage.cells().into_iter().map(Pixel::uniq).collect();
        let read: Vec<Pixel> = numbers.iter().map(|n| Pixel::from_uniq(*n).unwrap()).collect();
        prop_assert_eq!(Coverage::from_ranges(read.iter().map(|cell| cell.range())), coverage.clone());
        let wide = coverage.at_order(Order::new(order).unwrap());
        prop_assert_eq!(wide.intersection(&coverage), coverage);
        prop_assert!(wide.cells().iter().all(|cell| cell.order().get() <= order));
    }
}

#[test]
fn numbers_that_are_no_cells_are_none() {
    for number in [0, 3, u64::MAX] {
        assert_eq!(Pixel::from_uniq(number), None, "{number}");
    }
    assert_eq!(Pixel::from_uniq(4).map(|cell| cell.to_string()).as_deref(), Some("0/0"));
    assert_eq!(Pixel::from_uniq(15).map(|cell| cell.to_string()).as_deref(), Some("0/11"));
}

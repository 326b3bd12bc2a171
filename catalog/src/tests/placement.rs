//! Laws of placement, on small clusters and cells of all weights.

use std::collections::BTreeSet;

use adql::sky::{Order, Pixel};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof};
use proptest::prelude::{prop_assert_eq, proptest};

use super::placement_sums::{allowed, bytes_held, moved, share, workers};
use crate::Placement;
use crate::placement::StoredPlacement;

fn order(order: u8) -> Order {
    Order::new(order).unwrap()
}

/// Bytes of cells: alike, skewed, mostly empty, all in one, none.
fn bytes() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(1_000_000_u64..2_000_000, 192),
        prop::collection::vec(0_u64..1_000_000, 150..768),
        prop::collection::vec(prop_oneof![Just(0), Just(0), 1_u64..1 << 40], 768),
        (0_usize..192).prop_map(|cell| (0..192).map(|c| u64::from(c == cell) << 40).collect()),
        Just(Vec::new()),
        prop::collection::vec(prop_oneof![Just(u64::MAX), Just(0)], 48),
    ]
}

/// A worker that joins, or the one at a place (of those that are there) that leaves.
fn changes() -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec(prop::option::of(any::<usize>()), 0..5)
}

/// The same, with another order of the list.
fn rotated(workers: &[String], by: usize) -> Vec<String> {
    let mut rotated = workers.to_vec();
    rotated.rotate_left(by % workers.len());
    rotated.reverse();
    rotated
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn joins_and_leaves_keep_every_law(
        count in 1_usize..31,
        replicas in 1_usize..5,
        bytes in bytes(),
        changes in changes(),
    ) {
        let cells = order(if bytes.len() <= 192 { 2 } else { 3 });
        let mut members = workers(count);
        let mut placement = Placement::first(&members, replicas, cells, &bytes);
        prop_assert_eq!(placement.number(), 1);
        prop_assert_eq!(placement.workers(), members.as_slice());
        for (step, change) in changes.into_iter().enumerate() {
            let before = placement;
            match change.filter(|_| members.len() > 1) {
                None => members.push(format!("https://joined{step}:9001")),
                Some(at) => drop(members.remove(at % members.len())),
            }
            placement = before.next(&members, replicas, &bytes);
            prop_assert_eq!(placement.number(), before.number() + 1);
            prop_assert_eq!(&placement, &before.next(&rotated(&members, step), replicas, &bytes));
            let (total, moved) = (bytes_total(&bytes), moved(&before, &placement, &bytes));
            let heaviest = f64_of(bytes.iter().max().copied().unwrap_or(0).into());
            if members.len() > before.workers().len() {
                for moved in &moved {
                    let most = 1.2 * share(total, members.len()) + heaviest;
                    prop_assert!(*moved <= most, "{moved} of {total} moved, not {most}");
                }
            } else {
                let gone = before.workers().iter().position(|w| !members.contains(w)).unwrap();
                let held: f64 = bytes_held(&before, &bytes).iter().map(|layer| layer[gone]).sum();
                let moved: f64 = moved.iter().sum();
                let most = 1.25 * held + 2.0 * heaviest;
                prop_assert!(moved <= most, "{moved} moved for {held}, at most {most}");
            }
            let unchanged = placement.next(&rotated(&members, 1), replicas, &bytes);
            prop_assert_eq!(&unchanged, &placement);
        }
        check_laws(&placement, replicas, &bytes)?;
    }

    /// By brute force over the cells that a pixel holds or lies in.
    #[test]
    fn a_tile_is_held_where_its_cells_are(
        count in 1_usize..12,
        replicas in 1_usize..4,
        level in 0_u8..8,
        index in any::<u64>(),
    ) {
        let pixel = Pixel::new(order(level), index % order(level).pixels()).unwrap();
        let placement = Placement::first(&workers(count), replicas, order(2), &[]);
        let mut expected = Vec::new();
        for cell in (0..192).map(|cell| Pixel::new(order(2), cell).unwrap()) {
            if cell.contains(pixel) || pixel.contains(cell) {
                expected.extend(placement.holders(cell));
            }
        }
        let found = placement.holders(pixel);
        let first = Pixel::new(order(2), placement.cell(pixel)).unwrap();
        prop_assert!(found.starts_with(&placement.holders(first)));
        let distinct: BTreeSet<usize> = expected.into_iter().collect();
        prop_assert_eq!(found.len(), distinct.len());
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), distinct.clone());
        let holds: BTreeSet<usize> = (0..count).filter(|w| placement.holds(pixel, *w)).collect();
        prop_assert_eq!(holds, distinct);
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a test")]
fn f64_of(bytes: u128) -> f64 {
    bytes as f64
}

fn bytes_total(bytes: &[u64]) -> f64 {
    f64_of(bytes.iter().map(|bytes| u128::from(*bytes)).sum())
}

/// Holders of every cell are enough and distinct, layers are balanced, and what is stored is what
/// was.
fn check_laws(
    placement: &Placement,
    replicas: usize,
    bytes: &[u64],
) -> Result<(), proptest::test_runner::TestCaseError> {
    let count = placement.workers().len();
    for cell in 0..placement.order().pixels() {
        let holders = placement.holders(Pixel::new(placement.order(), cell).unwrap());
        prop_assert_eq!(holders.len(), replicas.min(count));
        prop_assert!(holders.iter().all(|holder| *holder < count));
        prop_assert_eq!(holders.iter().collect::<BTreeSet<_>>().len(), holders.len());
    }
    let mean = share(bytes_total(bytes), count);
    for (layer, held) in bytes_held(placement, bytes).into_iter().enumerate() {
        for held in held {
            let most = allowed(mean, bytes);
            prop_assert!((held - mean).abs() <= most, "layer {layer}: {held}, not {mean} ± {most}");
        }
    }
    let stored = StoredPlacement::from(placement);
    prop_assert_eq!(&Placement::try_from(stored).unwrap(), placement);
    Ok(())
}

#[test]
fn a_first_placement_gives_each_worker_one_run() {
    let placement = Placement::first(&workers(7), 3, order(3), &[5; 768]);
    let primaries: Vec<usize> =
        (0..768).map(|cell| placement.holders(Pixel::new(order(3), cell).unwrap())[0]).collect();
    assert!(primaries.is_sorted(), "{primaries:?}");
    assert_eq!(primaries.iter().collect::<BTreeSet<_>>().len(), 7);
}

#[test]
fn the_load_of_a_lost_worker_falls_on_many() {
    let placement = Placement::first(&workers(30), 2, order(4), &[7; 3072]);
    for lost in 0..30 {
        let mut heirs = vec![0; 30];
        for cell in 0..3072 {
            let holders = placement.holders(Pixel::new(order(4), cell).unwrap());
            if holders[0] == lost {
                heirs[holders[1]] += 1;
            }
        }
        let (most, all) = (*heirs.iter().max().unwrap(), heirs.iter().sum::<i32>());
        assert!(most * 8 <= all, "{lost}: {most} of {all} fall on one: {heirs:?}");
    }
}

#[test]
fn a_replica_becomes_primary_where_a_worker_leaves() {
    let members = workers(9);
    let before = Placement::first(&members, 2, order(4), &[7; 3072]);
    let after = before.next(&members[1..], 2, &[7; 3072]);
    let names = |placement: &Placement, cell| -> Vec<String> {
        let holders = placement.holders(Pixel::new(order(4), cell).unwrap());
        holders.into_iter().map(|holder| placement.workers()[holder].clone()).collect()
    };
    for cell in 0..3072 {
        assert!(names(&before, cell).contains(&names(&after, cell)[0]), "cell {cell}");
    }
}

#[test]
fn a_little_growth_moves_nothing_and_much_of_it_is_levelled() {
    let members = workers(5);
    let mut bytes = vec![1000; 768];
    let before = Placement::first(&members, 2, order(3), &bytes);
    bytes[..150].fill(1030);
    assert_eq!(before.next(&members, 2, &bytes), before);
    bytes[..150].fill(2000);
    let after = before.next(&members, 2, &bytes);
    assert_eq!(after.number(), 2);
    check_laws(&after, 2, &bytes).unwrap();
    // Half of what the first worker has is too much.
    assert!(moved(&before, &after, &bytes).iter().sum::<f64>() < 2.0 * 150.0 * 1000.0);
}

#[test]
fn replicas_can_be_added_and_taken_away() {
    let members = workers(6);
    let bytes = vec![1000; 768];
    let one = Placement::first(&members, 1, order(3), &bytes);
    let two = one.next(&members, 2, &bytes);
    assert_eq!((two.number(), two.replicas()), (2, 2));
    check_laws(&two, 2, &bytes).unwrap();
    let moved_to_two: f64 = moved(&one, &two, &bytes).iter().sum();
    assert!(moved_to_two <= 768_000.0, "{moved_to_two} bytes are copied, not one of each");
    let again = two.next(&members, 1, &bytes);
    assert_eq!(moved(&two, &again, &bytes), [0.0]);
}

#[test]
fn what_is_no_placement_is_refused() {
    let good = StoredPlacement::from(&Placement::first(&workers(3), 2, order(1), &[1; 48]));
    let refuse = |change: &dyn Fn(&mut StoredPlacement), reason: &str| {
        let mut stored = good.clone();
        change(&mut stored);
        let error = Placement::try_from(stored).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, not {reason}");
    };
    refuse(&|s| s.version = 2, "its version is 2");
    refuse(&|s| s.order = 30, "its order is 30");
    refuse(&|s| s.replicas = 0, "0 replicas");
    refuse(&|s| s.workers.clear(), "on the workers []");
    refuse(&|s| s.workers[1] = s.workers[0].clone(), "each worker once");
    refuse(&|s| s.runs.clear(), "no runs");
    refuse(&|s| s.runs[0].0 = 1, "starts at cell 1");
    refuse(&|s| s.runs.swap(1, 2), "ascend");
    refuse(&|s| s.runs.last_mut().unwrap().0 = 48, "starts at cell 48");
    refuse(&|s| s.runs[1].1 = vec![2, 2], "not 2 different ones");
    refuse(&|s| s.runs[1].1 = vec![0, 3], "not 2 different ones");
    refuse(&|s| s.runs[1].1 = vec![0, 1, 2], "not 2 different ones");
}

#[test]
fn more_workers_than_cells_are_idle() {
    let placement = Placement::first(&workers(20), 1, order(0), &[]);
    let held = bytes_held(&placement, &[1; 12]);
    assert!(held[0].iter().all(|cells| *cells <= 1.0), "{held:?}");
}

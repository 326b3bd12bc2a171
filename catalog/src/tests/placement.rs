//! Laws of placement.

use adql::sky::{Order, Pixel};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use crate::Placement;

fn workers(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("http://worker{i}:9001")).collect()
}

fn pixel() -> impl Strategy<Value = Pixel> {
    (0_u8..=29, any::<u64>()).prop_map(|(order, index)| {
        let order = Order::new(order).unwrap();
        Pixel::new(order, index % order.pixels()).unwrap()
    })
}

proptest! {
    /// Every cell has one owner, owners own one run each, and the runs are the sky.
    #[test]
    fn runs_partition_the_sky(
        count in 1_usize..40,
        order in 0_u8..5,
        bytes in prop::collection::vec(0_u64..1_000_000, 0..800),
    ) {
        let order = Order::new(order).unwrap();
        let placement = Placement::new(order, &workers(count), &bytes);
        let mut end = 0;
        for worker in 0..count {
            let cells = placement.cells(worker);
            prop_assert_eq!(cells.start, end);
            end = cells.end;
            for cell in cells {
                prop_assert_eq!(placement.owner(Pixel::new(order, cell).unwrap()), worker);
            }
        }
        prop_assert_eq!(end, order.pixels());
    }

    /// A pixel goes where its first cell goes, finer ones where the cell goes that holds them.
    #[test]
    fn a_pixel_follows_its_first_cell(pixel in pixel(), count in 1_usize..9) {
        let order = Order::new(3).unwrap();
        let placement = Placement::new(order, &workers(count), &[5; 768]);
        let owner = placement.owner(pixel);
        prop_assert!(placement.spatial_range(owner).contains(&pixel.range().start));
    }

    /// No worker has more than its share and one cell.
    #[test]
    fn runs_are_balanced_to_a_cell(
        count in 1_usize..20,
        bytes in prop::collection::vec(0_u64..1_000_000, 768),
    ) {
        let placement = Placement::new(Order::new(3).unwrap(), &workers(count), &bytes);
        let total: u64 = bytes.iter().sum();
        let heaviest = bytes.iter().max().copied().unwrap_or(0);
        for worker in 0..count {
            let cells = placement.cells(worker);
            let held: u64 = cells.map(|c| bytes[usize::try_from(c).unwrap()]).sum();
            // Empty cells weigh up to a hundredth of everything.
            prop_assert!(held <= total / count as u64 + heaviest + total / 50 + 1);
        }
    }
}

#[test]
fn one_worker_owns_everything_and_more_workers_than_cells_are_idle() {
    let order = Order::new(0).unwrap();
    let placement = Placement::new(order, &workers(1), &[]);
    assert_eq!(placement.cells(0), 0..12);
    let placement = Placement::new(order, &workers(20), &[]);
    let owned: Vec<u64> = (0..20).map(|w| placement.cells(w).count() as u64).collect();
    assert_eq!(owned.iter().sum::<u64>(), 12);
    assert!(owned.iter().all(|n| *n <= 1), "{owned:?}");
}

#[test]
fn data_in_one_cell_goes_to_one_worker_and_the_rest_of_the_sky_is_shared() {
    let mut bytes = vec![0; 48];
    bytes[17] = 1 << 40;
    let placement = Placement::new(Order::new(1).unwrap(), &workers(3), &bytes);
    let owner = placement.owner(Pixel::new(Order::new(1).unwrap(), 17).unwrap());
    assert!(placement.cells(owner).contains(&17));
    assert_eq!(placement.workers().len(), 3);
}

//! When a worker counts as up, complete or down.

use coordinator::cluster::health::{Failure, Health, Observed};
use worker::control::{CONTROL_VERSION, Held, Status};

/// The placement and the snapshot that the coordinator wants held.
const WANTED: (u64, u64) = (3, 77);

fn status(held: Option<(u64, u64, u64)>) -> Status {
    let held = held.map(|(placement, snapshot, files)| Held {
        placement,
        snapshot,
        files,
        files_total: 5,
        bytes: files * 10,
        bytes_total: 50,
    });
    Status {
        fallback: true,
        version: CONTROL_VERSION,
        release: "0.1.0".to_owned(),
        instance: "a".to_owned(),
        held,
        tasks: 0,
        memory_bytes: 0,
    }
}

fn heard(observed: &mut Observed, held: Option<(u64, u64, u64)>) -> bool {
    observed.heard(&status(held), WANTED.0, WANTED.1)
}

#[test]
fn an_answer_makes_a_worker_up_and_its_files_complete() {
    let mut observed = Observed::default();
    assert_eq!(observed.health(), Health::Unheard);
    assert!(heard(&mut observed, None), "it has no assignment and must be given one");
    assert_eq!(observed.health(), Health::Up { complete: false });
    assert!(!heard(&mut observed, Some((3, 77, 4))));
    assert_eq!(observed.health(), Health::Up { complete: false });
    assert!(!heard(&mut observed, Some((3, 77, 5))));
    assert_eq!(observed.health(), Health::Up { complete: true });
}

#[test]
fn another_placement_or_snapshot_is_not_the_wanted_one() {
    for other in [(2, 77, 5), (4, 77, 5), (3, 78, 5)] {
        let mut observed = Observed::default();
        assert!(heard(&mut observed, Some(other)), "{other:?} must be replaced");
        assert_eq!(observed.health(), Health::Up { complete: false }, "{other:?}");
    }
}

#[test]
fn a_worker_is_down_after_three_silences_or_two_refusals_in_a_row() {
    let fail = |failures: &[Failure]| {
        let mut observed = Observed::default();
        heard(&mut observed, Some((3, 77, 5)));
        for failure in failures {
            observed.failed(*failure);
        }
        observed.health()
    };
    let (up, down) = (Health::Up { complete: true }, Health::Down);
    let (silent, refused) = (Failure::Silent, Failure::Refused);
    assert_eq!(fail(&[silent, silent]), up);
    assert_eq!(fail(&[silent, silent, silent]), down);
    assert_eq!(fail(&[refused]), up);
    assert_eq!(fail(&[refused, refused]), down);
    assert_eq!(fail(&[refused, silent]), up);
    assert_eq!(fail(&[refused, silent, refused]), down, "three in a row without an answer");
}

#[test]
fn one_answer_brings_a_worker_back_and_forgets_the_failures() {
    let mut observed = Observed::default();
    for _ in 0..9 {
        observed.failed(Failure::Refused);
    }
    assert_eq!(observed.health(), Health::Down);
    heard(&mut observed, Some((3, 77, 5)));
    assert_eq!(observed.health(), Health::Up { complete: true });
    observed.failed(Failure::Silent);
    observed.failed(Failure::Silent);
    assert_eq!(observed.health(), Health::Up { complete: true });
}

//! When a worker counts as up or down.

use adql::sky::Order;
use catalog::Placement;
use catalog::placement::StoredPlacement;
use coordinator::cluster::health::{Failure, Health, Observed};
use worker::control::{AssignedFile, Assignment, CONTROL_VERSION};

/// What a worker is to hold depends on settings that no number counts.
#[test]
fn assignments_of_the_same_numbers_are_told_apart_by_what_is_to_be_held() {
    let assignment = |files: &[(&str, u64)]| {
        let urls = ["https://w1:9001/".to_owned(), "https://w2:9001/".to_owned()];
        let order = Order::new(2).unwrap();
        let files = files
            .iter()
            .map(|(path, bytes)| AssignedFile { path: (*path).to_owned(), bytes: *bytes });
        Assignment {
            version: CONTROL_VERSION,
            snapshot: 1,
            worker: 0,
            placement: StoredPlacement::from(&Placement::first(&urls, 2, order, &[1; 192])),
            files: files.collect(),
        }
    };
    let one = assignment(&[("s/t/a", 3), ("s/t/b", 4)]);
    let digest = |assignment: &Assignment| assignment.digest().unwrap();
    assert_eq!(digest(&one), digest(&assignment(&[("s/t/a", 3), ("s/t/b", 4)])));
    for other in [&[("s/t/a", 3)][..], &[("s/t/a", 3), ("s/t/b", 5)], &[("s/t/a", 3), ("s/t/c", 4)]]
    {
        assert_ne!(digest(&one), digest(&assignment(other)), "{other:?}");
    }
    let elsewhere = Assignment { worker: 1, ..one.clone() };
    assert_ne!(digest(&one), digest(&elsewhere));
}

#[test]
fn a_worker_is_down_after_three_silences_or_two_refusals_in_a_row() {
    let fail = |failures: &[Failure]| {
        let mut observed = Observed::default();
        observed.heard();
        for failure in failures {
            observed.failed(*failure);
        }
        observed.health()
    };
    let (up, down) = (Health::Up, Health::Down);
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
    assert_eq!(observed.health(), Health::Unheard);
    for _ in 0..9 {
        observed.failed(Failure::Refused);
    }
    assert_eq!(observed.health(), Health::Down);
    observed.heard();
    assert_eq!(observed.health(), Health::Up);
    observed.failed(Failure::Silent);
    observed.failed(Failure::Silent);
    assert_eq!(observed.health(), Health::Up);
}

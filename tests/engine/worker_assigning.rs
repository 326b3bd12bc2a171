//! Which assignment a worker is given while one snapshot takes the place of another, and of whose
//! files it is taken to have all. The worker here keeps to its side: it has the files of its
//! assignment and of the one before.

use std::sync::Arc;

use catalog::placement::StoredPlacement;
use coordinator::cluster::assigning::{Assigning, Given, Share};
use worker::control::{Assignment, CONTROL_VERSION, Held};

/// The assignment of a snapshot; its digest is its number.
fn given(snapshot: u32) -> Given {
    let placement = StoredPlacement {
        version: 1,
        number: 1,
        order: 1,
        replicas: 1,
        workers: vec!["http://w1:9001/".to_owned()],
        runs: vec![(0, vec![0])],
    };
    let assignment = Assignment {
        version: CONTROL_VERSION,
        snapshot: snapshot.into(),
        worker: 0,
        placement,
        files: Vec::new(),
    };
    Given { share: Arc::new(Share::new(snapshot)), assignment: Arc::new(assignment) }
}

/// What a worker says that follows an assignment and has copied all of it, or not.
fn held(digest: u32, is_complete: bool) -> Held {
    Held {
        placement: 1,
        snapshot: digest.into(),
        digest,
        files: u64::from(is_complete),
        files_total: 1,
        bytes: 0,
        bytes_total: 0,
    }
}

/// The snapshot whose assignment it is given then.
fn says(assigning: &mut Assigning, digest: u32, is_complete: bool) -> Option<u64> {
    assigning.heard(Some(&held(digest, is_complete))).map(|assignment| assignment.snapshot)
}

/// Offers an assignment that the worker copies at once, and serves it.
fn served(assigning: &mut Assigning, snapshot: u32) -> Arc<Share> {
    let given = given(snapshot);
    assigning.offer(given.clone());
    says(assigning, snapshot, true);
    assigning.serve(&given.share);
    given.share
}

#[test]
fn a_worker_is_given_what_is_offered_and_is_complete_when_it_says_so() {
    let mut assigning = Assigning::default();
    assert_eq!(says(&mut assigning, 9, true), None, "there is nothing to be held yet");
    let one = given(1);
    assigning.offer(one.clone());
    assert_eq!(assigning.heard(None).map(|a| a.snapshot), Some(1), "it has none");
    assert_eq!(says(&mut assigning, 9, true), Some(1), "it has another");
    assert!(!one.share.is_complete());
    assert_eq!(says(&mut assigning, 1, false), None);
    assert!(!one.share.is_complete() && !one.share.was_followed());
    assert_eq!(says(&mut assigning, 1, true), None);
    assert!(one.share.is_complete() && assigning.is_complete());
}

#[test]
fn a_worker_that_follows_what_is_offered_had_it_before() {
    let mut assigning = Assigning::default();
    let one = given(1);
    assigning.offer(one.clone());
    says(&mut assigning, 1, false);
    assert!(one.share.was_followed() && !one.share.is_complete());
}

#[test]
fn queries_on_the_former_snapshot_find_its_files_until_the_one_after_the_next_is_complete() {
    let mut assigning = Assigning::default();
    let one = served(&mut assigning, 1);
    let two = given(2);
    assigning.offer(two.clone());
    assert_eq!(says(&mut assigning, 1, true), Some(2));
    assert_eq!(says(&mut assigning, 2, false), None);
    assert!(one.is_complete() && !two.share.is_complete());
    says(&mut assigning, 2, true);
    assigning.serve(&two.share);
    assert_eq!(says(&mut assigning, 2, true), None);
    assert!(one.is_complete(), "it keeps the files of the assignment before");
    let three = given(3);
    assigning.offer(three.clone());
    assert_eq!(says(&mut assigning, 2, true), Some(3));
    says(&mut assigning, 3, false);
    assert!(one.is_complete(), "it removes nothing before it is complete");
    says(&mut assigning, 3, true);
    assert!(!one.is_complete() && two.share.is_complete());
}

/// The same assignment for two snapshots, of which only descriptions differ.
#[test]
fn an_assignment_that_is_given_twice_is_one() {
    let mut assigning = Assigning::default();
    let one = served(&mut assigning, 1);
    let again = given(1);
    assigning.offer(again.clone());
    assert_eq!(says(&mut assigning, 1, true), None);
    assert!(again.share.is_complete() && again.share.was_followed());
    assigning.serve(&again.share);
    let two = served(&mut assigning, 2);
    assert!(one.is_complete() && again.share.is_complete() && two.is_complete());
    served(&mut assigning, 3);
    assert!(!one.is_complete() && !again.share.is_complete() && two.is_complete());
}

#[test]
fn an_offer_that_was_never_served_is_taken_back_before_the_next() {
    let mut assigning = Assigning::default();
    let one = served(&mut assigning, 1);
    assigning.offer(given(2));
    assert_eq!(says(&mut assigning, 1, true), Some(2));
    assert_eq!(says(&mut assigning, 2, false), None);
    let three = given(3);
    assigning.offer(three.clone());
    // Else it would keep the files of the second, and remove those that are served.
    assert_eq!(says(&mut assigning, 2, false), Some(1));
    assert_eq!(says(&mut assigning, 1, true), Some(3));
    says(&mut assigning, 3, true);
    assert!(one.is_complete() && three.share.is_complete());
    assigning.serve(&given(3).share);
    assert_eq!(says(&mut assigning, 1, true), Some(3), "another share of it is not served");
}

#[test]
fn a_worker_that_lost_its_folder_has_nothing_of_any_snapshot() {
    let mut assigning = Assigning::default();
    let (one, two) = (served(&mut assigning, 1), served(&mut assigning, 2));
    assert!(one.is_complete() && two.is_complete());
    assert_eq!(assigning.heard(None).map(|a| a.snapshot), Some(2));
    assert!(!one.is_complete() && !two.is_complete());
}

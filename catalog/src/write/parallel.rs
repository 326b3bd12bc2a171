//! Numbered pieces of work on several threads, with the results in the order of the numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Error;

/// Does `count` pieces of work on so many threads. The first error stops the others, and the one
/// of the lowest number is told.
///
/// # Panics
/// When a piece of work panics.
pub(crate) fn run<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done = Mutex::new(Vec::with_capacity(count));
    let labor = || {
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let result = work(number);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(labor);
        }
        labor();
    });
    let mut results = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// What the pieces of [`in_order`] have made and nobody has taken.
struct Waiting<T> {
    /// The piece whose items are taken.
    head: usize,
    items: BTreeMap<usize, VecDeque<(T, usize)>>,
    ended: BTreeSet<usize>,
    bytes: usize,
    /// Nobody takes any more.
    stopped: bool,
}

struct Shared<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    bytes_max: usize,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, waiting: MutexGuard<'a, Waiting<T>>) -> MutexGuard<'a, Waiting<T>> {
        self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item when there is room; false where nobody takes it.
    fn put(&self, piece: usize, item: T, bytes: usize) -> bool {
        let mut waiting = self.lock();
        loop {
            if waiting.stopped {
                return false;
            }
            // Whoever takes waits for the head: it always has room for one.
            let is_wanted = piece == waiting.head && !waiting.items.contains_key(&piece);
            if is_wanted || waiting.bytes.saturating_add(bytes) <= self.bytes_max {
                break;
            }
            waiting = self.wait(waiting);
        }
        waiting.bytes += bytes;
        waiting.items.entry(piece).or_default().push_back((item, bytes));
        self.changed.notify_all();
        true
    }

    /// The next item in order; none after the last of `count` pieces.
    fn next(&self, count: usize) -> Option<T> {
        let mut waiting = self.lock();
        while waiting.head < count {
            let head = waiting.head;
            if let Some(items) = waiting.items.get_mut(&head) {
                let item = items.pop_front();
                if items.is_empty() {
                    waiting.items.remove(&head);
                }
                if let Some((item, bytes)) = item {
                    waiting.bytes -= bytes;
                    self.changed.notify_all();
                    return Some(item);
                }
            } else if waiting.ended.remove(&head) {
                waiting.head += 1;
                self.changed.notify_all();
            } else {
                waiting = self.wait(waiting);
            }
        }
        None
    }
}

/// Ends a piece, or everything, also where its thread panics.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Takes what `count` pieces make in the order of the pieces, while so many threads make it.
///
/// `make` gives each item and its bytes to a function that says whether to go on; items that wait
/// take at most `bytes_max`, but for one. The first error of `take` ends everything.
///
/// # Panics
/// When a piece of work panics.
pub(crate) fn in_order<T: Send, E>(
    count: usize,
    threads: usize,
    bytes_max: usize,
    make: impl Fn(usize, &mut dyn FnMut(T, usize) -> bool) + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let (items, ended) = (BTreeMap::new(), BTreeSet::new());
    let waiting = Waiting { head: 0, items, ended, bytes: 0, stopped: false };
    let shared = Shared { waiting: Mutex::new(waiting), changed: Condvar::new(), bytes_max };
    let next = AtomicUsize::new(0);
    let labor = || {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count || shared.lock().stopped {
                break;
            }
            let _ended = OnDrop(|| {
                shared.lock().ended.insert(piece);
                shared.changed.notify_all();
            });
            make(piece, &mut |item, bytes| shared.put(piece, item, bytes));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(labor);
        }
        let _stopped = OnDrop(|| {
            shared.lock().stopped = true;
            shared.changed.notify_all();
        });
        while let Some(item) = shared.next(count) {
            take(item)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::in_order;

    #[test]
    fn items_come_in_the_order_of_their_pieces_and_within_the_bound() {
        for (threads, bytes_max) in [(1, 0), (3, 0), (4, 5), (8, 1000)] {
            let (waiting, most) = (AtomicI64::new(0), AtomicI64::new(0));
            let mut taken = Vec::new();
            let make = |piece: usize, put: &mut dyn FnMut((usize, usize), usize) -> bool| {
                for item in 0..piece % 4 {
                    assert!(put((piece, item), 2));
                    let now = waiting.fetch_add(2, Ordering::SeqCst) + 2;
                    most.fetch_max(now, Ordering::SeqCst);
                }
            };
            let done: Result<(), ()> = in_order(50, threads, bytes_max, make, |item| {
                waiting.fetch_sub(2, Ordering::SeqCst);
                taken.push(item);
                Ok(())
            });
            assert_eq!(done, Ok(()));
            let expected: Vec<_> =
                (0..50).flat_map(|piece| (0..piece % 4).map(move |item| (piece, item))).collect();
            assert_eq!(taken, expected);
            // One that is wanted always has room, and one that was taken is subtracted late.
            let most = most.load(Ordering::SeqCst);
            assert!(most <= i64::try_from(bytes_max).unwrap() + 4, "{most} of {bytes_max}");
        }
    }

    #[test]
    fn an_error_ends_all_pieces() {
        let made = AtomicUsize::new(0);
        let make = |_: usize, put: &mut dyn FnMut(usize, usize) -> bool| {
            while put(made.fetch_add(1, Ordering::Relaxed), 1) {}
        };
        let mut taken = 0;
        let done = in_order(3, 2, 10, make, |_| {
            taken += 1;
            if taken < 100 { Ok(()) } else { Err("enough") }
        });
        assert_eq!(done, Err("enough"));
        assert!(made.load(Ordering::Relaxed) < 200);
    }
}

//! Independent pieces of work, run by whoever has threads. Verifying code links none: its caller may lend some.

use alloc::vec::Vec;

/// Runs independent pieces of work.
pub trait Tasks: Sync {
    /// Into how many pieces long work is worth cutting. No result depends on it.
    fn shares(&self) -> usize;

    /// Into how many shares work on so many elements is cut: the least share takes longer than handing it over.
    fn shares_of(&self, elements: usize) -> usize {
        const LEAST: usize = 1 << 12;
        self.shares().min(elements / LEAST).max(1)
    }

    /// `task(i)` for all `i` below `n`, in order.
    fn map<T: Send>(&self, n: usize, task: impl Fn(usize) -> T + Send + Sync) -> Vec<T>;

    /// Both tasks, which do not wait for each other.
    fn join<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        (a(), b())
    }
}

/// One piece after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn;

impl Tasks for InTurn {
    fn shares(&self) -> usize {
        1
    }

    fn map<T: Send>(&self, n: usize, task: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        (0..n).map(task).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// So many workers.
    struct Many(usize);

    impl Tasks for Many {
        fn shares(&self) -> usize {
            self.0
        }

        fn map<T: Send>(&self, n: usize, task: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
            InTurn.map(n, task)
        }
    }

    #[test]
    fn accepts_every_task_once_and_in_order() {
        for n in [0, 1, 2, 100] {
            assert_eq!(InTurn.map(n, |i| i), (0..n).collect::<Vec<_>>());
        }
        let (mut a, mut b) = (0, 0);
        assert_eq!(InTurn.join(|| a += 1, || b += 2), ((), ()));
        assert_eq!((a, b), (1, 2));
        assert_eq!(InTurn.join(|| 'a', || vec![1]), ('a', vec![1]));
    }

    #[test]
    fn accepts_at_least_one_share_and_no_short_ones() {
        let shares = |n: usize| Many(3).shares_of(n);
        assert_eq!([0, 1, 4095, 4096, 8191, 8192, 12_288, 1 << 30].map(shares), [1, 1, 1, 1, 1, 2, 3, 3]);
        assert_eq!(InTurn.shares_of(1 << 30), 1);
    }
}

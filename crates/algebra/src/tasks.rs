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

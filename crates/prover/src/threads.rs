//! The worker threads, lent to code that is shared with the verifier.

use proveil_algebra::Tasks;
use rayon::prelude::*;

/// Runs pieces of work on the present pool of worker threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Tasks for Threads {
    fn shares(&self) -> usize {
        rayon::current_num_threads()
    }

    fn map<T: Send>(&self, n: usize, task: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        (0..n).into_par_iter().map(task).collect()
    }

    fn join<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        rayon::join(a, b)
    }
}

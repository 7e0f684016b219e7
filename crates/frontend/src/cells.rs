//! Cells of constants. They may wait to be computed until something reads them: what is asked of shapes alone need not
//! decode a file's weights.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

type Work = Box<dyn FnOnce() -> Vec<f64> + Send>;

/// Computations that may wait for one another: each takes stack when it runs.
const MAX_DEPTH: u32 = 16;

/// Cells of a constant in row-major order; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    /// Computations that wait for one another until the cells are there; 0 if they were there from the start.
    depth: u32,
    data: Arc<LazyLock<Vec<f64>, Work>>,
}

impl Cells {
    /// Cells that are computed from others when they are first read. The work must not wait for other threads that
    /// may read the same cells.
    pub fn later(reads: &[&Self], work: impl FnOnce() -> Vec<f64> + Send + 'static) -> Self {
        let depth = 1 + reads.iter().map(|c| c.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return work().into();
        }
        Self { depth, data: Arc::new(LazyLock::new(Box::new(work))) }
    }

    /// Whether the cells were left for later.
    pub fn wait(&self) -> bool {
        self.depth > 0
    }
}

impl Default for Cells {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<f64>> for Cells {
    fn from(data: Vec<f64>) -> Self {
        let data = LazyLock::new(Box::new(move || data) as Work);
        LazyLock::force(&data);
        Self { depth: 0, data: Arc::new(data) }
    }
}

impl Deref for Cells {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn computes_once_and_only_what_is_read() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = |reads: &[&Cells], value: f64| {
            let runs = runs.clone();
            Cells::later(reads, move || {
                runs.fetch_add(1, Ordering::Relaxed);
                vec![value]
            })
        };
        let first = counted(&[], 2.0);
        let copy = first.clone();
        let _unread = counted(&[&first], 3.0);
        assert!(first.wait() && runs.load(Ordering::Relaxed) == 0);
        assert_eq!((&first[..], &copy[..]), (&[2.0][..], &[2.0][..]));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn long_chains_do_not_wait_whole() {
        let mut last = Cells::from(vec![0.0]);
        for _ in 0..1_000_000 {
            let before = last.clone();
            last = Cells::later(&[&last], move || vec![before[0] + 1.0]);
        }
        assert_eq!(last[0], 1e6);
    }
}

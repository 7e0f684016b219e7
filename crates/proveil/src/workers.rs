//! Work of many short parallel steps, run where handing on a step costs least.

use tracing::{Span, dispatcher};

/// Runs `work` on one of the worker threads, where it waits for parallel steps by taking part in them. A thread outside the
/// pool would hand over every step and sleep until it is done: half of the time of a short proof.
///
/// Spans go to the caller's subscriber, under its present span.
pub fn on_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    let (listener, span) = (dispatcher::get_default(Clone::clone), Span::current());
    rayon::scope(|_| dispatcher::with_default(&listener, || span.in_scope(work)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Measure, record};

    #[test]
    fn accepts_work_that_is_on_a_worker_and_keeps_its_spans() {
        let work = || tracing::info_span!("inner").in_scope(|| rayon::current_thread_index().is_some());
        let (inside, spans) = record(Measure::Time, || tracing::info_span!("outer").in_scope(|| on_workers(work)));
        assert!(inside);
        assert_eq!(spans.iter().map(|s| (s.name, s.depth)).collect::<Vec<_>>(), [("outer", 0), ("inner", 1)]);
        assert!(on_workers(|| on_workers(|| rayon::current_thread_index().is_some())));
    }
}

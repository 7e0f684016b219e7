//! Where time and memory go: a recorder of the `tracing` spans of this workspace, on the thread that it is installed on.
//!
//! Stages are spans of level `INFO` (`proveil_prover::STAGES`, `inference`, `verify`, those of compilation); what they
//! consist of are spans of level `DEBUG` inside them. Nothing is recorded unless [`record`] runs the work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What [`record`] takes down beside times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Times only: the cheapest.
    Time,
    /// Processor time and the peak of resident memory too, where the system tells them (Linux). Costs some tens of
    /// microseconds a span, so times are to be taken in another run.
    Usage,
}

/// One span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its name.
    pub name: &'static str,
    /// Index of the span around it.
    pub parent: Option<usize>,
    /// Spans around it.
    pub depth: usize,
    /// Whether it is a stage, as opposed to a part of one.
    pub stage: bool,
    /// Seconds from the start of the recording to its first entry.
    pub start: f64,
    /// Seconds inside.
    pub seconds: f64,
    /// Processor seconds of all threads while it was entered, theirs in other work included.
    pub cpu: Option<f64>,
    /// Largest resident size of the process while it was entered, in bytes.
    pub peak: Option<u64>,
}

/// Runs `work` and returns the spans that were entered on this thread, in order of their start.
pub fn record<T>(measure: Measure, work: impl FnOnce() -> T) -> (T, Vec<Span>) {
    let state = Arc::new(Mutex::new(State {
        clock: Instant::now(),
        spans: Vec::new(),
        open: Vec::new(),
        meter: (measure == Measure::Usage).then_some(Meter),
    }));
    let value = tracing::subscriber::with_default(Recorder(state.clone()), work);
    let spans = std::mem::take(&mut lock(&state).spans);
    (value, spans)
}

struct State {
    clock: Instant,
    spans: Vec<Span>,
    /// Entered spans with the time and the processor time of entry.
    open: Vec<(usize, f64, Option<f64>)>,
    meter: Option<Meter>,
}

struct Recorder(Arc<Mutex<State>>);

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Adds the peak since the last call to every span that is entered.
    fn read_peak(&mut self) {
        let Some(peak) = self.meter.as_ref().and_then(Meter::peak_since_reset) else { return };
        for (i, ..) in &self.open {
            let own = &mut self.spans[*i].peak;
            *own = Some(own.unwrap_or(0).max(peak));
        }
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("proveil")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut s = lock(&self.0);
        let parent = s.open.last().map(|o| o.0);
        let span = Span {
            name: attributes.metadata().name(),
            parent,
            depth: parent.map_or(0, |p| s.spans[p].depth + 1),
            stage: *attributes.metadata().level() == Level::INFO,
            start: s.clock.elapsed().as_secs_f64(),
            seconds: 0.0,
            cpu: None,
            peak: None,
        };
        s.spans.push(span);
        // Identifiers of spans are never zero.
        Id::from_u64(s.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        let mut s = lock(&self.0);
        s.read_peak();
        let cpu = s.meter.as_ref().and_then(|_| cpu_seconds());
        let now = s.clock.elapsed().as_secs_f64();
        s.open.push((id.into_u64() as usize - 1, now, cpu));
    }

    fn exit(&self, id: &Id) {
        let mut s = lock(&self.0);
        let now = s.clock.elapsed().as_secs_f64();
        let cpu = s.meter.as_ref().and_then(|_| cpu_seconds());
        s.read_peak();
        let index = id.into_u64() as usize - 1;
        if let Some(at) = s.open.iter().rposition(|o| o.0 == index) {
            let (_, entered, before) = s.open.remove(at);
            let own = &mut s.spans[index];
            own.seconds += now - entered;
            if let (Some(a), Some(b)) = (before, cpu) {
                own.cpu = Some(own.cpu.unwrap_or(0.0) + (b - a).max(0.0));
            }
        }
    }
}

/// The system's mark of the largest resident size, which can be set back to the present size.
struct Meter;

impl Meter {
    fn peak_since_reset(&self) -> Option<u64> {
        let peak = peak_bytes();
        // Value 5 sets the mark back and does nothing else; where it is not allowed the mark only grows.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        peak
    }
}

/// Processor seconds that the threads of this process have had so far; those of threads that have ended are lost.
#[must_use]
pub fn cpu_seconds() -> Option<f64> {
    scheduled_seconds(0)
}

/// Seconds that the threads of this process were ready to run and others ran in their place, likewise.
#[must_use]
pub fn waited_seconds() -> Option<f64> {
    scheduled_seconds(1)
}

/// Sum over the threads of a number of nanoseconds that the scheduler counts.
fn scheduled_seconds(place: usize) -> Option<f64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let own = |t: std::fs::DirEntry| {
        let text = std::fs::read_to_string(t.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(place)?.parse::<u64>().ok()
    };
    Some(threads.flatten().filter_map(own).sum::<u64>() as f64 / 1e9)
}

/// Largest resident size of this process since its start or since the mark was set back, in bytes.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> usize {
        let _a = tracing::info_span!("outer").entered();
        {
            let _b = tracing::debug_span!("first").entered();
        }
        let held = tracing::debug_span!("second").in_scope(|| vec![1u8; 64 << 20]);
        held.iter().map(|x| usize::from(*x)).sum()
    }

    #[test]
    fn matches_reference_nesting() {
        let (sum, spans) = record(Measure::Time, work);
        assert_eq!(sum, 64 << 20);
        let names: Vec<_> = spans.iter().map(|s| (s.name, s.parent, s.depth, s.stage)).collect();
        let expected = [("outer", None, 0, true), ("first", Some(0), 1, false), ("second", Some(0), 1, false)];
        assert_eq!(names, expected);
        assert!(spans[1].seconds + spans[2].seconds <= spans[0].seconds);
        assert!(spans[1].start + spans[1].seconds <= spans[2].start);
        assert!(spans.iter().all(|s| s.peak.is_none() && s.cpu.is_none()));
    }

    #[test]
    fn accepts_peaks_that_hold_what_was_allocated() {
        let (_, spans) = record(Measure::Usage, work);
        let peaks: Vec<Option<u64>> = spans.iter().map(|s| s.peak).collect();
        if let [Some(outer), Some(first), Some(second)] = peaks[..] {
            assert!(outer >= second && outer >= first, "{peaks:?}");
            assert!(second >= 64 << 20, "{peaks:?}");
        } else {
            assert_eq!(peak_bytes(), None, "{peaks:?}");
        }
        // Other tests start and end threads meanwhile, so nothing more is known of the sum.
        assert!(spans.iter().all(|s| s.cpu.is_some_and(|c| c >= 0.0)) || cpu_seconds().is_none());
    }

    #[test]
    fn rejects_spans_of_other_crates() {
        let other = || tracing::info_span!(target: "elsewhere", "foreign").in_scope(|| 3);
        assert_eq!(record(Measure::Time, other), (3, Vec::new()));
    }
}

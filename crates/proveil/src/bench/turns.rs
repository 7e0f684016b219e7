//! Proofs of two kinds made in turns, so that whatever else the machine does meets both: hidden and plain, all threads and one.

use std::time::Instant;

use proveil::engine::Proved;
use proveil::{Engine, Error};
use serde_json::{Map, Value, json};

use super::measure::{ENOUGH, MOST_RUNS, RUNS, SHORT, median, medians};
use crate::cli::failure::{Failure, INTERNAL};

/// Proofs with and without zero knowledge.
pub fn without_hiding(
    hidden: &Engine,
    plain: &Engine,
    input: &[Vec<i64>],
    out: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let [hidden, plain] = in_turns(|| hidden.prove(input, b""), || plain.prove(input, b""))?;
    out.insert("prove_plain_s".into(), json!(plain.seconds));
    out.insert("hidden_over_plain".into(), json!(hidden.seconds / plain.seconds));
    Ok(())
}

/// Proofs by all threads and by one: how much faster all are, as a whole and in every stage.
pub fn one_thread(engine: &Engine, input: &[Vec<i64>], out: &mut Map<String, Value>) -> Result<(), Failure> {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.map_err(|e| Failure::new(INTERNAL, format!("starting a thread: {e}")))?;
    let prove = || engine.prove(input, b"");
    let [single, all] = in_turns(|| one.install(prove), prove)?;
    let stages: Map<String, Value> = single
        .stages
        .iter()
        .filter_map(|(name, s)| Some((name.clone(), json!(s.as_f64()? / all.stages[name].as_f64()?))))
        .collect();
    out.insert("threads".into(), json!(rayon::current_num_threads()));
    out.insert("one_thread_s".into(), json!(single.seconds));
    out.insert("speed_up".into(), json!(single.seconds / all.seconds));
    out.insert("stage_speed_ups".into(), stages.into());
    Ok(())
}

/// Seconds of a proof, and by stage.
type Timed = (f64, Vec<(&'static str, f64)>);

/// Median times of proofs of one kind: of all of a proof, and of its stages.
struct Medians {
    seconds: f64,
    stages: Map<String, Value>,
}

/// Two kinds of proofs in turns. The first one is left out, since it pays for memory, unless a proof takes too long to be
/// made again.
fn in_turns(
    mut a: impl FnMut() -> Result<Proved, Error>,
    mut b: impl FnMut() -> Result<Proved, Error>,
) -> Result<[Medians; 2], Failure> {
    let once = |f: &mut dyn FnMut() -> Result<Proved, Error>| -> Result<Timed, Failure> {
        let start = Instant::now();
        let proved = f()?;
        Ok((start.elapsed().as_secs_f64(), proved.stages))
    };
    let cold = once(&mut b)?.0;
    let (mut first, mut second, mut spent) = (Vec::new(), Vec::new(), 0.0);
    while first.is_empty()
        || (cold <= SHORT && (first.len() < RUNS || (spent < 2.0 * ENOUGH && first.len() < MOST_RUNS)))
    {
        let (x, y) = (once(&mut a)?, once(&mut b)?);
        spent += x.0 + y.0;
        first.push(x);
        second.push(y);
    }
    Ok([first, second].map(|runs| {
        let (seconds, stages): (Vec<f64>, Vec<_>) = runs.into_iter().unzip();
        Medians { seconds: median(seconds), stages: medians(&stages) }
    }))
}

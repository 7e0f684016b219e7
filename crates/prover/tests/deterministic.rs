//! For fixed coins a proof is a function of key, witness and statement: not of threads, not of their order.

mod support;

use proveil_prover::STAGES;
use support::relations::{conv, dense, gather, wide};
use support::{Mode, setup};

#[test]
fn matches_reference_for_every_number_of_threads() {
    for case in [dense(), conv(), wide(), gather()] {
        for mode in [Mode::secret(true), Mode::shown(false), Mode::committed(true)] {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
                pool.install(|| {
                    let s = setup(&case, &mode);
                    (s.key.digest, s.honest().bytes)
                })
            };
            let one = run(1);
            for threads in [2, 3, 7] {
                assert!(run(threads) == one, "{threads} threads make another proof");
            }
        }
    }
}

#[test]
fn matches_reference_list_of_stages() {
    let proof = setup(&dense(), &Mode::secret(true)).honest();
    let names: Vec<&str> = proof.stages.iter().map(|s| s.0).collect();
    assert_eq!(names, STAGES);
}

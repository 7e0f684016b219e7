//! Labelled test sets (`test.npz`: inputs `X`, `X1`, .., labels `y`, float outputs `out<j>`) and the accuracy of
//! the integer model on them.

use proveil::Engine;
use proveil::io::{Array, ModelTexts, Npz, encode};
use proveil_frontend::{InputSpec, OutputSpec, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows that are scored at most.
const MAX_ROWS: usize = 1000;

/// A test set by rows.
pub struct TestSet {
    /// Inputs of each row.
    pub rows: Vec<Vec<Tensor>>,
    labels: Option<Array>,
    outputs: Vec<Array>,
    /// Which output holds the label, if one does.
    label_output: Option<usize>,
    /// Which output holds the scores.
    score_output: usize,
}

/// Results over a test set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// Rows scored.
    pub rows: usize,
    /// Share of rows with the same label as the float model.
    pub label_agreement: Option<f64>,
    /// Share of right labels.
    pub accuracy: Option<f64>,
    /// The float model's share on the same rows.
    pub float_accuracy: Option<f64>,
}

impl TestSet {
    /// Reads a test set; `meta` is the folder's `meta.json`, which may name the outputs, `texts` those of the model.
    pub fn read(bytes: Vec<u8>, meta: Option<&[u8]>, texts: &ModelTexts) -> Result<Self, String> {
        let mut npz = Npz::open(bytes, 1 << 30)?;
        let names = npz.names();
        let mut inputs = Vec::new();
        for k in 0.. {
            let name = if k == 0 { "X".to_string() } else { format!("X{k}") };
            if !names.contains(&name) {
                break;
            }
            inputs.push(npz.array(&name)?);
        }
        let labels = if names.iter().any(|n| n == "y") { Some(npz.array("y")?) } else { None };
        let mut outputs = Vec::new();
        while names.contains(&format!("out{}", outputs.len())) {
            outputs.push(npz.array(&format!("out{}", outputs.len()))?);
        }
        let count = inputs.first().and_then(|x| x.shape.first().copied()).unwrap_or(0);
        let one = |x: &Array, i: usize| x.row(i).ok_or("X, X1, .. have different numbers of rows")?.coded(texts);
        let row = |i: usize| inputs.iter().map(|x| one(x, i)).collect::<Result<Vec<_>, String>>();
        let rows = (0..count).map(row).collect::<Result<Vec<_>, String>>()?;
        let meta: serde_json::Value = meta.and_then(|m| serde_json::from_slice(m).ok()).unwrap_or_default();
        let index = |name: &str| meta["test"][name].as_u64().map(|v| v as usize);
        let (label_output, score_output) = (index("label_output"), index("score_output").unwrap_or(0));
        Ok(Self { rows, labels, outputs, label_output, score_output })
    }

    /// Runs the integer model on the rows from `from` on.
    pub fn score(
        &self,
        engine: &Engine,
        specs: &[InputSpec],
        outputs: &[OutputSpec],
        from: usize,
    ) -> Result<Score, String> {
        let from = if from < self.rows.len() { from } else { 0 };
        let rows: Vec<usize> = (from..self.rows.len()).take(MAX_ROWS).collect();
        let ids = &engine.package.graph.outputs;
        let got: Vec<Option<f64>> = rows
            .par_iter()
            .map(|i| {
                let cells = encode(specs, &self.rows[*i]).map_err(|e| e.to_string())?;
                let tensors = engine.run(&cells).map_err(|e| e.to_string())?;
                let real = |k: usize| Some(outputs.get(k)?.dequantise(tensors.get(ids.get(k)?.0 as usize)?));
                Ok(self.label(&real))
            })
            .collect::<Result<_, String>>()?;
        let float: Vec<Option<f64>> =
            rows.iter().map(|i| self.label(&|k: usize| self.outputs.get(k)?.row(*i).map(|a| a.data))).collect();
        let truth = |i: &usize| self.labels.as_ref().filter(|y| y.data.len() == self.rows.len()).map(|y| y.data[*i]);
        let truth: Vec<Option<f64>> = rows.iter().map(truth).collect();
        let classes = self.labels.as_ref().is_none_or(|y| y.data.iter().all(|v| v.fract() == 0.0));
        let share = |a: &[Option<f64>], b: &[Option<f64>]| {
            let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
            let known = classes && a.iter().chain(b).all(Option::is_some) && !a.is_empty();
            known.then(|| same as f64 / a.len() as f64)
        };
        Ok(Score {
            rows: rows.len(),
            label_agreement: share(&got, &float),
            accuracy: share(&got, &truth),
            float_accuracy: share(&float, &truth),
        })
    }

    /// Where a single score becomes the label 1: one half for probabilities, zero for logits.
    fn threshold(&self) -> f64 {
        let scores = self.outputs.get(self.score_output);
        let probabilities = scores.is_none_or(|o| o.data.iter().all(|v| (0.0..=1.0).contains(v)));
        if probabilities { 0.5 } else { 0.0 }
    }

    /// The label that outputs name: given, the largest score, or one score against a threshold.
    fn label(&self, output: &dyn Fn(usize) -> Option<Vec<f64>>) -> Option<f64> {
        if let Some(k) = self.label_output {
            return output(k).and_then(|v| v.first().map(|x| x.round()));
        }
        let scores = output(self.score_output)?;
        if scores.len() == 1 {
            let binary = self.labels.as_ref()?.data.iter().all(|v| *v == 0.0 || *v == 1.0);
            return binary.then(|| f64::from(u8::from(scores[0] >= self.threshold())));
        }
        let best = (0..scores.len()).rev().reduce(|b, i| if scores[i] >= scores[b] { i } else { b })?;
        Some(best as f64)
    }
}

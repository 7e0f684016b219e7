//! What is measured: a folder with a model and its cases, or a bare model.

use std::path::{Path, PathBuf};

use proveil::io::{Cases, ModelTexts, read_cases, read_limited};
use proveil_frontend::Tensor;

use super::testset::TestSet;
use crate::cli::FILE_LIMIT;
use crate::cli::failure::{BAD_FILE, Failure};

/// Calibration inputs taken from a test set.
const CALIBRATION: usize = 64;

/// A model with its data.
pub struct Subject {
    /// Name of folder or file.
    pub name: String,
    /// The model file's bytes.
    pub onnx: Vec<u8>,
    /// Where external tensor data lies.
    pub dir: PathBuf,
    /// Cases to prove, with expected outputs.
    pub judged: Cases,
    /// Inputs to calibrate on.
    pub samples: Vec<Vec<Tensor>>,
    /// Whether calibration sees the judged inputs, for want of others.
    pub calibrated_on_judged: bool,
    /// Labelled rows, with the number of rows used for calibration.
    pub test: Option<(TestSet, usize)>,
}

/// Name of a path in reports: of the file, or of the folder where the file is just `model.onnx`.
pub fn name_of(path: &Path) -> String {
    let stem = if path.extension().is_some_and(|e| e == "onnx") { path.file_stem() } else { path.file_name() };
    let folder = path.parent().and_then(Path::file_name).filter(|_| stem.is_some_and(|s| s == "model"));
    folder.or(stem).map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Reads a path; `batch` cases to prove are joined along the first axis, those that calibrate stay single.
pub fn read(path: &Path, cases: usize, batch: usize) -> Result<Subject, Failure> {
    let folder = path.is_dir();
    let model = if folder { path.join("model.onnx") } else { path.to_path_buf() };
    let onnx = read_limited(&model, FILE_LIMIT)?;
    let dir = model.parent().map_or_else(|| ".".into(), Path::to_path_buf);
    let mut subject = Subject {
        name: name_of(path),
        onnx,
        dir,
        judged: Cases::new(),
        samples: Vec::new(),
        calibrated_on_judged: false,
        test: None,
    };
    if !folder {
        return Ok(subject);
    }
    let file = path.join("cases.npz");
    let texts = ModelTexts::of(&subject.onnx);
    let all = if file.is_file() { read_cases(&file, &texts)? } else { Cases::new() };
    let file = path.join("test.npz");
    if file.is_file() && batch <= 1 {
        let meta = read_limited(&path.join("meta.json"), 1 << 20).ok();
        let test = TestSet::read(read_limited(&file, FILE_LIMIT)?, meta.as_deref(), &texts);
        let test = test.map_err(|e| Failure::new(BAD_FILE, e).at(&file))?;
        subject.test = Some((test, 0));
    }
    let n = cases.max(1).min(all.len());
    subject.judged = all[..n].to_vec();
    calibration(&mut subject, &all, n);
    subject.judged = joined(all, cases.max(1), batch);
    Ok(subject)
}

/// Rows of the test set and cases that are not judged, or all cases where there are no others.
fn calibration(s: &mut Subject, all: &Cases, n: usize) {
    let Some((first, _)) = all.first() else { return };
    if let Some((test, used)) = &mut s.test {
        let fits =
            |r: &Vec<Tensor>| r.len() == first.len() && r.iter().zip(first).all(|(a, b)| a.data.len() == b.data.len());
        let fresh =
            |r: &&Vec<Tensor>| !s.judged.iter().any(|(j, _)| j.iter().zip(r.iter()).all(|(a, b)| a.data == b.data));
        if test.rows.first().is_some_and(fits) {
            // Half of a small set is kept to measure.
            *used = CALIBRATION.min(test.rows.len() / 2);
            let shaped = |r: &Vec<Tensor>| {
                let one = |(t, c): (&Tensor, &Tensor)| Tensor { shape: c.shape.clone(), ..t.clone() };
                r.iter().zip(first).map(one).collect()
            };
            let others = all[n..].iter().map(|(i, _)| i.clone());
            // The front end holds out the last ones: the other cases, which may be of another kind, go first.
            s.samples = others.chain(test.rows[..*used].iter().filter(fresh).map(shaped)).collect();
        } else {
            s.test = None;
        }
    }
    if s.samples.is_empty() {
        s.calibrated_on_judged = all.len() <= n;
        let from = if s.calibrated_on_judged { 0 } else { n };
        s.samples = all[from..].iter().map(|(i, _)| i.clone()).collect();
    }
}

/// `count` groups of `batch` cases, each joined along the first axis, going round where there are too few.
fn joined(cases: Cases, count: usize, batch: usize) -> Cases {
    if batch <= 1 || cases.is_empty() {
        return cases.into_iter().take(count).collect();
    }
    let groups = count.min(cases.len());
    let of = |g: usize| (0..batch).map(|i| &cases[(g * batch + i) % cases.len()]).collect::<Vec<_>>();
    let case = |g| (stack(&of(g), |c| &c.0), stack(&of(g), |c| &c.1));
    (0..groups).map(case).collect()
}

/// One side of some cases as one, joined along the first axis.
pub fn stack<T>(cases: &[T], side: impl Fn(&T) -> &Vec<Tensor>) -> Vec<Tensor> {
    let Some((first, rest)) = cases.split_first() else { return Vec::new() };
    let mut out = side(first).clone();
    for (j, t) in out.iter_mut().enumerate() {
        rest.iter().filter_map(|c| side(c).get(j)).for_each(|p| t.data.extend_from_slice(&p.data));
        match t.shape.first_mut() {
            Some(n) => *n *= cases.len(),
            None => t.shape.push(cases.len()),
        }
    }
    out
}

/// The inverse of [`stack`] for inputs: `batch` single ones.
pub fn split(inputs: &[Tensor], batch: usize) -> Vec<Vec<Tensor>> {
    let part = |t: &Tensor, i: usize| {
        let mut shape = t.shape.clone();
        shape.first_mut().into_iter().for_each(|n| *n /= batch);
        let len = t.data.len() / batch;
        Tensor { shape, kind: t.kind, data: t.data[i * len..(i + 1) * len].to_vec() }
    };
    (0..batch).map(|i| inputs.iter().map(|t| part(t, i)).collect()).collect()
}

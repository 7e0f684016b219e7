//! What is measured: a folder with a model and its cases, or a bare model.

use std::path::{Path, PathBuf};

use proveil::io::{Cases, read_cases, read_limited};
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

/// Reads a path; `batch` cases are stacked along the first axis.
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
    let all = if file.is_file() { stack(read_cases(&file)?, batch) } else { Cases::new() };
    let file = path.join("test.npz");
    if file.is_file() && batch <= 1 {
        let meta = read_limited(&path.join("meta.json"), 1 << 20).ok();
        let test = TestSet::read(read_limited(&file, FILE_LIMIT)?, meta.as_deref());
        subject.test = Some((test.map_err(|e| Failure::new(BAD_FILE, e).at(&file))?, 0));
    }
    let n = cases.max(1).min(all.len());
    subject.judged = all[..n].to_vec();
    calibration(&mut subject, &all, n);
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

/// Joins `batch` cases at a time along the first axis, going round when there are too few.
fn stack(cases: Cases, batch: usize) -> Cases {
    if batch <= 1 || cases.is_empty() {
        return cases;
    }
    let join = |parts: Vec<&Vec<Tensor>>| -> Vec<Tensor> {
        let one = |j: usize| {
            let mut t = parts[0][j].clone();
            parts[1..].iter().for_each(|p| t.data.extend_from_slice(&p[j].data));
            if let Some(n) = t.shape.first_mut() {
                *n *= parts.len();
            }
            t
        };
        (0..parts[0].len()).map(one).collect()
    };
    let groups = cases.len().max(2);
    let of = |g: usize| (0..batch).map(|i| &cases[(g * batch + i) % cases.len()]).collect::<Vec<_>>();
    let joined = |g| (join(of(g).iter().map(|c| &c.0).collect()), join(of(g).iter().map(|c| &c.1).collect()));
    (0..groups).map(joined).collect()
}

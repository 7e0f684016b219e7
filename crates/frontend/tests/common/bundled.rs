//! Bundled models with their cases.

use std::path::PathBuf;

use ndarray_npy::NpzReader;
use proveil_frontend::{Kind, Tensor};

/// Inputs and expected outputs of one case.
pub type Case = (Vec<Tensor>, Vec<Tensor>);

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder(name).join("model.onnx")).expect("the model is bundled")
}

pub fn cases(name: &str) -> Vec<Case> {
    let file = std::fs::File::open(folder(name).join("cases.npz")).expect("the cases are bundled");
    let mut npz = NpzReader::new(file).expect("the cases are an npz file");
    let mut out = Vec::new();
    loop {
        let mut side = |side: &str| -> Vec<Tensor> {
            (0..).map_while(|j| tensor(&mut npz, &format!("c{}_{side}{j}", out.len()))).collect()
        };
        let case = (side("in"), side("out"));
        if case.0.is_empty() {
            return out;
        }
        out.push(case);
    }
}

fn tensor(npz: &mut NpzReader<std::fs::File>, name: &str) -> Option<Tensor> {
    if let Ok(a) = npz.by_name::<ndarray::OwnedRepr<f32>, ndarray::IxDyn>(name) {
        return Tensor::floats(a.shape().to_vec(), a.iter().map(|&v| f64::from(v)).collect());
    }
    let a = npz.by_name::<ndarray::OwnedRepr<i64>, ndarray::IxDyn>(name).ok()?;
    Tensor::new(a.shape().to_vec(), Kind::Int, a.iter().map(|&v| v as f64).collect())
}

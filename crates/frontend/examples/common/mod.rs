//! Reads the cases and labelled rows of a model folder.

use std::path::Path;

use ndarray_npy::NpzReader;
use proveil_frontend::{Kind, Tensor};

/// Inputs with expected outputs.
pub type Cases = Vec<(Vec<Tensor>, Vec<Tensor>)>;

/// The cases of a folder, in order.
pub fn cases(folder: &Path) -> Result<Cases, String> {
    let file = std::fs::File::open(folder.join("cases.npz")).map_err(|e| e.to_string())?;
    let mut npz = NpzReader::new(file).map_err(|e| e.to_string())?;
    let names = npz.names().map_err(|e| e.to_string())?;
    let names: Vec<String> = names.iter().map(|n| n.trim_end_matches(".npy").to_string()).collect();
    let mut out: Cases = Vec::new();
    for k in 0.. {
        let mut side = |side: &str| -> Result<Vec<Tensor>, String> {
            let mut list = Vec::new();
            while names.contains(&format!("c{k}_{side}{}", list.len())) {
                list.push(tensor(&mut npz, &format!("c{k}_{side}{}", list.len()))?);
            }
            Ok(list)
        };
        let pair = (side("in")?, side("out")?);
        if pair.0.is_empty() && pair.1.is_empty() {
            break;
        }
        out.push(pair);
    }
    Ok(out)
}

/// One array of an archive.
pub fn tensor(npz: &mut NpzReader<std::fs::File>, name: &str) -> Result<Tensor, String> {
    macro_rules! attempt {
        ($t:ty, $kind:expr, $f:expr) => {
            if let Ok(a) = npz.by_name::<ndarray::OwnedRepr<$t>, ndarray::IxDyn>(name) {
                let shape = a.shape().to_vec();
                let data = a.iter().map($f).collect();
                return Tensor::new(shape, $kind, data).ok_or_else(|| format!("{name} is not dense"));
            }
        };
    }
    attempt!(f32, Kind::Float, |&v| f64::from(v));
    attempt!(f64, Kind::Float, |&v| v);
    attempt!(i64, Kind::Int, |&v| v as f64);
    attempt!(i32, Kind::Int, |&v| f64::from(v));
    attempt!(u8, Kind::Int, |&v| f64::from(v));
    attempt!(i8, Kind::Int, |&v| f64::from(v));
    attempt!(bool, Kind::Bool, |&v| f64::from(u8::from(v)));
    Err(format!("{name} has an element type that is not read"))
}

//! Encoders of the `ai.onnx.ml` domain, and the names of classes: text lives beside the graph, which has positions.

use std::sync::Arc;

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealOp, Source};
use crate::tensor::Kind;

/// Most keys of an encoder.
const MAX_KEYS: usize = 256;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if n.domain != "ai.onnx.ml" {
        return Ok(None);
    }
    Ok(Some(vec![match n.op.as_str() {
        "LabelEncoder" => label_encoder(im, n)?,
        "OneHotEncoder" => one_hot_encoder(im, n)?,
        "Imputer" => imputer(im, n)?,
        "FeatureVectorizer" => feature_vectorizer(im, n)?,
        "ZipMap" => zip_map(im, n)?,
        _ => return Ok(None),
    }]))
}

/// Operators that hand the names of their first input on.
pub(super) fn keeps_labels(n: &Node) -> bool {
    let keeping = ["Identity", "Reshape", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Gather", "ArrayFeatureExtractor"];
    keeping.contains(&n.op.as_str())
}

/// The same cells under a new number, for notes that belong to this use only.
fn copy(im: &mut Importer, x: TensorId) -> TensorId {
    let (shape, kind) = (im.g.shape(x).to_vec(), im.g.kind(x));
    im.g.combine(&shape, kind, &[(1.0, x)], 0.0)
}

/// Keys and values as numbers; names of the values where they are text.
fn label_encoder(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let whole = |v: Option<Vec<i64>>| v.map(|v| v.iter().map(|&i| i as f64).collect::<Vec<f64>>());
    let filled = |v: Option<Vec<f64>>| v.filter(|v| !v.is_empty());
    let text = |list: &str, tensor: &str| -> Result<Option<Vec<String>>> {
        let list = n.strings(list)?.filter(|v| !v.is_empty());
        Ok(list.or(n.texts(tensor, im.limits)?.map(|t| t.1)))
    };
    let numbers = |floats: &str, ints: &str, tensor: &str| -> Result<Option<(Vec<f64>, Kind)>> {
        if let Some(t) = n.tensor(tensor, im.limits)? {
            return Ok(Some((t.data, t.kind)));
        }
        let list = filled(n.floats(floats)?).map(|v| (v, Kind::Float));
        Ok(list.or(filled(whole(n.ints(ints)?)).map(|v| (v, Kind::Int))))
    };
    let texts = im.g.kind(x) == Kind::Text;
    let keys = match text("keys_strings", "keys_tensor")? {
        Some(keys) => super::text::sought(im, n, x, &keys)?,
        None if texts => return Err(n.malformed("looks numbers up in an input of texts")),
        None => numbers("keys_floats", "keys_int64s", "keys_tensor")?.ok_or_else(|| n.malformed("has no keys"))?.0,
    };
    let (values, kind, names, default) = match text("values_strings", "values_tensor")? {
        Some(names) => {
            let given = n.texts("default_tensor", im.limits)?.and_then(|t| t.1.into_iter().next());
            let other = given.or(n.string("default_string")?).unwrap_or_else(|| "_Unused".into());
            let count = names.len();
            let all = [names, vec![other]].concat();
            ((0..count).map(|v| v as f64).collect::<Vec<_>>(), Kind::Int, Some(all), count as f64)
        }
        None => {
            let (v, kind) = numbers("values_floats", "values_int64s", "values_tensor")?
                .ok_or_else(|| n.malformed("has no values"))?;
            let given = n.tensor("default_tensor", im.limits)?.and_then(|t| t.data.first().copied());
            let usual = if kind == Kind::Float {
                n.float("default_float")?.unwrap_or(0.0)
            } else {
                n.int("default_int64")?.unwrap_or(-1) as f64
            };
            (v, kind, None, given.unwrap_or(usual))
        }
    };
    if keys.len() != values.len() || keys.len() > MAX_KEYS && !texts {
        return Err(n.malformed(format!("{} keys and {} values; give at most {MAX_KEYS}", keys.len(), values.len())));
    }
    let floats = im.g.kind(x) == Kind::Float && im.g.as_const(x).is_none();
    if floats && keys.iter().any(|k| k.fract() != 0.0) {
        return Err(n.unsupported("its keys are fractions", "use whole numbers as keys"));
    }
    let y = if floats {
        by_equality(im, n, x, (&keys, &values), default, kind)?
    } else if keys.iter().zip(&values).all(|(k, v)| k == v) && names.is_some() && !texts {
        copy(im, x)
    } else if texts {
        let mut all = vec![default; im.g.texts + 1];
        // Of equal keys the first one counts.
        for (k, v) in keys.iter().zip(&values).rev() {
            all[*k as usize] = *v;
        }
        im.g.map(x, listed(&all, 0), kind)
    } else {
        let mut f = Expr::Const(default);
        for (k, v) in keys.iter().zip(&values).rev() {
            f = Expr::select(Expr::un(Un::IsZero, Expr::affine(1.0, -k)), Expr::Const(*v), f);
        }
        im.g.map(x, f, kind)
    };
    im.labels.extend(names.map(|names| (y, Arc::new(names))));
    Ok(y)
}

/// The value at a place of a list that counts from `first`, by halves: lists of texts are long.
fn listed(values: &[f64], first: usize) -> Expr {
    if values.windows(2).all(|w| w[0] == w[1]) {
        return Expr::Const(values[0]);
    }
    let (low, high) = values.split_at(values.len() / 2);
    let middle = first + low.len();
    let reached = Expr::un(Un::NonNegative, Expr::affine(1.0, -(middle as f64)));
    Expr::select(reached, listed(high, middle), listed(low, first))
}

/// Values by equality with each key: floats have no table of their own. What several keys equal has the first one's
/// value.
fn by_equality(
    im: &mut Importer,
    n: &Node,
    x: TensorId,
    (keys, values): (&[f64], &[f64]),
    default: f64,
    kind: Kind,
) -> Result<TensorId> {
    let pairs = keys.iter().zip(values).enumerate();
    let (keys, gains): (Vec<f64>, Vec<f64>) =
        pairs.filter(|(i, (k, _))| !keys[..*i].contains(k)).map(|(_, (k, v))| (*k, v - default)).unzip();
    let shape = im.g.shape(x).to_vec();
    im.limits.cells(&n.name, &[&shape[..], &[keys.len()]].concat())?;
    let wide = im.g.reshape(x, [&shape[..], &[1]].concat());
    let count = keys.len();
    let keys = im.fresh(vec![count], Kind::Int, keys);
    let hot = im.g.equal(wide, keys).ok_or_else(|| im.clash(n, wide, keys))?;
    let gains = im.fresh(vec![count], kind, gains);
    let parts = im.g.binary(Bin::Mul, hot, gains).ok_or_else(|| im.clash(n, hot, gains))?;
    let y = im.g.sum(parts, &[shape.len()], false, 1.0);
    Ok(im.g.map(y, Expr::affine(1.0, default), kind))
}

fn one_hot_encoder(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let cats = match n.strings("cats_strings")?.filter(|c| !c.is_empty()) {
        Some(cats) => super::text::sought(im, n, x, &cats)?,
        None if im.g.kind(x) == Kind::Text => return Err(n.malformed("looks numbers up in an input of texts")),
        None => n.ints("cats_int64s")?.unwrap_or_default().into_iter().map(|c| c as f64).collect(),
    };
    if cats.is_empty() {
        return Err(n.malformed("has no categories"));
    }
    let mut shape = im.g.shape(x).to_vec();
    shape.push(cats.len());
    im.limits.cells(&n.name, &shape)?;
    if let Some(last) = shape.last_mut() {
        *last = 1;
    }
    let wide = im.g.reshape(x, shape);
    let cats = im.fresh(vec![cats.len()], Kind::Int, cats);
    let hot = im.g.equal(wide, cats).ok_or_else(|| im.clash(n, wide, cats))?;
    Ok(im.g.retyped(hot, Kind::Float))
}

/// Replaces a value in each column, which may be that cells are missing.
fn imputer(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let whole = n.ints("imputed_value_int64s")?.filter(|v| !v.is_empty());
    let (values, replaced) = match (n.floats("imputed_value_floats")?.filter(|v| !v.is_empty()), whole) {
        (Some(v), _) => (v, n.float_or_nan("replaced_value_float")?),
        (None, Some(v)) => (
            v.iter().map(|&i| i as f64).collect(),
            n.int("replaced_value_int64")?.map_or(Some(0.0), |v| Some(v as f64)),
        ),
        (None, None) => return Err(n.malformed("has no values to put in")),
    };
    let Some(replaced) = replaced else { return fill(im, n, x, values) };
    if replaced.is_infinite() {
        return Ok(without_infinite_weights(im, x));
    }
    let is_it = || Expr::un(Un::IsZero, Expr::affine(1.0, -replaced));
    let kind = im.g.kind(x);
    if let [v] = values[..] {
        return Ok(im.g.map(x, Expr::select(is_it(), Expr::Const(v), Expr::X), kind));
    }
    if im.g.shape(x).last() != Some(&values.len()) {
        return Err(n.malformed(format!("{} values for columns of {:?}", values.len(), im.g.shape(x))));
    }
    let missing = im.g.map(x, is_it(), Kind::Bool);
    let gaps = im.fresh(vec![values.len()], kind, values.iter().map(|v| v - replaced).collect());
    let filling = im.g.binary(Bin::Mul, missing, gaps).ok_or_else(|| im.clash(n, missing, gaps))?;
    im.g.binary(Bin::Add, x, filling).ok_or_else(|| im.clash(n, x, filling))
}

/// What an imputer of infinities reads. No integer is infinite; what makes infinities is a weight that a division by 0
/// left, and 0 in its place is what exporters put in.
fn without_infinite_weights(im: &mut Importer, x: TensorId) -> TensorId {
    let Source::Op(RealOp::Contract(c)) = &im.g.get(x).source else { return x };
    let mut c = c.clone();
    for side in [&mut c.lhs, &mut c.rhs] {
        if let Source::Const { data, secret: true } = &im.g.get(side.tensor).source {
            let finite = data.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect();
            side.tensor = im.g.weight(im.g.shape(side.tensor).to_vec(), finite);
        }
    }
    im.g.contract(c)
}

/// Puts values in where cells are missing.
fn fill(im: &mut Importer, n: &Node, x: TensorId, values: Vec<f64>) -> Result<TensorId> {
    if !im.g.may_miss(x) && !im.g.may_lack_value(x) {
        return Ok(x);
    }
    let shape = im.g.shape(x).to_vec();
    if values.len() > 1 && shape.last() != Some(&values.len()) {
        return Err(n.malformed(format!("{} values for columns of {shape:?}", values.len())));
    }
    let with = im.g.weight(vec![values.len()], values);
    Ok(im.g.op(shape, Kind::Float, RealOp::Fill { x, with }))
}

fn feature_vectorizer(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let widths = n.ints("inputdimensions")?.unwrap_or_default();
    let mut parts = Vec::new();
    for i in 0..n.inputs.len() {
        let x = im.arg(n, i)?;
        let x = match *im.g.shape(x) {
            [rows] => im.g.reshape(x, vec![rows, 1]),
            [_, _] => x,
            ref other => return Err(n.malformed(format!("input {i} has shape {other:?}; give rows"))),
        };
        let (rows, own) = (im.g.shape(x)[0], im.g.shape(x)[1]);
        let width = widths.get(i).and_then(|&w| usize::try_from(w).ok()).filter(|w| *w > 0).unwrap_or(own);
        im.limits.cells(&n.name, &[rows, width])?;
        let x = if width < own { im.g.slice(x, &[0, 0], &[rows, width], &[1, 1]) } else { x };
        let x = if width > own { im.g.pad(x, &[0, 0], &[0, width - own], 0.0) } else { x };
        if let Some(&first) = parts.first()
            && im.g.shape(first)[0] != rows
        {
            return Err(im.clash(n, first, x));
        }
        parts.push(x);
    }
    if parts.is_empty() {
        return Err(n.malformed("has no inputs"));
    }
    Ok(im.g.concat(&parts, 1))
}

/// The scores as they are, with the names of their columns.
fn zip_map(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let ints = n.ints("classlabels_int64s")?.filter(|l| !l.is_empty());
    let names = match n.strings("classlabels_strings")?.filter(|l| !l.is_empty()) {
        Some(names) => names,
        None => ints.unwrap_or_default().iter().map(ToString::to_string).collect(),
    };
    if im.g.shape(x).last() != Some(&names.len()) {
        return Err(n.malformed(format!("{} names for scores {:?}", names.len(), im.g.shape(x))));
    }
    let y = copy(im, x);
    im.labels.insert(y, Arc::new(names));
    Ok(y)
}

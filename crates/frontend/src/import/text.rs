//! Texts: tensors of codes, which are places in the file's list of texts; the number of texts is the code of any other.
//!
//! Two texts that the file does not know have one code and need not be equal. So codes are moved, compared with texts of
//! the file and looked up, and nothing else is done with them.

use std::borrow::Cow;

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::operators::knows;
use crate::tensor::Kind;

/// Operators that move cells of their first input, and what they give is text too.
const MOVES: [&str; 15] = [
    "ArrayFeatureExtractor",
    "Cast",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];
/// Operators whose first input may be text, and what they give is no text.
const READS: [&str; 4] = ["LabelEncoder", "OneHotEncoder", "Shape", "Size"];

/// Which inputs of an operator may be text.
fn places(n: &Node) -> std::ops::Range<usize> {
    match n.op.as_str() {
        "Concat" => 0..n.inputs.len(),
        "Equal" => 0..2,
        "Where" => 1..3,
        op if MOVES.contains(&op) || READS.contains(&op) => 0..1,
        _ => 0..0,
    }
}

/// The node with operands that are codes of one list, where it reads texts.
///
/// # Errors
/// `Unsupported` where it does with them what codes do not tell.
pub(super) fn with_codes<'n>(im: &mut Importer, n: &'n Node) -> Result<Cow<'n, Node>> {
    // What is not there is the business of whoever reads it.
    let read: Vec<Option<TensorId>> = n.inputs.iter().map(|name| im.env.get(name).copied()).collect();
    let is_text = |im: &Importer, x: &Option<TensorId>| x.is_some_and(|x| im.g.kind(x) == Kind::Text);
    let places = places(n);
    if let Some(i) = (0..read.len()).find(|i| is_text(im, &read[*i]) && !places.contains(i))
        && knows(&n.domain, &n.op)
    {
        let hint = "turn text into numbers before, by `LabelEncoder` or `OneHotEncoder`";
        return Err(n.unsupported(format!("input {i} (`{}`) is text, of which it takes none", n.inputs[i]), hint));
    }
    if !matches!(n.op.as_str(), "Concat" | "Equal" | "Where") || !n.domain.is_empty() {
        return Ok(Cow::Borrowed(n));
    }
    // Texts of the file have places in lists of their own until they meet others.
    let listed = |im: &Importer, x: &Option<TensorId>| x.is_some_and(|x| im.labels.contains_key(&x));
    let here = || read[places.start.min(read.len())..places.end.min(read.len())].iter();
    let texts = here().any(|x| is_text(im, x));
    if !texts && !here().all(|x| listed(im, x) && x.is_some_and(|x| im.g.as_const(x).is_some())) {
        return Ok(Cow::Borrowed(n));
    }
    let mut inputs = n.inputs.clone();
    for i in places.start..places.end.min(read.len()) {
        let Some(x) = read[i].filter(|x| im.g.kind(*x) != Kind::Text) else { continue };
        let codes = codes(im, n, i, x)?;
        inputs[i] = format!("{}\0codes", n.inputs[i]);
        im.env.insert(inputs[i].clone(), codes);
    }
    if n.op == "Equal" && here().all(|x| x.is_some_and(|x| im.g.as_const(x).is_none())) {
        let reason = "two texts that depend on the inputs: any that the file does not know would be equal";
        return Err(n.unsupported(reason, "compare each with texts of the file"));
    }
    Ok(Cow::Owned(n.with_inputs(inputs)))
}

/// Codes of texts of the file, which have places in a list of their own so far.
fn codes(im: &mut Importer, n: &Node, i: usize, x: TensorId) -> Result<TensorId> {
    let refuse = |reason: &str, hint: &str| n.unsupported(format!("input {i} (`{}`) {reason}", n.inputs[i]), hint);
    let Some(names) = im.labels.get(&x).cloned() else {
        return Err(refuse("is no text, another one is", "give it texts or numbers only"));
    };
    let cells = im.g.as_const(x).map(|cells| cells.to_vec());
    let code = |v: f64| names.get(v as usize).and_then(|name| im.texts.code(name));
    let codes = cells.and_then(|cells| cells.into_iter().map(code).collect::<Option<Vec<_>>>());
    let Some(codes) = codes else {
        return Err(refuse(
            "holds names of classes, which are no texts to compare with",
            "do this before they are made",
        ));
    };
    let shape = im.g.shape(x).to_vec();
    Ok(im.public(shape, Kind::Text, codes))
}

/// Refuses results that would hide that they are texts.
pub(super) fn checked(im: &Importer, n: &Node, outputs: &[TensorId]) -> Result<()> {
    let first = match n.op.as_str() {
        "Where" => 1,
        "Concat" => 0,
        op if MOVES.contains(&op) => 0,
        _ => return Ok(()),
    };
    let texts = im.opt(n, first)?.is_some_and(|x| im.g.kind(x) == Kind::Text);
    if texts && outputs.iter().any(|y| im.g.kind(*y) != Kind::Text) {
        return Err(n.unsupported("it reads texts at places that depend on the inputs", "use constant places"));
    }
    Ok(())
}

/// A constant of texts.
pub(super) fn constant(im: &mut Importer, n: &Node) -> Result<Option<TensorId>> {
    let (shape, texts) = if let Some(tensor) = n.texts("value", im.limits)? {
        tensor
    } else if let Some(one) = n.string("value_string")? {
        (Vec::new(), vec![one])
    } else if let Some(list) = n.strings("value_strings")? {
        (vec![list.len()], list)
    } else {
        return Ok(None);
    };
    let codes: Option<Vec<f64>> = texts.iter().map(|t| im.texts.code(t)).collect();
    let codes = codes.ok_or_else(|| n.malformed("holds a text that is not UTF-8; write it in UTF-8"))?;
    Ok(Some(im.public(shape, Kind::Text, codes)))
}

/// What an encoder's texts are in its input: codes of texts, or places among names of classes; -1 where the input has no
/// such name.
pub(super) fn sought(im: &Importer, n: &Node, x: TensorId, texts: &[String]) -> Result<Vec<f64>> {
    let wrong = || n.malformed("holds a text that is not UTF-8; write it in UTF-8");
    if im.g.kind(x) == Kind::Text {
        return texts.iter().map(|t| im.texts.code(t).ok_or_else(wrong)).collect();
    }
    let names = im.labels.get(&x).ok_or_else(|| n.malformed("looks texts up in an input of numbers"))?;
    Ok(texts.iter().map(|t| names.iter().position(|m| m == t).map_or(-1.0, |p| p as f64)).collect())
}

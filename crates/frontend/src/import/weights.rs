//! Which constants of one cell are weights. Longer lists of reals always are; a single number may as well be a
//! setting of the architecture, so what an operator does with it decides, never its value.

use proveil_graph::TensorId;

use super::Importer;
use crate::onnx::Node;
use crate::real::{RealOp, Source};
use crate::tensor::Kind;

/// Operators all of whose real constants are trained.
const TRAINED: [&str; 15] = [
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "FusedMatMul",
    "FusedConv",
    "FusedGemm",
    "RNN",
    "GRU",
    "LSTM",
    "BatchNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "PRelu",
];

/// Gives the constants that a node uses as weights to it as weights.
pub(super) fn hide(im: &mut Importer, n: &Node) {
    let trained = TRAINED.contains(&n.op.as_str());
    let names: Vec<&String> = n.inputs.iter().collect();
    for (i, &name) in names.iter().enumerate() {
        let Some(&id) = im.env.get(name) else { continue };
        let t = im.g.get(id);
        let Source::Const { data, secret: false } = &t.source else { continue };
        // A number without axes is an addend of the architecture; a list of one is the bias of one output.
        let bias = n.op == "Add" && names.len() == 2 && t.shape == [1] && {
            let other = names[1 - i];
            im.env.get(other).is_some_and(|&x| is_product(im, x))
        };
        if t.kind == Kind::Float && (trained || bias) {
            let (shape, data) = (t.shape.clone(), data.to_vec());
            let hidden = im.g.weight(shape, data);
            im.env.insert(name.clone(), hidden);
        }
    }
}

/// Whether a tensor is a product with weights, or a view of one.
fn is_product(im: &Importer, x: TensorId) -> bool {
    match &im.g.get(x).source {
        Source::Op(RealOp::Contract(c)) => [c.lhs.tensor, c.rhs.tensor].iter().any(|&t| im.g.as_const(t).is_some()),
        Source::Op(RealOp::Reshape(inner)) => is_product(im, *inner),
        _ => false,
    }
}

//! Activation functions that recurrent layers name in a list.

use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};

/// A named function with its two parameters.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    name: String,
    alpha: f64,
    beta: f64,
}

/// Default parameters; `None` for names that the standard does not have. The flags say which of them the function
/// takes from the node's lists.
fn defaults(name: &str) -> Option<((f64, bool), (f64, bool))> {
    let none = (0.0, false);
    Some(match name {
        "relu" | "tanh" | "sigmoid" | "softsign" | "softplus" => (none, none),
        "affine" => ((1.0, true), (0.0, true)),
        "leakyrelu" => ((0.01, true), none),
        "thresholdedrelu" | "elu" => ((1.0, true), none),
        "scaledtanh" => ((1.0, true), (1.0, true)),
        "hardsigmoid" => ((0.2, true), (0.5, true)),
        _ => return None,
    })
}

/// The functions of each direction, from the attributes `activations`, `activation_alpha` and `activation_beta`;
/// parameters are handed out in order to the functions that take them.
///
/// # Errors
/// `Malformed` for a wrong number of names, `Unsupported` for a name that is not known.
pub(super) fn list(n: &Node, usual: &[&str], dirs: usize) -> Result<Vec<Vec<Activation>>> {
    let given = n.strings("activations")?.filter(|v| !v.is_empty());
    let names = match given {
        None => usual.iter().cycle().take(usual.len() * dirs).map(|s| (*s).to_string()).collect(),
        Some(v) if v.len() == usual.len() * dirs => v,
        Some(v) => {
            let want = usual.len() * dirs;
            return Err(n.malformed(format!("attribute `activations` has {} names, expected {want}", v.len())));
        }
    };
    let (alphas, betas) = (n.floats("activation_alpha")?, n.floats("activation_beta")?);
    let (mut alphas, mut betas) = (alphas.unwrap_or_default().into_iter(), betas.unwrap_or_default().into_iter());
    let mut out = Vec::new();
    for name in names {
        let Some((a, b)) = defaults(&name.to_lowercase()) else {
            return Err(n.unsupported(format!("activation function `{name}`"), "use one that the standard names"));
        };
        let take = |(usual, takes): (f64, bool), list: &mut std::vec::IntoIter<f64>| {
            if takes { list.next().unwrap_or(usual) } else { usual }
        };
        let (alpha, beta) = (take(a, &mut alphas), take(b, &mut betas));
        out.push(Activation { name: name.to_lowercase(), alpha, beta });
    }
    Ok(out.chunks(usual.len()).map(<[Activation]>::to_vec).collect())
}

impl Activation {
    /// The function as an expression.
    pub fn expr(&self) -> Expr {
        let (x, c) = (|| Expr::X, Expr::Const);
        let (alpha, beta) = (self.alpha, self.beta);
        let positive = || Expr::bin(Bin::Sub, c(1.0), Expr::un(Un::NonNegative, Expr::affine(-1.0, 0.0)));
        match self.name.as_str() {
            "relu" => Expr::bin(Bin::Max, x(), c(0.0)),
            "sigmoid" => Expr::un(Un::Sigmoid, x()),
            "softsign" => Expr::bin(Bin::Div, x(), Expr::bin(Bin::Add, c(1.0), Expr::un(Un::Abs, x()))),
            "softplus" => Expr::un(Un::Softplus, x()),
            "affine" => Expr::affine(alpha, beta),
            "leakyrelu" => Expr::select(positive(), x(), Expr::affine(alpha, 0.0)),
            "thresholdedrelu" => Expr::select(Expr::un(Un::NonNegative, Expr::affine(1.0, -alpha)), x(), c(0.0)),
            "scaledtanh" => Expr::bin(Bin::Mul, c(alpha), Expr::un(Un::Tanh, Expr::affine(beta, 0.0))),
            "hardsigmoid" => Expr::bin(Bin::Max, c(0.0), Expr::bin(Bin::Min, c(1.0), Expr::affine(alpha, beta))),
            "elu" => {
                let arm = Expr::bin(Bin::Mul, c(alpha), Expr::bin(Bin::Sub, Expr::un(Un::Exp, x()), c(1.0)));
                Expr::select(positive(), x(), arm)
            }
            _ => Expr::un(Un::Tanh, x()),
        }
    }
}

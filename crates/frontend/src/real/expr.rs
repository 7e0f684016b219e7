//! Scalar functions as small expression trees, so that chains of element-wise operators on one tensor become one
//! function and later one table.

use std::sync::Arc;

/// Functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Un {
    Abs,
    Sign,
    Exp,
    Log,
    Sqrt,
    Recip,
    Sigmoid,
    Tanh,
    Erf,
    Gelu,
    Softplus,
    Floor,
    Ceil,
    RoundEven,
    Trunc,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    /// 1 where the argument is at least 0.
    NonNegative,
    /// 1 where the argument is 0.
    IsZero,
}

/// Functions of two arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bin {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    /// Remainder with the sign of the divisor.
    Mod,
    /// Remainder with the sign of the dividend.
    Fmod,
}

/// A function of `X`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    X,
    Const(f64),
    Un(Un, Arc<Expr>),
    Bin(Bin, Arc<Expr>, Arc<Expr>),
    /// The second where the first is not 0, else the third.
    Select(Arc<Expr>, Arc<Expr>, Arc<Expr>),
}

impl Expr {
    pub fn un(f: Un, x: Expr) -> Self {
        Self::Un(f, Arc::new(x))
    }

    pub fn bin(f: Bin, a: Expr, b: Expr) -> Self {
        match (f, &a, &b) {
            (Bin::Mul, Self::Const(c), _) if *c == 1.0 => b,
            (Bin::Mul | Bin::Div, _, Self::Const(c)) if *c == 1.0 => a,
            (Bin::Add, Self::Const(c), _) if *c == 0.0 => b,
            (Bin::Add | Bin::Sub, _, Self::Const(c)) if *c == 0.0 => a,
            _ => Self::Bin(f, Arc::new(a), Arc::new(b)),
        }
    }

    pub fn select(c: Expr, a: Expr, b: Expr) -> Self {
        Self::Select(Arc::new(c), Arc::new(a), Arc::new(b))
    }

    /// `a x + c`.
    pub fn affine(a: f64, c: f64) -> Self {
        Self::bin(Bin::Add, Self::bin(Bin::Mul, Self::Const(a), Self::X), Self::Const(c))
    }

    /// Value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        match self {
            Self::X => x,
            Self::Const(c) => *c,
            Self::Un(f, e) => f.at(e.at(x)),
            Self::Bin(f, a, b) => f.at(a.at(x), b.at(x)),
            Self::Select(c, a, b) => {
                if c.at(x) != 0.0 {
                    a.at(x)
                } else {
                    b.at(x)
                }
            }
        }
    }

    /// This function of `inner(x)`.
    pub fn of(&self, inner: &Expr) -> Expr {
        let go = |e: &Arc<Expr>| e.of(inner);
        match self {
            Self::X => inner.clone(),
            Self::Const(c) => Self::Const(*c),
            Self::Un(f, e) => Self::un(*f, go(e)),
            Self::Bin(f, a, b) => Self::bin(*f, go(a), go(b)),
            Self::Select(c, a, b) => Self::select(go(c), go(a), go(b)),
        }
    }

    /// `(a, c)` if the function is `a x + c`.
    pub fn as_affine(&self) -> Option<(f64, f64)> {
        match self {
            Self::X => Some((1.0, 0.0)),
            Self::Const(c) => Some((0.0, *c)),
            Self::Bin(f, l, r) => {
                let ((a, c), (b, d)) = (l.as_affine()?, r.as_affine()?);
                match f {
                    Bin::Add => Some((a + b, c + d)),
                    Bin::Sub => Some((a - b, c - d)),
                    Bin::Mul if a == 0.0 => Some((c * b, c * d)),
                    Bin::Mul if b == 0.0 => Some((d * a, d * c)),
                    Bin::Div if b == 0.0 && d != 0.0 => Some((a / d, c / d)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether the function rises strictly, or falls strictly, wherever it is defined; `None` if neither is known.
    pub fn grows(&self) -> Option<bool> {
        match self {
            Self::X => Some(true),
            Self::Un(f, e) => Some(f.grows()? == e.grows()?),
            Self::Bin(Bin::Add, e, c) | Self::Bin(Bin::Add, c, e) if matches!(**c, Self::Const(_)) => e.grows(),
            Self::Bin(Bin::Sub, e, c) if matches!(**c, Self::Const(_)) => e.grows(),
            Self::Bin(Bin::Sub, c, e) if matches!(**c, Self::Const(_)) => e.grows().map(|up| !up),
            Self::Bin(Bin::Mul, e, c) | Self::Bin(Bin::Mul, c, e) | Self::Bin(Bin::Div, e, c) if matches!(**c, Self::Const(v) if v != 0.0) => {
                Some(e.grows()? == (c.at(0.0) > 0.0))
            }
            _ => None,
        }
    }

    /// The arguments of logarithms, roots and powers within that must not be negative, or must be positive (`true`), for
    /// the function to have a value.
    pub fn bounded(&self) -> Vec<(Expr, bool)> {
        let own = |e: &Arc<Expr>, positive: bool| [e.bounded(), vec![((**e).clone(), positive)]].concat();
        match self {
            Self::X | Self::Const(_) => Vec::new(),
            Self::Un(Un::Log, e) => own(e, true),
            Self::Un(Un::Sqrt, e) => own(e, false),
            Self::Bin(Bin::Pow, e, c) if matches!(**c, Self::Const(v) if v.fract() != 0.0) => own(e, false),
            Self::Un(_, e) => e.bounded(),
            Self::Bin(_, a, b) => [a.bounded(), b.bounded()].concat(),
            Self::Select(c, _, none) => match (&**c, &**none) {
                (Self::Un(Un::NonNegative, e), Self::Const(v)) if v.is_nan() => own(e, false),
                _ => Vec::new(),
            },
        }
    }

    /// Whether the function compares or rounds. A choice between two arms counts as continuous if the arms are: activations
    /// are written that way.
    pub fn jumps(&self) -> bool {
        match self {
            Self::X | Self::Const(_) => false,
            Self::Un(f, e) => {
                let step = matches!(f, Un::Sign | Un::NonNegative | Un::IsZero) || f.rounds();
                step || e.jumps()
            }
            Self::Bin(_, a, b) | Self::Select(_, a, b) => a.jumps() || b.jumps(),
        }
    }

    /// Whether the function or a part of it is of some form.
    pub fn any(&self, is: &dyn Fn(&Expr) -> bool) -> bool {
        is(self)
            || match self {
                Self::X | Self::Const(_) => false,
                Self::Un(_, e) => e.any(is),
                Self::Bin(_, a, b) => a.any(is) || b.any(is),
                Self::Select(c, a, b) => c.any(is) || a.any(is) || b.any(is),
            }
    }

    /// Number of nodes, to keep fused expressions small.
    pub fn size(&self) -> usize {
        match self {
            Self::X | Self::Const(_) => 1,
            Self::Un(_, e) => 1 + e.size(),
            Self::Bin(_, a, b) => 1 + a.size() + b.size(),
            Self::Select(c, a, b) => 1 + c.size() + a.size() + b.size(),
        }
    }
}

impl Un {
    /// As [`Expr::grows`].
    fn grows(self) -> Option<bool> {
        match self {
            Self::Exp | Self::Log | Self::Sqrt | Self::Sigmoid | Self::Tanh | Self::Erf | Self::Softplus => Some(true),
            Self::Asin | Self::Atan | Self::Sinh | Self::Asinh | Self::Acosh | Self::Atanh => Some(true),
            Self::Acos => Some(false),
            _ => None,
        }
    }

    /// Whether the results are the whole numbers near the argument.
    pub fn rounds(self) -> bool {
        matches!(self, Self::Floor | Self::Ceil | Self::RoundEven | Self::Trunc)
    }

    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Abs => x.abs(),
            Self::Sign => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Recip => 1.0 / x,
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Erf => erf(x),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::RoundEven => x.round_ties_even(),
            Self::Trunc => x.trunc(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Asin => x.asin(),
            Self::Acos => x.acos(),
            Self::Atan => x.atan(),
            Self::Sinh => x.sinh(),
            Self::Cosh => x.cosh(),
            Self::Asinh => x.asinh(),
            Self::Acosh => x.acosh(),
            Self::Atanh => x.atanh(),
            Self::NonNegative => f64::from(u8::from(x >= 0.0)),
            Self::IsZero => f64::from(u8::from(x == 0.0)),
        }
    }
}

impl Bin {
    pub fn at(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow if b == 2.0 => a * a,
            Self::Pow => a.powf(b),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
            Self::Mod => a - b * (a / b).floor(),
            Self::Fmod => a % b,
        }
    }
}

/// Error function by its Taylor series near 0 and a continued fraction elsewhere; absolute error below 1e-13.
///
/// # Source
/// Abramowitz and Stegun, 7.1.6 and 7.1.14.
pub(crate) fn erf(x: f64) -> f64 {
    let t = x.abs();
    if t > 6.0 {
        return x.signum();
    }
    if t < 2.5 {
        let (mut term, mut sum, mut n) = (t, t, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= 2.0 * t * t / (2.0 * n + 1.0);
            sum += term;
        }
        return (std::f64::consts::FRAC_2_SQRT_PI * (-t * t).exp() * sum).copysign(x);
    }
    let mut fraction = t;
    for k in (1..=60).rev() {
        fraction = t + f64::from(k) / 2.0 / fraction;
    }
    (1.0 - (-t * t).exp() / fraction / std::f64::consts::PI.sqrt()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_values_of_erf() {
        for (x, y) in
            [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (1.0, 0.842_700_792_949_714_9), (3.0, 0.999_977_909_503_001_4)]
        {
            assert!((erf(x) - y).abs() < 1e-12, "{x}: {}", erf(x));
            assert!((erf(-x) + y).abs() < 1e-12);
        }
    }

    #[test]
    fn accepts_affine_chains_as_affine() {
        let e = Expr::affine(2.0, 1.0).of(&Expr::affine(3.0, -1.0));
        assert_eq!(e.as_affine(), Some((6.0, -1.0)));
        assert_eq!(Expr::un(Un::Exp, e).as_affine(), None);
    }
}

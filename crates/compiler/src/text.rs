//! A relation as text, for people and for comparing two lowerings line by line.

use std::fmt::Write;

use proveil_relation::table::Column;
use proveil_relation::{Access, Affine, Coef, Expr, Home, Relation};

/// The relation, one declaration a line; space variables are `i0, i1, ..`, summation variables follow as `s0, ..`.
#[must_use]
pub fn to_text(relation: &Relation) -> String {
    let mut out = String::new();
    for (i, t) in relation.tensors.iter().enumerate() {
        let home = match &t.home {
            Home::Model => "model".to_owned(),
            Home::Input(k) => format!("input {k}"),
            Home::Trace => "trace".to_owned(),
            Home::Public(v) => format!("public {:?}{}", &v[..v.len().min(8)], if v.len() > 8 { ".." } else { "" }),
            Home::Output(k) => format!("output {k}"),
        };
        line(&mut out, &format!("tensor {i} `{}` {:?} {home}", t.name, t.shape));
    }
    for (i, t) in relation.tables.iter().enumerate() {
        if let Some((space, columns)) = t.expressions() {
            let row: Vec<String> = columns.iter().map(|e| expression(relation, e, space.len())).collect();
            line(&mut out, &format!("table {i} `{}` {space:?} (number, {})", t.name, row.join(", ")));
            continue;
        }
        let parts: Vec<String> = t.parts().iter().map(|p| format!("{} x {}", p.len, columns(&p.columns))).collect();
        line(&mut out, &format!("table {i} `{}` {}", t.name, parts.join(" + ")));
    }
    for l in &relation.lookups {
        let tuple: Vec<String> = l.tuple.iter().map(|e| expression(relation, e, l.space.len())).collect();
        line(&mut out, &format!("look-up `{}` {:?} ({}) in {}", l.name, l.space, tuple.join(", "), l.table));
    }
    for o in &relation.outputs {
        let value = expression(relation, &o.expr, o.space.len());
        line(&mut out, &format!("output `{}` {:?} [{}, {}] = {value}", o.name, o.space, o.lo, o.hi));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn columns(columns: &[Column]) -> String {
    let one = |c: &Column| match c {
        Column::Ramp(s) => format!("{s}.."),
        Column::Constant(k) => k.to_string(),
        Column::Values(_) => "values".to_owned(),
    };
    format!("({})", columns.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn expression(relation: &Relation, e: &Expr, vars: usize) -> String {
    let mut terms = Vec::new();
    for p in &e.products {
        let reads = format!("{} * {}", access(relation, &p.lhs, vars), access(relation, &p.rhs, vars));
        terms.push(format!("{}{}{reads}", coefficient(p.coef), sum(&p.sum)));
    }
    for l in &e.linear {
        terms.push(format!("{}{}{}", coefficient(l.coef), sum(&l.sum), access(relation, &l.access, vars)));
    }
    if e.constant.num != 0 || terms.is_empty() {
        terms.push(rational(e.constant));
    }
    terms.join(" + ")
}

fn sum(lengths: &[u32]) -> String {
    if lengths.is_empty() { String::new() } else { format!("sum{lengths:?} ") }
}

fn rational(c: Coef) -> String {
    if c.shift == 0 { c.num.to_string() } else { format!("{}/2^{}", c.num, c.shift) }
}

fn coefficient(c: Coef) -> String {
    if c == Coef::int(1) { String::new() } else { format!("{} ", rational(c)) }
}

fn access(relation: &Relation, a: &Access, vars: usize) -> String {
    let name = relation.tensors.get(a.tensor as usize).map_or("?", |t| &t.name);
    let axes: Vec<String> = a.axes.iter().map(|f| affine(f, vars)).collect();
    let mut out = format!("`{name}`[{}]", axes.join(", "));
    for g in &a.guards {
        let _ = write!(out, " if 0 <= {} < {}", affine(&g.form, vars), g.bound);
    }
    out
}

fn affine(f: &Affine, vars: usize) -> String {
    let name = |v: u32| match (v as usize).checked_sub(vars) {
        None => format!("i{v}"),
        Some(s) => format!("s{s}"),
    };
    let mut terms: Vec<String> = Vec::new();
    for &(v, c) in &f.terms {
        terms.push(if c == 1 { name(v) } else { format!("{c} {}", name(v)) });
    }
    if f.offset != 0 || terms.is_empty() {
        terms.push(f.offset.to_string());
    }
    terms.join(" + ")
}

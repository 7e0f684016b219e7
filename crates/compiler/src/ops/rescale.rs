//! Rounded shift, saturation and table: `u = floor((x + 2^(s-1)) / 2^s)`, `z = T(clamp(u))`.
//!
//! See `spec/operators/lookup.md` for why exactly one `z` satisfies the look-ups.

use proveil_graph::bounds::round_shift;
use proveil_graph::{Node, Op, Range, Table, TableId, TensorId};
use proveil_relation::{Expr, Home};

use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, bit_length, cells, wrap};
use crate::plan::{Cut, Half, Head, Limb, Step};
use crate::tables;
use crate::view::{self, View};

/// Largest sum of the two sides of an equation that must hold over the integers when it holds in the field.
const FIELD: i128 = 1 << 63;

/// Tables of so many rows are cheap enough for any node.
const SMALL_TABLE: i128 = 256;

/// What the parts of one node's lowering share.
struct Site<'a> {
    node: &'a Node,
    id: TableId,
    table: &'a Table,
    shift: u32,
    half: i64,
    /// Range of the operand.
    range: Range,
    /// Range of the rounded value.
    rounded: Range,
    space: Vec<u32>,
    z: u32,
}

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, x: TensorId, shift: u32, id: TableId) -> Result<View, LowerError> {
    let name = &node.name;
    let undefined = || LowerError::Undefined { name: name.clone(), what: "table", index: id.0 as usize };
    let graph = l.graph;
    let table = graph.tables.get(id.0 as usize).filter(|t| !t.values.is_empty()).ok_or_else(undefined)?;
    let range = l.range(name, x)?;
    if shift > 60 {
        return Err(wrap(name, "the shift", 1 << shift.min(120)));
    }
    let rounded = Range { lo: round_shift(range.lo, shift), hi: round_shift(range.hi, shift) };
    let (factors, exprs) = l.operands(name, &[x])?;
    let span = i128::from(range.hi) - i128::from(range.lo) + 1;
    // A table of this node's own must not have more rows than it saves look-ups.
    let cells: i128 = factors.iter().flatten().map(|&n| i128::from(n)).product();
    let cap = cells.max(SMALL_TABLE).min(1 << l.limb_bits);
    let wide_cap = (2 * cells.max(SMALL_TABLE)).min(1 << l.limb_bits);
    let reach = reachable(table, rounded);
    if reach.iter().all(|v| *v == reach[0]) {
        return Ok(View { factors, expr: view::constant(reach[0]) });
    }
    let z = l.commit_as(node.out, name, &factors, Home::Trace);
    let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let site = Site { node, id, table, shift, half, range, rounded, space: factors.concat(), z };
    let expr = exprs.into_iter().next().unwrap_or_else(view::zero);
    let inside = table.lo <= rounded.lo && rounded.hi < table.lo + table.values.len() as i64;
    let (limbs, head) = if shift > 0 && span <= cap {
        (Vec::new(), direct(l, &site, expr))
    } else if inside && !site.in_digits(l) || i128::from(rounded.hi) - i128::from(rounded.lo) < wide_cap {
        site.rounded(l, expr, inside)?
    } else {
        site.saturated(l, expr)?
    };
    l.plan.steps.push(Step::Rescale { x, z: node.out, shift, limbs, head });
    l.view(name, node.out).cloned()
}

/// Values of the table that a range of arguments reaches.
fn reachable(table: &Table, rounded: Range) -> &[i64] {
    let last = table.values.len() as i64 - 1;
    let at = |u: i64| u.saturating_sub(table.lo).clamp(0, last) as usize;
    &table.values[at(rounded.lo)..=at(rounded.hi).max(at(rounded.lo))]
}

/// One look-up `(x, z)` in a table of all operands.
fn direct(l: &mut Lowering, site: &Site, expr: Expr) -> Head {
    let values: Vec<i64> = (site.range.lo..=site.range.hi).map(|x| site.at(round_shift(x, site.shift))).collect();
    let label = format!("{} >> {}", site.table.name, site.shift);
    let table = l.table(&label, tables::function(site.range.lo, &values));
    Head::Direct { lookup: site.look(l, "table", table, vec![expr, site.result()]) }
}

impl Site<'_> {
    /// The function with saturation.
    fn at(&self, u: i64) -> i64 {
        let last = self.table.values.len() as i64 - 1;
        self.table.values[u.saturating_sub(self.table.lo).clamp(0, last) as usize]
    }

    fn result(&self) -> Expr {
        cells(self.z, self.space.len())
    }

    fn look(&self, l: &mut Lowering, what: &str, table: u32, tuple: Vec<Expr>) -> u32 {
        l.lookup(&format!("{}/{what}", self.node.name), &self.space, table, tuple)
    }

    /// `x + half - r` with the digits of `r` committed and ranged.
    fn floor(&self, l: &mut Lowering, mut expr: Expr) -> Result<(Expr, Vec<Limb>), LowerError> {
        let name = &self.node.name;
        view::add(&mut expr, &view::constant(self.half), 1).ok_or_else(|| wrap(name, "the accumulator", LIMIT))?;
        let mut limbs = Vec::new();
        let mut offset = 0;
        while offset < self.shift {
            let bits = l.limb_bits.min(self.shift - offset);
            let limb = l.digit(&format!("{name}/remainder{offset}"), &self.space, offset, bits);
            l.subtract(name, &mut expr, limb.tensor, self.space.len(), 1 << offset)?;
            limbs.push(limb);
            offset += bits;
        }
        Ok((expr, limbs))
    }

    /// Largest value of the side of the equation that holds the operand.
    fn operand_size(&self) -> i128 {
        let size = i128::from(self.range.lo).abs().max(i128::from(self.range.hi).abs());
        size + i128::from(self.half) + (1 << self.shift)
    }

    /// Look-ups of the remainder and of `(u, z)`.
    fn rounded(&self, l: &mut Lowering, expr: Expr, inside: bool) -> Result<(Vec<Limb>, Head), LowerError> {
        let (sum, limbs) = self.floor(l, expr)?;
        let len = self.table.values.len() as i128;
        let size = i128::from(self.table.lo).abs().max(i128::from(self.table.lo) + len);
        let reached = i128::from(self.rounded.hi) - i128::from(self.rounded.lo) + 1;
        let whole = inside && reached * 4 > len && (size << self.shift) + self.operand_size() < FIELD;
        let (label, parts) = if whole {
            (self.table.name.clone(), tables::function(self.table.lo, &self.table.values))
        } else {
            let Range { lo, hi } = self.rounded;
            let values: Vec<i64> = (lo..=hi).map(|u| self.at(u)).collect();
            (format!("{} on [{lo}, {hi}]", self.table.name), tables::function(lo, &values))
        };
        let table = l.table(&label, parts);
        let tuple = vec![view::divide(sum, self.shift), self.result()];
        Ok((limbs, Head::Rounded { lookup: self.look(l, "table", table, tuple) }))
    }

    /// Look-ups of the remainder, of the sign of what is above the table, and of `(sign, low, z)`.
    fn saturated(&self, l: &mut Lowering, expr: Expr) -> Result<(Vec<Limb>, Head), LowerError> {
        let name = &self.node.name;
        let bits = self.table.values.len().ilog2();
        let base = self.shift + bits;
        let top = self.top(l.limb_bits, base)?;
        let (mut sum, digits) = self.floor(l, expr)?;
        let lo = i64::try_from(i128::from(self.table.lo) << self.shift);
        let lo = lo.map_err(|_| wrap(name, "the table's start", LIMIT))?;
        view::add(&mut sum, &view::constant(1), -lo).ok_or_else(|| wrap(name, "the accumulator", LIMIT))?;
        let lows = self.lows(l, bits);
        for (low, offset, _) in &lows {
            l.subtract(name, &mut sum, *low, self.space.len(), 1 << (self.shift + offset))?;
        }
        let (mut limbs, mut offset) = (Vec::new(), 0);
        while offset < top.offset {
            let width = l.limb_bits.min(top.offset - offset);
            let limb = l.digit(&format!("{name}/head{offset}"), &self.space, offset, width);
            l.subtract(name, &mut sum, limb.tensor, self.space.len(), 1 << (base + offset))?;
            limbs.push(limb);
            offset += width;
        }
        limbs.reverse();
        let mut sign = l.commit(&format!("{name}/sign"), std::slice::from_ref(&self.space));
        let table = l.table(&format!("sign on [{}, {}]", top.lo, top.hi), tables::sign(top.lo, top.hi));
        let head = view::divide(sum, base + top.offset);
        let top_lookup = self.look(l, "sign", table, vec![head, cells(sign, self.space.len())]);
        let (mut pairs, mut links) = (Vec::new(), Vec::new());
        for limb in limbs {
            let next = l.commit(&format!("{name}/sign{}", limb.offset), std::slice::from_ref(&self.space));
            let table = l.table(&format!("sign of {} more bits", limb.bits), tables::head(limb.bits));
            let tuple = [sign, limb.tensor, next].map(|t| cells(t, self.space.len())).to_vec();
            links.push(self.look(l, &format!("sign{}", limb.offset), table, tuple));
            pairs.push((limb, std::mem::replace(&mut sign, next)));
        }
        let head = Head::Saturated {
            lo: self.table.lo,
            bits,
            sigma: sign,
            cut: self.cut(l, sign, &lows)?,
            top: top_lookup,
            top_offset: top.offset,
            limbs: pairs,
            links,
        };
        Ok((digits, head))
    }

    /// Commits the bits inside the domain: (tensor, first bit, number of bits), one or two.
    fn lows(&self, l: &mut Lowering, bits: u32) -> Vec<(u32, u32, u32)> {
        let low = bits / 2;
        let parts = if self.halves(l, bits) { vec![(0, low), (low, bits - low)] } else { vec![(0, bits)] };
        let name = |at: u32| if at == 0 { "low".into() } else { format!("low{at}") };
        let commit = |(at, bits)| {
            (l.commit(&format!("{}/{}", self.node.name, name(at)), std::slice::from_ref(&self.space)), at, bits)
        };
        parts.into_iter().map(commit).collect()
    }

    /// Whether cutting to the domain in halves, before the table, commits to less than a table of three parts.
    ///
    /// Every row is a cell of the trace (its multiplicity) and one of the helper; so is a look-up, with what it
    /// commits to. All nodes with this table count, since they share it.
    fn halves(&self, l: &Lowering, bits: u32) -> bool {
        let rows = 1i128 << bits;
        let cells = self.all_cells(l);
        let (before, after) = if self.steady() { (6 * rows, 3 * cells) } else { (4 * rows, 5 * cells) };
        rows > SMALL_TABLE && after < before
    }

    /// Whether the result of a plain rounding is better ranged in two digits than in a table of all its values: two
    /// more look-ups and four more cells each, against two cells a row.
    fn in_digits(&self, l: &Lowering) -> bool {
        let rows = self.table.values.len() as i128;
        let halves = 6i128 << rows.ilog2().div_ceil(2);
        rows > SMALL_TABLE && self.steady() && 3 * self.all_cells(l) + halves < rows
    }

    /// Cells of all nodes with this table, since they share it.
    fn all_cells(&self, l: &Lowering) -> i128 {
        let nodes = l.graph.nodes.iter().filter(|n| matches!(n.op, Op::Lookup { table, .. } if table == self.id));
        nodes.map(|n| l.graph.get(n.out).map_or(0, |t| t.shape.iter().product::<usize>() as i128)).sum()
    }

    /// Whether the function is the identity but for a constant.
    fn steady(&self) -> bool {
        self.table.values.windows(2).all(|w| w[0].checked_add(1) == Some(w[1]))
    }

    /// Look-ups of the result.
    fn cut(&self, l: &mut Lowering, sign: u32, lows: &[(u32, u32, u32)]) -> Result<Cut, LowerError> {
        let (name, vars) = (&self.node.name, self.space.len());
        let [(low, ..), (high, middle, top)] = *lows else {
            let table = l.table(&format!("{} saturated", self.table.name), tables::saturated(&self.table.values));
            let tuple = [sign, lows[0].0, self.z].map(|t| cells(t, vars)).to_vec();
            return Ok(Cut::Whole { low: lows[0].0, lookup: self.look(l, "table", table, tuple) });
        };
        let steady = self.steady();
        let half = |l: &mut Lowering, (at, bits): (u32, u32), low: u32, cut: Option<u32>, after: Expr| {
            let clamp: Vec<i64> = (0..1i64 << bits).collect();
            let table = l.table(&format!("cut to {bits} bits"), tables::saturated(&clamp));
            let tuple = vec![cells(sign, vars), cells(low, vars), after];
            let what = if steady && cut.is_none() { "table".into() } else { format!("cut{at}") };
            Half { low: Limb { tensor: low, lookup: self.look(l, &what, table, tuple), offset: at, bits }, cut }
        };
        let first = l.commit(&format!("{name}/cut"), std::slice::from_ref(&self.space));
        let below = half(l, (0, middle), low, Some(first), cells(first, vars));
        if steady {
            let mut rest = self.result();
            let start = self.table.values[0].checked_neg().ok_or_else(|| wrap(name, "the table's start", LIMIT))?;
            view::add(&mut rest, &view::constant(start), 1).ok_or_else(|| wrap(name, "the result", LIMIT))?;
            l.subtract(name, &mut rest, first, vars, 1)?;
            let above = half(l, (middle, top), high, None, view::divide(rest, middle));
            return Ok(Cut::Halves { halves: [below, above], result: None });
        }
        let second = l.commit(&format!("{name}/cut{middle}"), std::slice::from_ref(&self.space));
        let above = half(l, (middle, top), high, Some(second), cells(second, vars));
        let mut argument = cells(first, vars);
        l.subtract(name, &mut argument, second, vars, -(1 << middle))?;
        view::add(&mut argument, &view::constant(self.table.lo), 1).ok_or_else(|| wrap(name, "the argument", LIMIT))?;
        let table = l.table(&self.table.name, tables::function(self.table.lo, &self.table.values));
        let result = Some(self.look(l, "table", table, vec![argument, self.result()]));
        Ok(Cut::Halves { halves: [below, above], result })
    }

    /// The part of the head that goes into the sign table.
    fn top(&self, limb_bits: u32, base: u32) -> Result<Top, LowerError> {
        let bits = base - self.shift;
        let first = |u: i64| (i128::from(u) - i128::from(self.table.lo)) >> bits;
        let (lo, hi) = (first(self.rounded.lo), first(self.rounded.hi));
        let signed = bit_length(hi).max(bit_length(-lo - 1)) + 1;
        let offset = signed.saturating_sub(limb_bits);
        let symmetric = 1i128 << (signed - offset - 1);
        let tops = [(-symmetric, symmetric - 1), (lo >> offset, hi >> offset)];
        let start = i128::from(self.table.lo).abs() << self.shift;
        let size = |(lo, hi): (i128, i128)| lo.abs().max(hi + 1) << (base + offset);
        let fits = |top: &(i128, i128)| base + offset < 62 && size(*top) + start + self.operand_size() < FIELD;
        match tops.iter().find(|top| fits(top)) {
            Some(&(lo, hi)) => Ok(Top { offset, lo: lo as i64, hi: hi as i64 }),
            None => Err(wrap(&self.node.name, "the head of the accumulator", size(tops[1]) + start)),
        }
    }
}

/// Range of the head's top and the bits below it.
struct Top {
    offset: u32,
    lo: i64,
    hi: i64,
}

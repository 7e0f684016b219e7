//! The look-up tables that operators use, in closed form wherever their rows have one.

use proveil_relation::table::{Column, Part};

/// Runs shorter than this are stored as values: a closed part costs the verifier more than so many rows.
const MIN_RUN: usize = 32;

/// The rows `0 .. rows`.
pub fn range(rows: u32) -> Vec<Part> {
    vec![Part { len: rows, columns: vec![Column::Ramp(0)] }]
}

/// Rows `(lo + i, values[i])`.
pub fn function(lo: i64, values: &[i64]) -> Vec<Part> {
    pieces(values)
        .into_iter()
        .map(|(at, len, column)| Part { len, columns: vec![Column::Ramp(lo + at as i64), column] })
        .collect()
}

/// Rows `(h, sign of h)` for `lo <= h <= hi`.
pub fn sign(lo: i64, hi: i64) -> Vec<Part> {
    let part = |from: i64, to: i64, sign: i64| {
        (from <= to)
            .then(|| Part { len: (to - from + 1) as u32, columns: vec![Column::Ramp(from), Column::Constant(sign)] })
    };
    [part(lo, hi.min(-1), -1), part(lo.max(0), hi.min(0), 0), part(lo.max(1), hi, 1)].into_iter().flatten().collect()
}

/// Rows `(a, g, sign of a * 2^bits + g)` for a sign `a` and `0 <= g < 2^bits`.
pub fn head(bits: u32) -> Vec<Part> {
    let part = |len, above, from, sign| Part {
        len,
        columns: vec![Column::Constant(above), Column::Ramp(from), Column::Constant(sign)],
    };
    let len = 1u32 << bits;
    let parts = [part(len, -1, 0, -1), part(1, 0, 0, 0), part(len - 1, 0, 1, 1), part(len, 1, 0, 1)];
    parts.into_iter().filter(|p| p.len > 0).collect()
}

/// Rows `(sigma, u, z)`: below the domain the first value, in it the function, above it the last value.
pub fn saturated(values: &[i64]) -> Vec<Part> {
    let len = values.len() as u32;
    let flat =
        |sigma, value| Part { len, columns: vec![Column::Constant(sigma), Column::Ramp(0), Column::Constant(value)] };
    let mut parts = vec![flat(-1, values[0])];
    parts.extend(
        pieces(values)
            .into_iter()
            .map(|(at, len, column)| Part { len, columns: vec![Column::Constant(0), Column::Ramp(at as i64), column] }),
    );
    parts.push(flat(1, values[values.len() - 1]));
    parts
}

/// Cuts values into long constant or rising runs and stored stretches: (start, length, column).
fn pieces(values: &[i64]) -> Vec<(usize, u32, Column)> {
    let mut out = Vec::new();
    let (mut stored, mut at) = (0, 0);
    while at < values.len() {
        let flat = run(&values[at..], 0);
        let ramp = run(&values[at..], 1);
        let len = flat.max(ramp);
        if len < MIN_RUN {
            // The last cell of a run may begin the next one.
            at += (len - 1).max(1);
            continue;
        }
        if stored < at {
            out.push((stored, (at - stored) as u32, Column::Values(values[stored..at].to_vec())));
        }
        let column = if flat >= ramp { Column::Constant(values[at]) } else { Column::Ramp(values[at]) };
        out.push((at, len as u32, column));
        at += len;
        stored = at;
    }
    if stored < values.len() {
        out.push((stored, (values.len() - stored) as u32, Column::Values(values[stored..].to_vec())));
    }
    out
}

/// Length of the first run with the given step.
fn run(values: &[i64], step: i64) -> usize {
    1 + values.windows(2).take_while(|w| w[0].checked_add(step) == Some(w[1])).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_relation::table::Table;

    fn rows(parts: Vec<Part>) -> Vec<Vec<i64>> {
        Table::public(String::new(), parts).materialise()
    }

    #[test]
    fn matches_reference_rows_of_closed_forms() {
        let relu: Vec<i64> = (-100..100).map(|x: i64| x.max(0)).collect();
        let parts = function(-100, &relu);
        assert_eq!(parts.len(), 2);
        let expect: Vec<Vec<i64>> = (-100..100).map(|x: i64| vec![x, x.max(0)]).collect();
        assert_eq!(rows(parts), expect);
        assert_eq!(rows(sign(-2, 1)), [[-2, -1], [-1, -1], [0, 0], [1, 1]]);
        assert_eq!(rows(sign(1, 2)), [[1, 1], [2, 1]]);
        assert_eq!(rows(head(1)), [[-1, 0, -1], [-1, 1, -1], [0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]]);
        assert_eq!(rows(saturated(&[5, 9])), [[-1, 0, 5], [-1, 1, 5], [0, 0, 5], [0, 1, 9], [1, 0, 9], [1, 1, 9]]);
    }

    #[test]
    fn matches_reference_rows_of_mixed_values() {
        let mut values: Vec<i64> = (0..50).map(|i| i * i).collect();
        values.extend([7; 40]);
        values.extend((0..45).map(|i| 7 + i));
        values.extend([1, 2, 3]);
        let expect: Vec<Vec<i64>> = values.iter().enumerate().map(|(i, v)| vec![i as i64 - 9, *v]).collect();
        let parts = function(-9, &values);
        assert_eq!(parts.len(), 4);
        assert_eq!(rows(parts), expect);
    }
}

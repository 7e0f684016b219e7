//! The innermost loops of the fast evaluator: dot products and multiples of rows, over operands that are read
//! with a constant step. Steps of 0 and 1 have loops of their own, which the compiler can vectorise.

/// Cells read from `start` on with a constant step, which may be negative.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub cells: &'a [i64],
    pub start: usize,
    pub step: i64,
}

impl<'a> Run<'a> {
    fn at(&self, i: usize) -> i64 {
        self.cells[(self.start as i64 + i as i64 * self.step) as usize]
    }

    fn contiguous(&self, count: usize) -> &'a [i64] {
        &self.cells[self.start..self.start + count]
    }
}

/// Sum of `count` cells, or of products of two runs, modulo 2^64.
pub(super) fn dot(lhs: Run, rhs: Option<Run>, count: usize) -> i64 {
    match rhs {
        Some(rhs) if (lhs.step, rhs.step) == (1, 1) => {
            let pairs = lhs.contiguous(count).iter().zip(rhs.contiguous(count));
            pairs.fold(0, |sum: i64, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)))
        }
        Some(rhs) => (0..count).fold(0, |sum: i64, i| sum.wrapping_add(lhs.at(i).wrapping_mul(rhs.at(i)))),
        None if lhs.step == 1 => lhs.contiguous(count).iter().fold(0, |sum: i64, a| sum.wrapping_add(*a)),
        None => (0..count).fold(0, |sum: i64, i| sum.wrapping_add(lhs.at(i))),
    }
}

/// Adds `coef * lhs` or `coef * lhs * rhs` to a row, cell by cell, modulo 2^64.
pub(super) fn add_row(row: &mut [i64], lhs: Run, rhs: Option<Run>, coef: i64) {
    let Some(rhs) = rhs else { return add_multiple(row, lhs, coef) };
    match (lhs.step, rhs.step) {
        (0, _) => add_multiple(row, rhs, coef.wrapping_mul(lhs.at(0))),
        (_, 0) => add_multiple(row, lhs, coef.wrapping_mul(rhs.at(0))),
        (1, 1) => {
            let (a, b) = (lhs.contiguous(row.len()), rhs.contiguous(row.len()));
            for (cell, (a, b)) in row.iter_mut().zip(a.iter().zip(b)) {
                *cell = cell.wrapping_add(a.wrapping_mul(*b).wrapping_mul(coef));
            }
        }
        _ => {
            for (i, cell) in row.iter_mut().enumerate() {
                *cell = cell.wrapping_add(lhs.at(i).wrapping_mul(rhs.at(i)).wrapping_mul(coef));
            }
        }
    }
}

fn add_multiple(row: &mut [i64], run: Run, factor: i64) {
    match run.step {
        0 => {
            let value = run.at(0).wrapping_mul(factor);
            row.iter_mut().for_each(|cell| *cell = cell.wrapping_add(value));
        }
        1 => {
            let cells = run.contiguous(row.len());
            for (cell, x) in row.iter_mut().zip(cells) {
                *cell = cell.wrapping_add(x.wrapping_mul(factor));
            }
        }
        _ => {
            for (i, cell) in row.iter_mut().enumerate() {
                *cell = cell.wrapping_add(run.at(i).wrapping_mul(factor));
            }
        }
    }
}

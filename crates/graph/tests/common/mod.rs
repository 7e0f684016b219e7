//! Random graphs with inputs for them.

use proveil_graph::{
    Access, Affine, Builder, Contract, ConvSpec, Graph, GraphError, Params, Piece, PoolSpec, Range, TensorId,
};

const BYTE: Range = Range { lo: -128, hi: 127 };

/// A small deterministic source of choices.
pub struct Source(pub u64);

impl Source {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    pub fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as usize) as i64
    }

    fn shape(&mut self, rank: usize, longest: usize) -> Vec<usize> {
        (0..rank).map(|_| 1 + self.below(longest)).collect()
    }

    pub fn bytes(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| self.within(-128, 127)).collect()
    }

    fn affine(&mut self, vars: usize) -> Affine {
        let mut terms = Vec::new();
        for var in 0..vars {
            if self.below(3) == 0 {
                terms.push((var, self.within(-3, 3)));
            }
        }
        Affine::new(&terms, self.within(-2, 4))
    }

    fn access(&mut self, tensor: TensorId, rank: usize, vars: usize) -> Access {
        Access { tensor, axes: (0..rank).map(|_| self.affine(vars)).collect() }
    }
}

/// A graph of one random linear operator and one random contraction, with accesses of all kinds.
pub fn wild(source: &mut Source) -> Result<(Graph, Params, Vec<Vec<i64>>), GraphError> {
    let mut b = Builder::new();
    let rank = source.below(4);
    let shape = source.shape(rank, 5);
    let x = b.input("x", &shape, BYTE, 0)?;
    let cells = shape.iter().product();
    let w = b.param("w", &shape, BYTE, 0, source.bytes(cells))?;
    let rank = source.below(4);
    let out = source.shape(rank, 4);
    let pieces = (0..source.below(4)).map(|_| {
        let start: Vec<usize> = out.iter().map(|&len| source.below(len)).collect();
        let extents: Vec<usize> = out.iter().zip(&start).map(|(&len, &s)| 1 + source.below(len - s)).collect();
        let summed = source.below(3);
        let sum = source.shape(summed, 4);
        let tensor = if source.below(2) == 0 { x } else { w };
        let access = source.access(tensor, shape.len(), out.len() + sum.len());
        Piece { start, extents, sum, coef: source.within(1, 9) - 10, access }
    });
    let pieces = pieces.collect();
    let y = b.linear("linear", &out, pieces, source.within(-50, 50), 0)?;
    let vars = source.below(6);
    let extents = source.shape(vars, 4);
    let mut axes: Vec<usize> = (0..vars).filter(|_| source.below(2) == 0).collect();
    let turn = source.below(axes.len().max(1)).min(axes.len());
    axes.rotate_left(turn);
    let (lhs, rhs) = (source.access(w, shape.len(), vars), source.access(y, out.len(), vars));
    let z = b.contract("contract", Contract { extents, out: axes, lhs, rhs })?;
    b.output(z)?;
    let (graph, params) = b.finish()?;
    Ok((graph, params, vec![source.bytes(cells)]))
}

/// A network of every convenience, with random sizes.
pub fn network(source: &mut Source) -> Result<(Graph, Params, Vec<Vec<i64>>), GraphError> {
    let mut b = Builder::new();
    let groups = 1 + source.below(2);
    let (side, channels, out_c) = (4 + source.below(4), groups * (1 + source.below(3)), groups * (1 + source.below(4)));
    let x = b.input("x", &[2, side, side + 1, channels], BYTE, 0)?;
    let kernel = [1 + source.below(3), 1 + source.below(2), out_c, channels / groups];
    let w = b.param("w", &kernel, BYTE, 0, source.bytes(kernel.iter().product()))?;
    let mut two = |low: usize, high: usize| vec![source.within(low as i64, high as i64) as usize, low];
    let spec =
        ConvSpec { strides: two(1, 2), dilations: two(1, 2), pads_before: two(0, 2), pads_after: two(1, 2), groups };
    let y = b.conv("conv", x, w, &spec)?;
    let table = b.table("byte", -128, (-128..128).collect())?;
    let y = b.lookup("requantise", y, source.within(4, 9) as u32, table, 0)?;
    let pool = PoolSpec {
        kernel: vec![1 + source.below(2), 2],
        strides: vec![1 + source.below(2), 1],
        dilations: vec![1, 1],
        pads_before: vec![source.below(2), 0],
        pads_after: vec![1, 1],
    };
    let m = b.max_pool("max_pool", y, &pool)?;
    let s = b.sum_pool("sum_pool", y, &pool)?;
    let both = b.concat("concat", &[m, s], 3)?;
    let best = b.reduce_max("reduce_max", m, &[0, 2], false)?;
    let flipped = b.transpose("transpose", best, &[1, 0])?;
    let product = b.matmul("matmul", best, flipped)?;
    let hot = b.arg_max_one_hot("arg_max", product)?;
    let index = b.one_hot_index("index", hot)?;
    let again = b.one_hot("one_hot", index, b.tensor(hot)?.shape[1])?;
    let chosen = b.select("select", again, hot, product)?;
    let rows = b.gather("gather", product, index)?;
    let squares = b.mul("squares", both, both)?;
    let sum = b.sum("sum", squares, &[1, 3], true)?;
    let root = b.sqrt("sqrt", sum, 0)?;
    let positive = b.combine("positive", &[(1, root)], 1, 0)?;
    let ratio = b.div("ratio", sum, positive, 0)?;
    for id in [chosen, ratio, rows] {
        b.output(id)?;
    }
    let (graph, params) = b.finish()?;
    Ok((graph, params, vec![source.bytes(2 * side * (side + 1) * channels)]))
}

/// One wide matrix product, above the size at which work is divided among threads.
#[allow(dead_code)]
pub fn wide(source: &mut Source, rows: usize) -> Result<(Graph, Params, Vec<Vec<i64>>), GraphError> {
    let mut b = Builder::new();
    let (inner, columns) = (100 + source.below(50), 200 + source.below(50));
    let x = b.input("x", &[rows, inner], BYTE, 0)?;
    let w = b.param("w", &[columns, inner], BYTE, 0, source.bytes(columns * inner))?;
    let t = b.transpose("t", w, &[1, 0])?;
    let y = b.matmul("y", x, t)?;
    let table = b.table("byte", -128, (-128..128).collect())?;
    let z = b.lookup("z", y, 10, table, 0)?;
    b.output(z)?;
    let (graph, params) = b.finish()?;
    Ok((graph, params, vec![source.bytes(rows * inner)]))
}

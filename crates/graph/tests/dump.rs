//! Dumps and statistics of a small network.

use proveil_graph::dump::{to_dot, to_svg, to_text};
use proveil_graph::{Builder, ConvSpec, Graph, PoolSpec, Range, Stats};

/// Convolution, activation, pooling, a dense layer and an arg-max.
fn network() -> Graph {
    let byte = Range { lo: -128, hi: 127 };
    let mut b = Builder::new();
    let x = b.input("image", &[1, 6, 1], byte, 7).unwrap();
    let w = b.param("conv/w", &[3, 2, 1], byte, 6, vec![1; 6]).unwrap();
    let y = b.conv("conv", x, w, &ConvSpec::unit(1)).unwrap();
    let relu = b.table("relu4", -8, (-8..8).map(|v: i64| v.max(0)).collect()).unwrap();
    let y = b.lookup("relu", y, 9, relu, 4).unwrap();
    let y = b.max_pool("pool", y, &PoolSpec::tiling(&[2])).unwrap();
    let y = b.reshape("flat", y, &[4]).unwrap();
    let w = b.param("dense/w<&>", &[2, 4], byte, 6, vec![1; 8]).unwrap();
    let y = b.matmul("dense", w, y).unwrap();
    let bias = b.constant("bias", &[2], vec![3, -3], 10).unwrap();
    let y = b.combine("logits", &[(2, y), (-1, bias)], 5, 10).unwrap();
    let y = b.arg_max_one_hot("class", y).unwrap();
    b.output(y).unwrap();
    b.finish().unwrap().0
}

#[test]
fn matches_reference_text() {
    let expected = r#"table #0 "relu4" -8..7 -> 0..7
%0 = input : [1, 6, 1] -128..127 scale 7 "image"
%1 = param : [3, 2, 1] -128..127 scale 6 "conv/w"
%2 = contract(%1[i3, i2, i4] * %0[i0, i1 + i3, i4], extents [1, 4, 2, 3, 1], out [0, 1, 2]) \
: [1, 4, 2] -48768..49152 scale 13 "conv"
%3 = lookup(%2 >> 9, #0) : [1, 4, 2] 0..7 scale 4 "relu"
%4 = linear(%3[i0, 2*i1, i2]) : [1, 2, 2] 0..7 scale 4 "pool/cell"
%5 = linear(%3[i0, 2*i1 + 1, i2]) : [1, 2, 2] 0..7 scale 4 "pool/cell_1"
%6 = linear(%5[i0, i1, i2] + -1 * %4[i0, i1, i2]) : [1, 2, 2] -7..7 scale 4 "pool/step"
%7 = lookup(%6, #0) : [1, 2, 2] 0..7 scale 4 "pool/rise"
%8 = linear(%4[i0, i1, i2] + %7[i0, i1, i2]) : [1, 2, 2] 0..7 scale 4 "pool"
%9 = reshape(%8) : [4] 0..7 scale 4 "flat"
%10 = param : [2, 4] -128..127 scale 6 "dense/w<&>"
%11 = contract(%10[i0, i1] * %9[i1], extents [2, 4], out [0]) : [2] -3584..3556 scale 10 "dense"
%12 = const(2 cells) : [2] -3..3 scale 10 "bias"
%13 = linear(5 + 2 * %11[i0] + -1 * %12[i0]) : [2] -7166..7120 scale 10 "logits"
%14 = arg_max_one_hot(%13) : [2] 0..1 scale 0 "class"
inputs %0
outputs %14
"#;
    let expected = expected.replace("\\\n", "");
    assert_eq!(to_text(&network()), expected);
}

#[test]
fn accepts_graphs_for_graphviz() {
    let dot = to_dot(&network());
    assert!(dot.starts_with("digraph graph {\n") && dot.ends_with("}\n"));
    assert!(dot.contains("t0 [label=\"image\\ninput\\n1×6×1  [-128, 127]\", style=filled"));
    assert!(dot.contains("  t0 -> t2;\n  t1 -> t2;\n"));
    assert_eq!(dot.matches("penwidth").count(), 1);
}

#[test]
fn accepts_graphs_as_a_picture() {
    let graph = network();
    let svg = to_svg(&graph);
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g>").count(), graph.tensors.len());
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    assert_eq!(svg.matches("stroke-width=\"3\"").count(), 1);
    assert!(svg.contains("dense/w&lt;&amp;&gt;") && !svg.contains("w<&>"));
    let edges: usize = graph.nodes.iter().map(|node| proveil_graph::shape::operands(&node.op).len()).sum();
    assert_eq!(svg.matches("marker-end").count(), edges);
    assert!(to_svg(&Graph::default()).ends_with("</svg>\n"));
}

#[test]
fn accepts_boxes_that_do_not_overlap() {
    let svg = to_svg(&network());
    let number = |line: &str, key: &str| -> i64 {
        let at = line.find(key).unwrap() + key.len();
        line[at..].split('"').next().unwrap().parse().unwrap()
    };
    let boxes: Vec<(i64, i64)> = svg
        .lines()
        .filter_map(|line| line.find("<rect x=").map(|at| &line[at..]))
        .map(|line| (number(line, " x=\""), number(line, " y=\"")))
        .collect();
    for (i, a) in boxes.iter().enumerate() {
        assert!(a.0 >= 0 && a.1 >= 0);
        assert!(boxes[..i].iter().all(|b| a.1 != b.1 || (a.0 - b.0).abs() >= 230), "{a:?}");
    }
}

#[test]
fn accepts_statistics() {
    // Convolution 4*3*2, dense 2*4; activation 8, maximum 4, arg-max 2.
    let stats = Stats::of(&network());
    assert_eq!((stats.params, stats.macs, stats.lookups), (14, 32, 14));
    assert_eq!(stats.nodes, network().nodes.len() as u64);
}

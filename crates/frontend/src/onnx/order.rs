//! Nodes in an order in which each can be computed. Files should have them so, but converters append nodes at the end,
//! and engines sort by themselves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::Node;

/// The nodes so that none reads what a later one makes; in the file's order as far as that allows. Nodes on a cycle
/// come last, where their import says what is missing.
pub(super) fn sorted(nodes: Vec<Node>) -> Vec<Node> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            first.entry(name).or_insert(i);
        }
    }
    // Names inside of bodies are no reason to leave an order that works.
    let early =
        |(i, node): (usize, &Node)| node.inputs.iter().any(|name| first.get(name.as_str()).is_some_and(|m| *m > i));
    if !nodes.iter().enumerate().any(early) {
        return nodes;
    }
    let mut waiting = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for &maker in node.reads().iter().filter_map(|name| first.get(*name)) {
            // Bodies may use the names of their node's results themselves.
            if maker != i {
                waiting[i] += 1;
                readers[maker].push(i);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..nodes.len()).filter(|i| waiting[*i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    let mut placed = vec![false; nodes.len()];
    while let Some(Reverse(i)) = ready.pop() {
        placed[i] = true;
        order.push(i);
        for &reader in &readers[i] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    order.extend((0..nodes.len()).filter(|i| !placed[*i]));
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| nodes[i].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &[(&str, &[&str])]) -> Vec<String> {
        let node = |(out, reads): &(&str, &[&str])| {
            let mut node = Node::bare("", "Add");
            (node.outputs, node.inputs) = (vec![out.to_string()], reads.iter().map(ToString::to_string).collect());
            node
        };
        sorted(list.iter().map(node).collect()).iter().map(|n| n.outputs[0].clone()).collect()
    }

    #[test]
    fn accepts_any_order_and_keeps_one_that_works() {
        assert_eq!(order(&[("b", &["x"]), ("a", &["x"]), ("c", &["a"])]), ["b", "a", "c"]);
        assert_eq!(order(&[("c", &["a", "b"]), ("b", &["a"]), ("d", &["x"]), ("a", &["x"])]), ["d", "a", "b", "c"]);
    }

    #[test]
    fn accepts_cycles_which_come_last() {
        assert_eq!(order(&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["x"])]), ["d", "c", "a", "b"]);
    }
}

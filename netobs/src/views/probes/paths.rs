//! The branches of a path as a tree, and as JSON.

use super::{ms, trace::speaker, us};
use crate::probes::{
    names::Names,
    net::Odd,
    trace::paths::{Node, Passed, Paths},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Each router once, its successors below it; where branches meet again the rest is drawn once.
pub fn tree(paths: &Paths, names: &mut Names) -> String {
    let graph = paths.graph();
    let first: Vec<Node> = graph
        .keys()
        .filter(|(ttl, _)| *ttl == paths.plan().first)
        .copied()
        .collect();
    let mut drawing = Drawing {
        graph: &graph,
        total: paths.flows(),
        names,
        drawn: BTreeSet::new(),
        text: String::new(),
    };
    drawing.nodes(&first, "");
    drawing.text.trim_end().to_owned()
}

struct Drawing<'a> {
    graph: &'a BTreeMap<Node, Passed>,
    total: usize,
    names: &'a mut Names,
    drawn: BTreeSet<Node>,
    text: String,
}

impl Drawing<'_> {
    /// A straight line stays in its column; only branches are indented.
    fn nodes(&mut self, nodes: &[Node], indent: &str) {
        let mut nodes = nodes.to_vec();
        let mut indent = indent.to_owned();
        while let [only] = nodes.as_slice() {
            let node = *only;
            if !self.node(node, &indent, "") {
                return;
            }
            nodes = self.next(node);
        }
        let count = nodes.len();
        for (n, node) in nodes.into_iter().enumerate() {
            let last = n + 1 == count;
            let (own, below) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            if self.node(node, &indent, own) {
                let next = self.next(node);
                let deeper = format!("{indent}{below}");
                self.nodes(&next, &deeper);
            }
        }
        indent.clear();
    }

    fn next(&self, node: Node) -> Vec<Node> {
        let passed = self.graph.get(&node);
        passed
            .map(|passed| passed.next.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Writes a node; false if what is behind it is drawn already.
    fn node(&mut self, node: Node, indent: &str, own: &str) -> bool {
        let (ttl, addr) = node;
        let who = addr.map_or("*".to_owned(), |addr| speaker(addr, self.names));
        _ = write!(self.text, "{ttl:>2}  {indent}{own}{who}");
        if let Some(passed) = self.graph.get(&node) {
            if passed.best_ns > 0 {
                _ = write!(self.text, "  {} ms", ms(passed.best_ns));
            }
            // Alone in its place it has passed all of them, answered or not.
            let alone = self.graph.keys().filter(|(at, _)| *at == ttl).count() == 1;
            if passed.flows < self.total && !alone {
                _ = write!(self.text, "  {} of {} flows", passed.flows, self.total);
            }
        }
        let new = self.drawn.insert(node);
        let more = !self.next(node).is_empty();
        self.text
            .push_str(if !new && more { "  (as above)\n" } else { "\n" });
        new
    }
}

/// What was found, and how sure it is.
pub fn sentence(paths: &Paths) -> String {
    let graph = paths.graph();
    let widest = graph
        .values()
        .map(|passed| passed.next.len())
        .max()
        .unwrap_or(0)
        .max(1);
    let end = if paths.reached() {
        "reached"
    } else {
        "not reached"
    };
    let sure = if paths.is_confident() {
        "no router has a further branch, with 95 % confidence each if it spreads flows evenly"
    } else {
        "there may be more branches than were looked for"
    };
    let branches = if widest == 1 {
        "one path".to_owned()
    } else {
        format!("up to {widest} branches behind a router")
    };
    format!(
        "{} {end}, {branches} in {} flows; {sure}",
        paths.plan().target,
        paths.flows()
    )
}

/// `{"event":"node",...}` for each router.
pub fn objects(paths: &Paths, names: &mut Names) -> Vec<Value> {
    let graph = paths.graph();
    let object = |((ttl, addr), passed): (&Node, &Passed)| {
        let next: Vec<_> = passed.next.iter().map(|(_, addr)| *addr).collect();
        let name = addr.and_then(|addr| names.get(addr).map(str::to_owned));
        json!({
            "event": "node", "ttl": ttl, "addr": addr, "name": name, "flows": passed.flows, "rtt_us": us(passed.best_ns), "next": next,
        })
    };
    graph.iter().map(object).collect()
}

/// `{"event":"trace-end",...}`.
pub fn end(paths: &Paths, sentence: &str, engine: &str, odd: Odd) -> Value {
    json!({
        "event": "trace-end", "reached": paths.reached(), "sentence": sentence, "engine": engine, "flows": paths.flows(),
        "confident": paths.is_confident(), "ignored": super::ping::ignored(odd),
    })
}

//! The texts that a file knows: what it compares with and looks up. Codes count through them.

use std::collections::HashMap;

use tract_onnx::pb;

use super::{TEXT, limit};
use crate::error::{FrontendError, Result};

/// Most texts of a file: differences of their codes must be arguments of tables.
const MAX_TEXTS: usize = 1 << 14;
/// Bytes of all of them.
const MAX_BYTES: usize = 1 << 20;
/// Attributes with texts that inputs are compared with; those of what comes out are not among them.
const COMPARED: [&str; 6] = ["keys_strings", "keys_tensor", "cats_strings", "value_string", "value_strings", "value"];

/// Texts in the order in which the file has them first.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    list: Vec<String>,
    codes: HashMap<String, usize>,
    bytes: usize,
}

impl Texts {
    /// All texts of a file whose inputs may be texts, else those of its constants.
    ///
    /// # Errors
    /// `Malformed` for bytes that are no text, `TooLarge`; only where an input is text.
    pub fn of(graph: &pb::GraphProto) -> Result<Self> {
        let text = |v: &pb::ValueInfoProto| super::declared_type(v).is_some_and(|t| t.elem_type == TEXT);
        let mut texts = Self::default();
        match texts.add_graph(graph) {
            // Nothing of such a file needs codes, and names of classes may be what they like.
            Err(_) if !graph.input.iter().any(text) => Ok(Self::default()),
            Err(e) => Err(e),
            Ok(()) => Ok(texts),
        }
    }

    /// The texts; codes are places in it.
    pub fn list(&self) -> &[String] {
        &self.list
    }

    /// The code of a text, if the file knows it.
    pub fn code(&self, text: &str) -> Option<f64> {
        self.codes.get(text).map(|code| *code as f64)
    }

    fn add_graph(&mut self, graph: &pb::GraphProto) -> Result<()> {
        let mut open = vec![graph];
        while let Some(graph) = open.pop() {
            for t in &graph.initializer {
                self.add_tensor(t, &|| format!("tensor `{}`", t.name))?;
            }
            for (i, node) in graph.node.iter().enumerate() {
                let place = |a: &pb::AttributeProto| {
                    let name = super::attributes::name_of(i, node);
                    format!("attribute `{}` of node `{name}` ({})", a.name, node.op_type)
                };
                for a in node.attribute.iter().filter(|a| COMPARED.contains(&a.name.as_str())) {
                    let one = (!a.s.is_empty() || a.name == "value_string").then_some(&a.s);
                    a.strings.iter().chain(one).try_for_each(|t| self.add(t, &|| place(a)))?;
                    a.t.iter().try_for_each(|t| self.add_tensor(t, &|| place(a)))?;
                }
                open.extend(node.attribute.iter().filter_map(|a| a.g.as_ref()));
            }
        }
        Ok(())
    }

    fn add_tensor(&mut self, t: &pb::TensorProto, place: &dyn Fn() -> String) -> Result<()> {
        if t.data_type != TEXT {
            return Ok(());
        }
        t.string_data.iter().try_for_each(|text| self.add(text, place))
    }

    fn add(&mut self, text: &[u8], place: &dyn Fn() -> String) -> Result<()> {
        let wrong = |_| FrontendError::malformed(place(), "holds a text that is not UTF-8; write it in UTF-8");
        let text = std::str::from_utf8(text).map_err(wrong)?;
        if self.codes.contains_key(text) {
            return Ok(());
        }
        limit("the number of texts that the file knows", self.list.len() as u64 + 1, MAX_TEXTS as u64)?;
        self.bytes += text.len();
        limit("the size in bytes of the texts that the file knows", self.bytes as u64, MAX_BYTES as u64)?;
        self.codes.insert(text.into(), self.list.len());
        self.list.push(text.into());
        Ok(())
    }
}

//! Texts as codes: places in a model's list of texts, and the length of the list for any other text.

use std::cell::OnceCell;
use std::collections::HashMap;

/// The codes of a model's texts.
#[derive(Debug)]
pub struct Codes {
    codes: HashMap<String, usize>,
    unknown: usize,
}

impl Codes {
    /// The codes that count through a list.
    #[must_use]
    pub fn new(texts: &[String]) -> Self {
        let codes = texts.iter().enumerate().map(|(code, text)| (text.clone(), code)).collect();
        Self { codes, unknown: texts.len() }
    }

    /// Whether the list has a text.
    #[must_use]
    pub fn knows(&self, text: &str) -> bool {
        self.codes.contains_key(text)
    }

    /// The codes of texts.
    #[must_use]
    pub fn of(&self, texts: &[String]) -> Vec<f64> {
        texts.iter().map(|t| *self.codes.get(t).unwrap_or(&self.unknown) as f64).collect()
    }
}

/// The texts of a model file. It is looked through when something asks for them.
pub struct ModelTexts<'a> {
    onnx: &'a [u8],
    codes: OnceCell<Result<Codes, String>>,
}

impl<'a> ModelTexts<'a> {
    /// Those of a file's bytes.
    #[must_use]
    pub fn of(onnx: &'a [u8]) -> Self {
        Self { onnx, codes: OnceCell::new() }
    }

    /// The codes of its texts.
    ///
    /// # Errors
    /// What is wrong with the file, if there are none.
    pub fn codes(&self) -> Result<&Codes, String> {
        let read = || proveil_frontend::texts(self.onnx).map(|list| Codes::new(&list)).map_err(|e| e.to_string());
        self.codes.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

//! The table of operators: what the importer knows, from which opset on, and within which limits.
//!
//! Documents are written from it, and a test compares it with what the importer does with every operator that ONNX
//! defines.

/// One operator that the importer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Domain; empty for the standard one.
    pub domain: &'static str,
    /// Name.
    pub name: &'static str,
    /// First opset of the domain that has it.
    pub since: u32,
    /// What is not covered; empty if nothing is known to be left out.
    pub limits: &'static str,
}

const fn op(domain: &'static str, name: &'static str, since: u32, limits: &'static str) -> Operator {
    Operator { domain, name, since, limits }
}

/// All operators that the importer knows, by domain and name.
#[rustfmt::skip]
pub const OPERATORS: &[Operator] = &[
    op("", "Abs", 1, ""),
    op("", "Acos", 7, ""),
    op("", "Acosh", 9, ""),
    op("", "Add", 1, ""),
    op("", "And", 1, ""),
    op("", "ArgMax", 1, "the first of equal cells"),
    op("", "ArgMin", 1, "the first of equal cells"),
    op("", "Asin", 7, ""),
    op("", "Asinh", 9, ""),
    op("", "Atan", 7, ""),
    op("", "Atanh", 9, ""),
    op("", "Attention", 23, "queries of which a computed mask hides all keys are not zeros"),
    op("", "AveragePool", 1, ""),
    op("", "BatchNormalization", 1, ""),
    op("", "BitShift", 11, ""),
    op("", "BitwiseAnd", 18, ""),
    op("", "BitwiseNot", 18, ""),
    op("", "BitwiseOr", 18, ""),
    op("", "BitwiseXor", 18, ""),
    op("", "BlackmanWindow", 17, ""),
    op("", "Cast", 1, "to float, integer or boolean types; texts stay texts"),
    op("", "CastLike", 15, "to float, integer or boolean types"),
    op("", "Ceil", 1, ""),
    op("", "Celu", 12, ""),
    op("", "CenterCropPad", 18, ""),
    op("", "Clip", 1, ""),
    op("", "Compress", 9, ""),
    op("", "Concat", 1, ""),
    op("", "Constant", 1, ""),
    op("", "ConstantOfShape", 9, "the shape is a constant"),
    op("", "Conv", 1, ""),
    op("", "ConvInteger", 10, ""),
    op("", "ConvTranspose", 1, ""),
    op("", "Cos", 7, ""),
    op("", "Cosh", 9, ""),
    op("", "CumProd", 26, ""),
    op("", "CumSum", 11, ""),
    op("", "DepthToSpace", 1, ""),
    op("", "DequantizeLinear", 10, "8, 16 or 32 bits, no blocks"),
    op("", "Div", 1, ""),
    op("", "Dropout", 1, "evaluation mode"),
    op("", "DynamicQuantizeLinear", 11, ""),
    op("", "Einsum", 12, "two operands, no ellipsis"),
    op("", "Elu", 1, ""),
    op("", "Equal", 1, "of two texts one is a constant"),
    op("", "Erf", 9, ""),
    op("", "Exp", 1, ""),
    op("", "Expand", 8, "the shape is a constant"),
    op("", "EyeLike", 9, ""),
    op("", "Flatten", 1, ""),
    op("", "Floor", 1, ""),
    op("", "GRU", 1, "named activation functions"),
    op("", "Gather", 1, ""),
    op("", "GatherElements", 11, ""),
    op("", "GatherND", 11, ""),
    op("", "Gelu", 20, ""),
    op("", "Gemm", 1, ""),
    op("", "GlobalAveragePool", 1, ""),
    op("", "GlobalLpPool", 1, ""),
    op("", "GlobalMaxPool", 1, ""),
    op("", "Greater", 1, ""),
    op("", "GreaterOrEqual", 12, ""),
    op("", "GroupNormalization", 18, ""),
    op("", "HammingWindow", 17, ""),
    op("", "HannWindow", 17, ""),
    op("", "HardSigmoid", 1, ""),
    op("", "HardSwish", 14, ""),
    op("", "Hardmax", 1, ""),
    op("", "Identity", 1, ""),
    op("", "If", 1, ""),
    op("", "InstanceNormalization", 1, ""),
    op("", "IsInf", 10, "always false: no number is infinite"),
    op("", "IsNaN", 9, "true of missing cells of inputs"),
    op("", "LRN", 1, ""),
    op("", "LSTM", 1, "named activation functions"),
    op("", "LayerNormalization", 17, ""),
    op("", "LeakyRelu", 1, ""),
    op("", "Less", 1, ""),
    op("", "LessOrEqual", 12, ""),
    op("", "Log", 1, ""),
    op("", "LogSoftmax", 1, ""),
    op("", "Loop", 1, ""),
    op("", "LpNormalization", 1, ""),
    op("", "LpPool", 1, ""),
    op("", "MatMul", 1, ""),
    op("", "MatMulInteger", 10, ""),
    op("", "Max", 1, ""),
    op("", "MaxPool", 1, "first output only"),
    op("", "Mean", 1, ""),
    op("", "MeanVarianceNormalization", 9, ""),
    op("", "Min", 1, ""),
    op("", "Mish", 18, ""),
    op("", "Mod", 10, "the divisor is a constant"),
    op("", "Mul", 1, ""),
    op("", "Neg", 1, ""),
    op("", "NegativeLogLikelihoodLoss", 12, "a mean over far fewer labels than samples have is too small, over none 0"),
    op("", "Not", 1, ""),
    op("", "OneHot", 9, ""),
    op("", "Or", 1, ""),
    op("", "PRelu", 1, ""),
    op("", "Pad", 1, "pads are constants"),
    op("", "Pow", 1, "exponents are constants that vary along one axis"),
    op("", "QLinearConv", 10, ""),
    op("", "QLinearMatMul", 10, ""),
    op("", "QuantizeLinear", 10, "8 or 16 bits, no blocks"),
    op("", "RMSNormalization", 23, ""),
    op("", "RNN", 1, "named activation functions"),
    op("", "Range", 11, "operands are constants"),
    op("", "Reciprocal", 1, ""),
    op("", "ReduceL1", 1, ""),
    op("", "ReduceL2", 1, ""),
    op("", "ReduceLogSum", 1, ""),
    op("", "ReduceLogSumExp", 1, ""),
    op("", "ReduceMax", 1, ""),
    op("", "ReduceMean", 1, ""),
    op("", "ReduceMin", 1, ""),
    op("", "ReduceProd", 1, "up to a fixed number of factors"),
    op("", "ReduceSum", 1, ""),
    op("", "ReduceSumSquare", 1, ""),
    op("", "Relu", 1, ""),
    op("", "Reshape", 1, "the shape is a constant"),
    op("", "Resize", 10, "nearest, linear or cubic"),
    op("", "ReverseSequence", 10, ""),
    op("", "RotaryEmbedding", 23, ""),
    op("", "Round", 11, ""),
    op("", "Scan", 8, ""),
    op("", "Scatter", 9, ""),
    op("", "ScatterElements", 11, "see the message for reductions at computed indices"),
    op("", "ScatterND", 11, "see the message for reductions at computed indices"),
    op("", "Selu", 1, ""),
    op("", "Shape", 1, ""),
    op("", "Shrink", 9, ""),
    op("", "Sigmoid", 1, ""),
    op("", "Sign", 9, ""),
    op("", "SimplifiedLayerNormalization", 1, ""),
    op("", "Sin", 7, ""),
    op("", "Sinh", 9, ""),
    op("", "Size", 1, ""),
    op("", "Slice", 1, "bounds are constants"),
    op("", "Softmax", 1, ""),
    op("", "SoftmaxCrossEntropyLoss", 12, "a mean over far fewer labels than samples have is too small, over none 0"),
    op("", "Softplus", 1, ""),
    op("", "Softsign", 1, ""),
    op("", "SpaceToDepth", 1, ""),
    op("", "Split", 1, ""),
    op("", "Sqrt", 1, ""),
    op("", "Squeeze", 1, ""),
    op("", "Sub", 1, ""),
    op("", "Sum", 1, ""),
    op("", "Swish", 24, ""),
    op("", "Tan", 7, ""),
    op("", "Tanh", 1, ""),
    op("", "ThresholdedRelu", 10, ""),
    op("", "Tile", 1, "repeats are constants"),
    op("", "TopK", 1, "up to 64 cells"),
    op("", "Transpose", 1, ""),
    op("", "Trilu", 14, ""),
    op("", "Unsqueeze", 1, ""),
    op("", "Upsample", 1, ""),
    op("", "Where", 9, ""),
    op("", "Xor", 1, ""),
    op("ai.onnx.ml", "ArrayFeatureExtractor", 1, ""),
    op("ai.onnx.ml", "Binarizer", 1, ""),
    op("ai.onnx.ml", "FeatureVectorizer", 1, ""),
    op("ai.onnx.ml", "Imputer", 1, ""),
    op("ai.onnx.ml", "LabelEncoder", 1, "at most 256 keys that are numbers"),
    op("ai.onnx.ml", "LinearClassifier", 1, ""),
    op("ai.onnx.ml", "LinearRegressor", 1, ""),
    op("ai.onnx.ml", "Normalizer", 1, ""),
    op("ai.onnx.ml", "OneHotEncoder", 1, "other categories are zeros, whatever `zeros` says"),
    op("ai.onnx.ml", "SVMClassifier", 1, ""),
    op("ai.onnx.ml", "SVMRegressor", 1, ""),
    op("ai.onnx.ml", "Scaler", 1, ""),
    op("ai.onnx.ml", "TreeEnsemble", 5, ""),
    op("ai.onnx.ml", "TreeEnsembleClassifier", 1, ""),
    op("ai.onnx.ml", "TreeEnsembleRegressor", 1, ""),
    op("ai.onnx.ml", "ZipMap", 1, ""),
    op("com.microsoft", "BiasGelu", 1, ""),
    op("com.microsoft", "DequantizeLinear", 1, "8, 16 or 32 bits, no blocks"),
    op("com.microsoft", "DynamicQuantizeLSTM", 1, "inputs and states are not rounded to bytes"),
    op("com.microsoft", "DynamicQuantizeMatMul", 1, ""),
    op("com.microsoft", "FastGelu", 1, ""),
    op("com.microsoft", "FusedConv", 1, ""),
    op("com.microsoft", "FusedGemm", 1, ""),
    op("com.microsoft", "FusedMatMul", 1, ""),
    op("com.microsoft", "Gelu", 1, ""),
    op("com.microsoft", "MatMulIntegerToFloat", 1, ""),
    op("com.microsoft", "QGemm", 1, ""),
    op("com.microsoft", "QLinearAdd", 1, ""),
    op("com.microsoft", "QLinearAveragePool", 1, "channels first"),
    op("com.microsoft", "QLinearConcat", 1, ""),
    op("com.microsoft", "QLinearGlobalAveragePool", 1, "channels first"),
    op("com.microsoft", "QLinearLeakyRelu", 1, ""),
    op("com.microsoft", "QLinearMul", 1, ""),
    op("com.microsoft", "QLinearReduceMean", 1, ""),
    op("com.microsoft", "QLinearSigmoid", 1, ""),
    op("com.microsoft", "QLinearSoftmax", 1, ""),
    op("com.microsoft", "QLinearWhere", 1, ""),
    op("com.microsoft", "QuantizeLinear", 1, "8 or 16 bits, no blocks"),
    op("com.microsoft", "QuickGelu", 1, ""),
    op("com.microsoft", "SkipLayerNormalization", 1, ""),
    op("com.microsoft", "SkipSimplifiedLayerNormalization", 1, ""),
];

/// Operators of the standard, or of its most used run time, that the importer does not know for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Domain; empty for the standard one.
    pub domain: &'static str,
    /// Names.
    pub names: &'static [&'static str],
    /// Why.
    pub reason: &'static str,
    /// What to do about it.
    pub instead: &'static str,
}

/// What is said of operators that are in no table.
pub(crate) const ELSE: Absent = Absent {
    domain: "",
    names: &[],
    reason: "no such operator is known",
    instead: "rewrite the model without it, or replace it by supported operators before exporting",
};

const fn absent(
    domain: &'static str,
    names: &'static [&'static str],
    reason: &'static str,
    instead: &'static str,
) -> Absent {
    Absent { domain, names, reason, instead }
}

const TEXT: &str = "text, maps and files are no numbers";
const BEFORE: &str = "do this step before the model, whose input are its numbers";
const FUSED: &str = "this fused operator is not covered";
const APART: &str = "export without fusing (in onnxruntime: optimisation level basic), so that the file has its parts";

/// Operators that the importer does not know.
pub const ABSENT: &[Absent] = &[
    absent(
        "",
        &["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"],
        "its result is drawn at random",
        "make what is drawn an input of the model",
    ),
    absent(
        "",
        &["NonMaxSuppression", "NonZero", "Unique"],
        "how long its result is depends on the input",
        "end the model before it and do this step with the proven result, or use masks (`Where`) or `TopK`",
    ),
    absent(
        "",
        &[
            "ConcatFromSequence",
            "Optional",
            "OptionalGetElement",
            "OptionalHasElement",
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceErase",
            "SequenceInsert",
            "SequenceLength",
            "SequenceMap",
            "SplitToSequence",
        ],
        "sequences and optional values are no tensors",
        "use `Concat`, `Split` and `Slice` on tensors",
    ),
    absent(
        "",
        &["ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"],
        TEXT,
        BEFORE,
    ),
    absent("ai.onnx.ml", &["CastMap", "CategoryMapper", "DictVectorizer"], TEXT, BEFORE),
    absent(
        "",
        &["DFT", "MelWeightMatrix", "STFT"],
        "transforms are not composed yet",
        "a transform of fixed length is a matrix: use `MatMul` with constants",
    ),
    absent(
        "",
        &["AffineGrid", "Col2Im", "DeformConv", "Det", "GridSample", "MaxRoiPool", "MaxUnpool", "RoiAlign"],
        "it is not composed yet",
        "use `Resize`, `Slice`, `Conv` or `GatherND` where they do, else end the model before it",
    ),
    absent("", &["BitCast"], "bits of floating-point numbers have no meaning in the integer model", "use `Cast`"),
    absent("", &["CausalConvWithState", "LinearAttention", "SwiGLU", "TensorScatter"], FUSED, APART),
    absent("com.microsoft", &["Attention", "EmbedLayerNormalization", "MultiHeadAttention"], FUSED, APART),
    absent(
        "com.microsoft",
        &["MatMulNBits"],
        "weights of fewer than 8 bits in blocks are not covered",
        "export with weights of 8 bits, or dequantised",
    ),
];

/// Why the importer does not know an operator, and what to do about it.
pub(crate) fn why_absent(domain: &str, name: &str) -> &'static Absent {
    ABSENT.iter().find(|a| a.domain == domain && a.names.contains(&name)).unwrap_or(&ELSE)
}

/// Whether the importer knows an operator; `domain` is empty for the standard one.
pub(crate) fn knows(domain: &str, name: &str) -> bool {
    OPERATORS.iter().any(|o| o.domain == domain && o.name == name)
}

/// The table as a document.
#[must_use]
pub fn operators_markdown() -> String {
    let mut text = String::from(
        "# Operators\n\nWritten from the importer's own table by `cargo run --release -p proveil-frontend --example operators`; a test\n\
         compares the two. `proveil check FILE` says for one file what is imported and what is not.\n\n\
         | Domain | Operator | From opset | Limits |\n| --- | --- | --- | --- |\n",
    );
    for o in OPERATORS {
        let domain = if o.domain.is_empty() { "ai.onnx" } else { o.domain };
        text += &format!("| {domain} | {} | {} | {} |\n", o.name, o.since, o.limits);
    }
    text += "\n## Not imported\n\nWhat else ONNX defines. `check` says the same of a file that has one of them.\n\n";
    text += "| Domain | Operators | Why not | What to do |\n| --- | --- | --- | --- |\n";
    for a in ABSENT {
        let domain = if a.domain.is_empty() { "ai.onnx" } else { a.domain };
        text += &format!("| {domain} | {} | {} | {} |\n", a.names.join(", "), a.reason, a.instead);
    }
    text
}

//! Plain float inference of the same file, for timings and as an independent check.

use tract_onnx::prelude::*;

use crate::error::{FrontendError, Result};
use crate::tensor::{Kind, Tensor as Float};

/// A model loaded by the float engine.
pub struct Native {
    plan: Arc<TypedRunnableModel>,
    dtypes: Vec<DatumType>,
}

fn native<E: std::fmt::Display>(e: E) -> FrontendError {
    FrontendError::Native { reason: e.to_string() }
}

impl Native {
    /// Loads a model for inputs of the given shapes.
    ///
    /// # Errors
    /// `Native` where the engine refuses the model.
    pub fn load(onnx: &[u8], shapes: &[Vec<usize>]) -> Result<Self> {
        let mut model = tract_onnx::onnx().model_for_read(&mut std::io::Cursor::new(onnx)).map_err(native)?;
        let count = model.input_outlets().map_err(native)?.len();
        if count != shapes.len() {
            return Err(FrontendError::InputCount { expected: count, got: shapes.len() });
        }
        for (i, shape) in shapes.iter().enumerate() {
            let fact = model.input_fact(i).map_err(native)?.clone().with_shape(shape.as_slice());
            model.set_input_fact(i, fact).map_err(native)?;
        }
        let typed = model.into_optimized().map_err(native)?;
        let dtypes = (0..count).map(|i| typed.input_fact(i).map(|f| f.datum_type)).collect::<TractResult<_>>();
        Ok(Self { dtypes: dtypes.map_err(native)?, plan: typed.into_runnable().map_err(native)? })
    }

    /// Runs the model; outputs are floats whatever their type in the file.
    ///
    /// # Errors
    /// `Native` where the engine fails.
    pub fn run(&self, inputs: &[Float]) -> Result<Vec<Float>> {
        let mut given: TVec<TValue> = tvec!();
        for (t, dtype) in inputs.iter().zip(&self.dtypes) {
            let cells = Tensor::from_shape(&t.shape, &t.data).map_err(native)?;
            given.push(cells.cast_to_dt(*dtype).map_err(native)?.into_owned().into());
        }
        let outputs = self.plan.run(given).map_err(native)?;
        outputs
            .iter()
            .map(|value| {
                let kind = if value.datum_type().is_float() { Kind::Float } else { Kind::Int };
                let wide = value.cast_to::<f64>().map_err(native)?;
                let data = wide.to_plain_array_view::<f64>().map_err(native)?.iter().copied().collect();
                Ok(Float { shape: value.shape().to_vec(), kind, data })
            })
            .collect()
    }
}

use crate::kernels::normalize;
use serde::{Deserialize, Serialize};

/// Scales observations to about mean 0 and standard deviation 1: `(x - mean) * scale`, clipped.
/// [`identity`](Self::identity) leaves them unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    /// Subtracted from the observation; one number per input.
    pub mean: Vec<f32>,
    /// One over the standard deviation; one number per input.
    pub scale: Vec<f32>,
    /// Results are clipped to ± this value.
    pub clip: f32,
}

impl Normalizer {
    /// The value of `clip` for observations that a learner has scaled.
    pub const CLIP: f32 = 5.0;

    /// A normalizer that leaves observations of `size` numbers unchanged.
    pub fn identity(size: usize) -> Self {
        Self { mean: vec![0.0; size], scale: vec![1.0; size], clip: f32::INFINITY }
    }

    /// Normalizes observations in place; the slice holds any number of complete rows.
    pub fn apply(&self, observations: &mut [f32]) {
        normalize(observations, &self.mean, &self.scale, self.clip);
    }
}

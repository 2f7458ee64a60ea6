use crate::kernels::normalize;
use serde::{Deserialize, Serialize};

/// Scales observations to about mean 0 and deviation 1: `(x - mean) * scale`, clipped. Or leaves them as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    /// Subtracted, one number an input.
    pub mean: Vec<f32>,
    /// One over the standard deviation, one number an input.
    pub scale: Vec<f32>,
    /// Results are clipped to plus and minus this.
    pub clip: f32,
}

impl Normalizer {
    /// The clip of scaled observations.
    pub const CLIP: f32 = 5.0;

    /// Leaves observations as they are.
    pub fn identity(size: usize) -> Self {
        Self { mean: vec![0.0; size], scale: vec![1.0; size], clip: f32::INFINITY }
    }

    /// Normalizes whole rows of observations, in place.
    pub fn apply(&self, observations: &mut [f32]) {
        normalize(observations, &self.mean, &self.scale, self.clip);
    }
}

use crate::policy::Normalizer;

/// Running mean and variance of each number in an observation (Chan et al. 1979).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunningStatistics {
    pub(crate) count: f64,
    pub(crate) mean: Vec<f64>,
    /// Sum of squared deviations from the mean.
    pub(crate) squares: Vec<f64>,
}

/// Smallest standard deviation to divide by, so that numbers that hardly vary are not amplified without bound.
const LEAST_DEVIATION: f64 = 1e-2;

impl RunningStatistics {
    pub(crate) fn new(size: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; size], squares: vec![0.0; size] }
    }

    /// Adds one observation.
    pub(crate) fn push(&mut self, observation: &[f32]) {
        self.count += 1.0;
        for ((x, mean), squares) in observation.iter().zip(&mut self.mean).zip(&mut self.squares) {
            let x = f64::from(*x);
            let before = x - *mean;
            *mean += before / self.count;
            *squares += before * (x - *mean);
        }
    }

    /// The normalizer for these statistics; the identity before the second observation.
    pub(crate) fn normalizer(&self) -> Normalizer {
        if self.count < 2.0 {
            return Normalizer::identity(self.mean.len());
        }
        let deviation = |squares: &f64| (squares / self.count).sqrt().max(LEAST_DEVIATION);
        Normalizer {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            scale: self.squares.iter().map(|squares| (1.0 / deviation(squares)) as f32).collect(),
            clip: Normalizer::CLIP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_agree_with_the_two_pass_formulas() {
        let values = [[1.0f32, 5.0], [4.0, 5.0], [-2.0, 5.0], [9.0, 5.0]];
        let mut statistics = RunningStatistics::new(2);
        for value in &values {
            statistics.push(value);
        }
        let normalizer = statistics.normalizer();
        assert!((normalizer.mean[0] - 3.0).abs() < 1e-6);
        let deviation = ((4.0f32 + 1.0 + 25.0 + 36.0) / 4.0).sqrt();
        assert!((normalizer.scale[0] - 1.0 / deviation).abs() < 1e-6);
        assert!((normalizer.scale[1] - 100.0).abs() < 1e-3, "the scale of a constant input is bounded");
    }
}

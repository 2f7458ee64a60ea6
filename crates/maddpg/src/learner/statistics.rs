use crate::policy::Normalizer;

/// Running mean and variance of each number in an observation (Chan et al. 1979).
///
/// An input that was constant for a long time has a small deviation. When it changes, even a small change is scaled up to the
/// normalizer's clip: the networks, which have always seen 0, now see a number of at most ±5. This happens to every rare event,
/// whatever its size in the game's unit, and fades as the deviation grows. A lower bound of the deviation in the game's unit
/// would avoid this, but it would hide inputs with a large unit from the networks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunningStatistics {
    pub(crate) count: f64,
    pub(crate) mean: Vec<f64>,
    /// Sum of squared deviations from the mean.
    pub(crate) squares: Vec<f64>,
    /// Largest absolute value.
    pub(crate) largest: Vec<f64>,
}

/// Smallest standard deviation to divide by, as a fraction of the largest absolute value. It is well above the rounding
/// errors of `f32`, so that the noise of a constant input is not amplified to the size of a signal.
const LEAST_DEVIATION: f64 = 1e-6;

/// Smallest standard deviation of inputs that are almost 0. One over it must fit in `f32`.
const LEAST_OF_ALL: f64 = 1e-30;

impl RunningStatistics {
    pub(crate) fn new(size: usize) -> Self {
        let zeros = || vec![0.0; size];
        Self { count: 0.0, mean: zeros(), squares: zeros(), largest: zeros() }
    }

    /// The `largest` of old checkpoints, which do not contain it. With it, the lower bound of the deviation stays 0.01, as it
    /// was then, so that the inputs of trained networks do not change.
    pub(crate) fn largest_of_old(size: usize) -> Vec<f64> {
        vec![1e-2 / LEAST_DEVIATION; size]
    }

    /// Adds one observation.
    pub(crate) fn push(&mut self, observation: &[f32]) {
        self.count += 1.0;
        let sums = self.mean.iter_mut().zip(&mut self.squares).zip(&mut self.largest);
        for (x, ((mean, squares), largest)) in observation.iter().zip(sums) {
            let x = f64::from(*x);
            *largest = largest.max(x.abs());
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
        let deviation = |(squares, largest): (&f64, &f64)| match *largest {
            // Only zeros so far: there is nothing to scale by.
            0.0 => 1.0,
            largest => (squares / self.count).sqrt().max(LEAST_DEVIATION * largest).max(LEAST_OF_ALL),
        };
        let deviations = self.squares.iter().zip(&self.largest).map(deviation);
        Normalizer {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            scale: deviations.map(|deviation| (1.0 / deviation) as f32).collect(),
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
        assert!((normalizer.scale[1] - 2e5).abs() < 1.0, "the scale of a constant input is bounded");
    }

    #[test]
    fn inputs_of_any_unit_are_scaled_to_deviation_1() {
        for unit in [1e-12f32, 1e-4, 1.0, 1e6] {
            let mut statistics = RunningStatistics::new(1);
            [1.0, -1.0, 1.0, -1.0].iter().for_each(|x| statistics.push(&[unit * x]));
            assert!((statistics.normalizer().scale[0] * unit - 1.0).abs() < 1e-5, "{unit}");
        }
    }

    #[test]
    fn zeros_are_not_scaled_and_rounding_errors_hardly() {
        let mut statistics = RunningStatistics::new(2);
        for row in 0..1_000 {
            statistics.push(&[0.0, if row % 2 == 0 { 500.0 } else { 500.0 + 500.0 * f32::EPSILON }]);
        }
        let mut next = [[0.0, 500.0], [0.1, 500.1]];
        statistics.normalizer().apply(next.as_flattened_mut());
        assert!(next[0][0] == 0.0 && next[0][1].abs() < 0.2, "{next:?}");
        assert!((next[1][0] - 0.1).abs() < 1e-6, "{next:?}");
        assert_eq!(next[1][1], Normalizer::CLIP, "a change after a long time is clipped");
    }
}

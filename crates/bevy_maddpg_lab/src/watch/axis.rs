/// An axis from `low` to `high` with ticks at the multiples of `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Axis {
    /// An axis from `low` to `high` with at most `ticks` ticks.
    pub fn new(low: f64, high: f64, ticks: usize) -> Self {
        let span = (high - low).max(1e-9);
        let least = span / ticks.max(1) as f64;
        let power = 10f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= least * 0.999);
        Self { low, high: low + span, step: step.unwrap_or(10.0 * power) }
    }

    /// Where `value` lies on the axis: 0 at the low end, 1 at the high end.
    pub fn share(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }

    /// The ticks, from low to high.
    pub fn ticks(&self) -> impl Iterator<Item = f64> {
        let (first, last) = ((self.low / self.step).ceil() as i64, (self.high / self.step).floor() as i64);
        let step = self.step;
        (first..=last).map(move |index| index as f64 * step)
    }
}

/// The axes that fit the whole curve and what is `shown` besides: x in joint decisions, of which the run has made `now`, y in score.
pub(super) fn axes(scores: impl Iterator<Item = f32>, shown: [f32; 2], now: u64) -> (Axis, Axis) {
    let [a, b] = shown;
    let (low, high) = scores
        .filter(|score| score.is_finite())
        .fold((a.min(b), a.max(b)), |(low, high), score| (low.min(score), high.max(score)));
    let span = if high > low { high - low } else { 1.0 };
    let y = Axis::new(f64::from(low - 0.04 * span), f64::from(high + 0.08 * span), 5);
    (Axis::new(0.0, (now as f64).max(100.0), 5), y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::new(-0.02, 2.75, 5);
        assert_eq!(axis.step, 1.0);
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
        assert_eq!(Axis::new(0.0, 48_000.0, 5).step, 10_000.0);
        assert_eq!((axis.share(-0.02), axis.share(2.75)), (0.0, 1.0));
        assert!(Axis::new(1.0, 1.0, 5).share(1.0).is_finite(), "an empty range is widened");
    }

    #[test]
    fn axes_show_the_bar_before_any_score() {
        let axes = |bar: f32, now| super::axes(std::iter::empty(), [0.0, bar], now);
        let (x, y) = axes(0.5, 5_000);
        assert!(y.low <= 0.0 && y.high > 0.5);
        assert_eq!((x.low, x.high), (0.0, 5_000.0));
        let (x, y) = axes(-150.0, 0);
        assert!(y.low < -150.0 && y.high > 0.0, "the axis includes a bar below zero");
        assert!(x.high > x.low);
    }
}

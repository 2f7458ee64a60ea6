use crate::telemetry::ScoreWindow;

/// Points of the scores' cloud that are kept at most.
const SCORES: usize = 4096;
/// Points of the mean's line that are kept at most.
const MEANS: usize = 1024;

/// A series of any length in bounded memory: when it is full, every second point goes, and from then on only every
/// second one comes in.
#[derive(Debug, Clone)]
pub(super) struct Series {
    points: Vec<(f64, f32)>,
    capacity: usize,
    stride: u64,
    seen: u64,
}

impl Series {
    /// `capacity` must be even.
    fn new(capacity: usize) -> Self {
        Self { points: Vec::new(), capacity, stride: 1, seen: 0 }
    }

    fn push(&mut self, x: f64, y: f32) {
        if self.seen.is_multiple_of(self.stride) {
            if self.points.len() == self.capacity {
                let mut index = 0;
                self.points.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            self.points.push((x, y));
        }
        self.seen += 1;
    }
}

/// What the learning curve shows: scores over joint decisions, and their mean.
#[derive(Debug, Clone)]
pub(super) struct LearningCurve {
    scores: Series,
    means: Series,
    last_mean: Option<(f64, f32)>,
    window: ScoreWindow,
    episodes: u64,
    /// When the mean first reached the bar: after so many episodes and joint decisions.
    pub solved_at: Option<(u64, u64)>,
}

impl LearningCurve {
    pub fn new(window: usize) -> Self {
        Self {
            scores: Series::new(SCORES),
            means: Series::new(MEANS),
            last_mean: None,
            window: ScoreWindow::new(window),
            episodes: 0,
            solved_at: None,
        }
    }

    /// Takes the score of an episode that ended after `decisions` joint decisions.
    pub fn push(&mut self, decisions: u64, score: f32, solved: Option<f32>) {
        let x = decisions as f64;
        self.episodes += 1;
        self.scores.push(x, score);
        let Some(mean) = self.window.push(score) else {
            return;
        };
        self.means.push(x, mean);
        self.last_mean = Some((x, mean));
        if self.solved_at.is_none() && solved.is_some_and(|bar| mean >= bar) {
            self.solved_at = Some((self.episodes, decisions));
        }
    }

    pub fn episodes(&self) -> u64 {
        self.episodes
    }

    /// Mean of the last episodes, also while there are fewer than a window.
    pub fn mean(&self) -> Option<f32> {
        self.window.mean()
    }

    /// The best mean of a full window.
    pub fn best(&self) -> Option<f32> {
        self.window.best()
    }

    /// A fair sample of all scores, oldest first.
    pub fn scores(&self) -> &[(f64, f32)] {
        &self.scores.points
    }

    /// The line of the means, oldest first, up to now.
    pub fn means(&self) -> impl Iterator<Item = (f64, f32)> {
        self.means.points.iter().copied().chain(self.last_mean)
    }
}

/// An axis from `low` to `high` with ticks at the multiples of `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Axis {
    /// From `low` to `high`, with at most `ticks` ticks.
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

/// A run that is first seen after more joint decisions than this goes on from a checkpoint.
const RESUMED: u64 = 10_000;

/// The axes that show all of a curve and the bar: x in joint decisions, y in score. The run was first seen after
/// `from` decisions, there are `now`.
pub(super) fn axes(curve: &LearningCurve, solved: Option<f32>, from: u64, now: u64) -> (Axis, Axis) {
    let is_resumed = from > RESUMED && from > now / 10;
    let (start, last) = (if is_resumed { from as f64 } else { 0.0 }, now as f64);
    let finite = curve.scores().iter().map(|point| point.1).filter(|score| score.is_finite());
    let bar = solved.unwrap_or(0.0);
    let (low, high) =
        finite.fold((bar.min(0.0), bar.max(0.0)), |(low, high), score| (low.min(score), high.max(score)));
    let span = (high - low).max(1e-3);
    let y = Axis::new(f64::from(low - 0.04 * span), f64::from(high + 0.08 * span), 5);
    (Axis::new(start, last.max(start + 100.0), 5), y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_series_keeps_every_second_point() {
        let mut series = Series::new(4);
        (0..9u8).for_each(|x| series.push(f64::from(x), 0.0));
        let kept: Vec<_> = series.points.iter().map(|point| point.0).collect();
        assert_eq!(kept, [0.0, 4.0, 8.0]);
        (9..100_000u32).for_each(|x| series.push(f64::from(x), 0.0));
        assert!(series.points.len() <= 4);
        let gaps: Vec<_> = series.points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(gaps.windows(2).all(|pair| pair[0] == pair[1]), "evenly thinned: {gaps:?}");
    }

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::new(-0.02, 2.75, 5);
        assert_eq!(axis.step, 1.0);
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
        assert_eq!(Axis::new(0.0, 48_000.0, 5).step, 10_000.0);
        assert_eq!((axis.share(-0.02), axis.share(2.75)), (0.0, 1.0));
        assert!(Axis::new(1.0, 1.0, 5).share(1.0).is_finite(), "an axis of no length is widened");
    }

    #[test]
    fn the_line_ends_at_the_newest_mean_and_the_bar_is_noted_once() {
        let mut curve = LearningCurve::new(2);
        for (index, score) in [0.0, 0.2, 0.8, 0.4, 0.0].into_iter().enumerate() {
            curve.push(10 * index as u64, score, Some(0.5));
        }
        assert_eq!(curve.solved_at, Some((3, 20)));
        assert_eq!(curve.means().last(), Some((40.0, 0.2)));
        assert_eq!((curve.episodes(), curve.scores().len()), (5, 5));
    }

    #[test]
    fn axes_show_the_bar_before_any_score() {
        let (x, y) = axes(&LearningCurve::new(100), Some(0.5), 64, 5_000);
        assert!(y.low <= 0.0 && y.high > 0.5);
        assert_eq!((x.low, x.high), (0.0, 5_000.0));
        let (_, y) = axes(&LearningCurve::new(100), Some(-150.0), 64, 5_000);
        assert!(y.low < -150.0 && y.high > 0.0, "a bar below zero");
        let (x, _) = axes(&LearningCurve::new(100), None, 200_000, 200_000);
        assert_eq!(x.low, 200_000.0, "a resumed run starts where it was");
        assert!(x.high > x.low);
    }
}

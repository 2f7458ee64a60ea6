use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A mean over seeds with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// How often the seeds are drawn again.
const DRAWS: usize = 10_000;

impl Interval {
    /// The mean of `values`, one a seed, with its percentile bootstrap interval (Efron 1979).
    pub(crate) fn of(values: &[f64]) -> Self {
        Self::resampled(|draw| {
            let drawn = (0..values.len()).map(|index| values[draw(index, values.len())]);
            drawn.sum::<f64>() / values.len() as f64
        })
    }

    /// The mean of a matrix, rows by one side's seeds and columns by the other's: both are drawn again.
    pub(crate) fn of_matrix(rows: &[Vec<f64>]) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        Self::resampled(|draw| {
            let own: Vec<usize> = (0..rows.len()).map(|index| draw(index, rows.len())).collect();
            let other: Vec<usize> = (0..columns).map(|index| draw(index, columns)).collect();
            let sum: f64 =
                own.iter().flat_map(|&row| other.iter().map(move |&column| rows[row][column])).sum();
            sum / (rows.len() * columns) as f64
        })
    }

    /// `statistic` of the seeds as they are, and its interval over seeds drawn again. It asks for the seed in place of
    /// `index` among `count`.
    fn resampled(statistic: impl Fn(&mut dyn FnMut(usize, usize) -> usize) -> f64) -> Self {
        let mean = statistic(&mut |index, _| index);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
        let mut drawn: Vec<f64> =
            (0..DRAWS).map(|_| statistic(&mut |_, count| random.random_range(0..count))).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        Self { mean, low: drawn[DRAWS / 40], high: drawn[DRAWS - 1 - DRAWS / 40] }
    }

    /// Whether this interval lies above the other.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        self.low > other.high
    }

    /// As a cell of a table.
    pub(crate) fn cell(&self, decimals: usize) -> String {
        let Self { mean, low, high } = self;
        format!("{mean:.decimals$} ({low:.decimals$} to {high:.decimals$})")
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count => (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_is_as_wide_as_the_normal_one() {
        let values: Vec<f64> = (0..100).map(|n| f64::from(n % 10)).collect();
        let interval = Interval::of(&values);
        assert_eq!(interval.mean, 4.5);
        // 1.96 standard errors: 1.96 * 2.872 / 10.
        assert!((interval.high - 4.5 - 0.563).abs() < 0.05 && (4.5 - interval.low - 0.563).abs() < 0.05);
        assert!(Interval::of(&[3.0, 3.5]).is_above(&Interval::of(&[1.0, 2.0])));
        assert!(!Interval::of(&[1.0, 3.5]).is_above(&Interval::of(&[1.0, 2.0])));
    }

    #[test]
    fn a_matrix_that_varies_by_rows_alone_has_its_rows_interval() {
        let (one, two) = (Interval::of_matrix(&[vec![1.0; 3], vec![5.0; 3]]), Interval::of(&[1.0, 5.0]));
        assert_eq!((one.mean, one.low, one.high), (two.mean, two.low, two.high));
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])), (2.0, 2.5));
    }
}

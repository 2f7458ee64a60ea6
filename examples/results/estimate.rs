use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A mean over seeds with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Number of bootstrap resamples.
const DRAWS: usize = 10_000;

impl Interval {
    /// The mean of `values`, one per seed, with its percentile bootstrap interval (Efron 1979).
    pub(crate) fn of(values: &[f64]) -> Self {
        Self::resampled(|draw| {
            let drawn = (0..values.len()).map(|index| values[draw(index, values.len())]);
            drawn.sum::<f64>() / values.len() as f64
        })
    }

    /// The mean of the numbers in a matrix with a row per seed of one side and a column per seed of the other. Rows and
    /// columns are both resampled.
    pub(crate) fn of_matrix(rows: &[Vec<Option<f64>>]) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        Self::resampled(|draw| {
            let own: Vec<usize> = (0..rows.len()).map(|index| draw(index, rows.len())).collect();
            let other: Vec<usize> = (0..columns).map(|index| draw(index, columns)).collect();
            let numbers =
                own.iter().flat_map(|&row| other.iter().filter_map(move |&column| rows[row][column]));
            let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number, count + 1));
            sum / f64::from(count)
        })
    }

    /// `statistic` of the original seeds, with its interval over resampled seeds. `statistic` receives a function that
    /// maps `(index, count)` to the seed to use in place of `index`, below `count`.
    fn resampled(statistic: impl Fn(&mut dyn FnMut(usize, usize) -> usize) -> f64) -> Self {
        let mean = statistic(&mut |index, _| index);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
        let mut drawn: Vec<f64> =
            (0..DRAWS).map(|_| statistic(&mut |_, count| random.random_range(0..count))).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        Self { mean, low: drawn[DRAWS / 40], high: drawn[DRAWS - 1 - DRAWS / 40] }
    }

    /// Whether this interval lies entirely above the other.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        self.low > other.high
    }

    /// Formatted as a table cell.
    pub(crate) fn cell(&self, decimals: usize) -> String {
        let Self { mean, low, high } = self;
        format!("{mean:.decimals$} ({low:.decimals$} to {high:.decimals$})")
    }
}

/// The median; for an even count, the mean of the two middle values.
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
    fn interval_matches_the_normal_approximation() {
        let values: Vec<f64> = (0..100).map(|n| f64::from(n % 10)).collect();
        let interval = Interval::of(&values);
        assert_eq!(interval.mean, 4.5);
        // 1.96 standard errors: 1.96 * 2.872 / 10.
        assert!((interval.high - 4.5 - 0.563).abs() < 0.05 && (4.5 - interval.low - 0.563).abs() < 0.05);
        assert!(Interval::of(&[3.0, 3.5]).is_above(&Interval::of(&[1.0, 2.0])));
        assert!(!Interval::of(&[1.0, 3.5]).is_above(&Interval::of(&[1.0, 2.0])));
    }

    #[test]
    fn matrix_that_varies_only_by_row_has_the_interval_of_its_rows() {
        let (one, two) =
            (Interval::of_matrix(&[vec![Some(1.0); 3], vec![Some(5.0); 3]]), Interval::of(&[1.0, 5.0]));
        assert_eq!((one.mean, one.low, one.high), (two.mean, two.low, two.high));
    }

    #[test]
    fn median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])), (2.0, 2.5));
    }
}

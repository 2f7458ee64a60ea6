/// A mean over seeds, with the variances from which its confidence interval follows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// The sources of its error, which are independent.
    sources: Vec<Source>,
}

/// A variance of a mean, and the degrees of freedom with which it was estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Source {
    variance: f64,
    freedom: f64,
}

impl Source {
    /// The error of the mean of these numbers, which are independent.
    fn of(values: &[f64]) -> Self {
        let freedom = values.len() as f64 - 1.0;
        let mean = mean(values.iter().copied());
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { variance: squares / freedom / values.len() as f64, freedom }
    }
}

impl Estimate {
    /// The mean of `values`, one per seed.
    pub(crate) fn of(values: &[f64]) -> Self {
        Self { mean: mean(values.iter().copied()), sources: vec![Source::of(values)] }
    }

    /// The mean over several matrices, each with a row per seed of one side and a column per seed of another. The rows are the same
    /// seeds in all of them, the columns are not.
    ///
    /// The variance over the rows and those over the columns are added. Each contains a part of what depends on both, so the interval is
    /// rather too wide than too narrow.
    pub(crate) fn of_matrices(matrices: &[Vec<Vec<Option<f64>>>]) -> Self {
        let rows = matrices.first().map_or(0, Vec::len);
        let row_mean =
            |row: usize| mean(matrices.iter().map(|matrix| mean(matrix[row].iter().copied().flatten())));
        let row_means: Vec<f64> = (0..rows).map(row_mean).collect();
        let mut sources = vec![Source::of(&row_means)];
        for matrix in matrices {
            let columns = matrix.first().map_or(0, Vec::len);
            let column_mean = |column: usize| mean(matrix.iter().filter_map(|row| row[column]));
            let source = Source::of(&(0..columns).map(column_mean).collect::<Vec<_>>());
            let share = (matrices.len() as f64).powi(2);
            sources.push(Source { variance: source.variance / share, ..source });
        }
        Self { mean: mean(row_means.into_iter()), sources }
    }

    /// By how much this mean is above another one, of other seeds (Welch 1947).
    fn minus(&self, other: &Self) -> Self {
        Self { mean: self.mean - other.mean, sources: [&self.sources[..], &other.sources].concat() }
    }

    /// Half of the 95% confidence interval: Student's t with the degrees of freedom of Welch and Satterthwaite. Not a number if there is only
    /// one seed.
    fn margin(&self) -> f64 {
        let variance: f64 = self.sources.iter().map(|source| source.variance).sum();
        let weighted: f64 = self.sources.iter().map(|source| source.variance.powi(2) / source.freedom).sum();
        if variance == 0.0 { 0.0 } else { quantile(variance.powi(2) / weighted) * variance.sqrt() }
    }

    /// Formatted as a table cell: the mean and its 95% confidence interval.
    pub(crate) fn cell(&self, decimals: usize) -> String {
        let (mean, margin) = (self.mean, self.margin());
        if margin.is_nan() {
            return format!("{mean:.decimals$}");
        }
        let [low, high] = [mean - margin, mean + margin];
        format!("{mean:.decimals$} ({low:.decimals$} to {high:.decimals$})")
    }

    /// How this return compares with another one.
    pub(crate) fn compared_with(&self, other: &Self) -> String {
        let (word, difference) =
            if self.mean > other.mean { ("higher", self.minus(other)) } else { ("lower", other.minus(self)) };
        let are_apart = difference.mean > self.margin() + other.margin();
        let intervals = if are_apart { "the intervals do not overlap" } else { "the intervals overlap" };
        format!("the return is {word} by {}; {intervals}", difference.cell(2))
    }
}

/// The 0.975 quantile of Student's t distribution, by degrees of freedom from 1; rounded down, which makes intervals wider.
fn quantile(freedom: f64) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    if freedom.is_nan() {
        return f64::NAN;
    }
    // A hundredth for rounding errors, since degrees of freedom are often whole numbers.
    TABLE[((freedom + 0.01) as usize).clamp(1, TABLE.len()) - 1]
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
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
    use rand::{SeedableRng, rngs::SmallRng};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// How many of 2,000 estimates have the true mean, 0, in their interval.
    fn coverage(mut estimate: impl FnMut(&mut dyn FnMut() -> f64) -> Estimate) -> f64 {
        let mut random = SmallRng::seed_from_u64(1);
        let mut normal = || StandardNormal.sample(&mut random);
        let covered = (0..2_000).filter(|_| {
            let estimate = estimate(&mut normal);
            estimate.mean.abs() <= estimate.margin()
        });
        covered.count() as f64 / 2_000.0
    }

    #[test]
    fn an_interval_has_the_true_mean_as_often_as_it_says_however_few_the_seeds_are() {
        for seeds in [2, 3, 5, 10] {
            let share = coverage(|normal| Estimate::of(&(0..seeds).map(|_| normal()).collect::<Vec<_>>()));
            assert!((0.935..0.965).contains(&share), "{share} with {seeds} seeds");
        }
    }

    #[test]
    fn an_interval_of_matches_counts_the_seeds_of_both_sides() {
        let share = coverage(|normal| {
            let own: Vec<f64> = (0..5).map(|_| normal()).collect();
            let matrices = [1.0, 2.0].map(|scale| {
                let other: Vec<f64> = (0..5).map(|_| scale * normal()).collect();
                let row = |(index, own): (usize, &f64)| {
                    let cells = other.iter().enumerate();
                    cells.map(|(column, other)| (column != index).then_some(own + other)).collect()
                };
                own.iter().enumerate().map(row).collect()
            });
            Estimate::of_matrices(&matrices)
        });
        assert!((0.93..0.985).contains(&share), "{share}");
    }

    #[test]
    fn a_difference_has_an_interval_of_its_own() {
        let share = coverage(|normal| {
            let mut sample = |count, scale: f64| -> Estimate {
                Estimate::of(&(0..count).map(|_| scale * normal()).collect::<Vec<_>>())
            };
            sample(5, 1.0).minus(&sample(8, 3.0))
        });
        assert!((0.935..0.97).contains(&share), "{share}");
        let [low, high] = [[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]].map(|values| Estimate::of(&values));
        let text = "the return is higher by 10.00 (7.73 to 12.27); the intervals do not overlap";
        assert_eq!(high.compared_with(&low), text);
        assert_eq!(low.compared_with(&high), text.replace("higher", "lower"));
        assert!(low.compared_with(&low).ends_with("the intervals overlap"));
    }

    #[test]
    fn one_seed_has_no_interval_and_equal_seeds_an_empty_one() {
        assert_eq!(Estimate::of(&[2.0]).cell(1), "2.0");
        assert_eq!(Estimate::of(&[2.0, 2.0]).cell(1), "2.0 (2.0 to 2.0)");
    }

    #[test]
    fn median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])), (2.0, 2.5));
    }
}

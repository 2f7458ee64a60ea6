use serde::{Deserialize, Serialize};

/// Decides which items of a growing sequence to keep: all of the first `capacity`, then every second one until there
/// have been twice as many, then every fourth, and so on.
///
/// Of `n` items, about `capacity * (1 + log2(n / capacity) / 2)` are kept, so the files of a long run stay small: with
/// a capacity of 20,000, a billion episodes leave 176,000 rows.
///
/// ```
/// use bevy_maddpg_lab::statistics::Thinning;
///
/// let mut thinning = Thinning::new(4);
/// let kept: Vec<u32> = (0..16).filter(|_| thinning.keep()).collect();
/// assert_eq!(kept, [0, 1, 2, 3, 4, 6, 8, 12]);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thinning {
    capacity: u64,
    stride: u64,
    seen: u64,
}

impl Thinning {
    /// Keeps all of the first `capacity` items; a capacity of 0 counts as 1.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1) as u64, stride: 1, seen: 0 }
    }

    /// Whether to keep the next item. Call this exactly once per item.
    pub fn keep(&mut self) -> bool {
        if self.seen == self.capacity * self.stride {
            self.stride *= 2;
        }
        let keep = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        keep
    }
}

/// A sequence of any length in bounded memory. When `capacity` items are stored and another one comes, every second
/// item is dropped. The rest are an evenly spaced sample of all items.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Series<T> {
    thinning: Thinning,
    items: Vec<T>,
}

impl<T> Series<T> {
    pub(super) fn new(capacity: usize) -> Self {
        // With an odd capacity, dropping every second item would leave uneven gaps.
        Self { thinning: Thinning::new(capacity.next_multiple_of(2)), items: Vec::new() }
    }

    pub(super) fn push(&mut self, item: T) {
        let stride = self.thinning.stride;
        let keep = self.thinning.keep();
        if self.thinning.stride > stride {
            let mut drop = true;
            self.items.retain(|_| {
                drop = !drop;
                !drop
            });
        }
        if keep {
            self.items.push(item);
        }
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_bounded_and_even_however_long_it_grows() {
        let mut series = Series::new(4);
        (0..9u32).for_each(|item| series.push(item));
        assert_eq!(series.items(), [0, 4, 8]);
        for item in 9..100_000 {
            series.push(item);
            assert!(series.items().len() <= 4);
        }
        let gaps: Vec<u32> = series.items().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| pair[0] == pair[1]), "evenly thinned: {gaps:?}");
    }

    #[test]
    fn a_night_of_episodes_leaves_a_bounded_number_of_rows() {
        let mut thinning = Thinning::new(20_000);
        let kept = (0..10_000_000).filter(|_| thinning.keep()).count();
        assert!((100_000..120_000).contains(&kept), "{kept}");
    }
}

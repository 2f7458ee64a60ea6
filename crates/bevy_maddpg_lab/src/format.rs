//! Numbers formatted for people.

use std::time::Duration;

/// A short form of a count: 950, 12.3k, 4.56M.
pub(crate) fn count(number: f64) -> String {
    match number.abs() {
        size if size < 999.5 => format!("{number:.0}"),
        size if size < 9_995.0 => format!("{:.2}k", number / 1e3),
        size if size < 99_950.0 => format!("{:.1}k", number / 1e3),
        size if size < 999_500.0 => format!("{:.0}k", number / 1e3),
        size if size < 9_995_000.0 => format!("{:.2}M", number / 1e6),
        size if size < 99_950_000.0 => format!("{:.1}M", number / 1e6),
        size if size < 999_500_000.0 => format!("{:.0}M", number / 1e6),
        _ => format!("{:.2}G", number / 1e9),
    }
}

/// A measured value with about three digits.
pub(crate) fn measure(number: f32) -> String {
    match number.abs() {
        size if !size.is_finite() => "not finite".into(),
        0.0 => "0".into(),
        size if size < 0.001 => format!("{number:.1e}"),
        size if size < 0.1 => format!("{number:.4}"),
        size if size < 10.0 => format!("{number:.3}"),
        size if size < 1_000.0 => format!("{number:.1}"),
        _ => count(f64::from(number)),
    }
}

/// A score, with fewer decimals the larger it is.
pub(crate) fn score(number: f32) -> String {
    let decimals = match number.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// A duration in the unit that suits it: 12 us, 1.2 ms, 2.0 s.
pub(crate) fn duration(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.001 => format!("{:.0} us", seconds * 1e6),
        seconds if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

/// Hours, minutes and seconds: 00:01:15.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A count on an axis: 0, 500, 20k, 1.5M.
pub(crate) fn axis_count(count: f64) -> String {
    let (divisor, suffix) = match count {
        1e9.. => (1e9, "G"),
        1e6.. => (1e6, "M"),
        1e3.. => (1e3, "k"),
        _ => (1.0, ""),
    };
    // At most two decimals: f64's Display omits trailing zeros.
    format!("{}{suffix}", (count / divisor * 100.0).round() / 100.0)
}

/// A tick label for an axis whose ticks are `step` apart.
pub(crate) fn tick(number: f64, step: f64) -> String {
    if number.abs() < step * 1e-6 {
        return "0".into();
    }
    if step >= 1.0 {
        let (unit, sign) = match number.abs() {
            size if size >= 1e6 => (1e6, "M"),
            size if size >= 1e3 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let decimals = decimals_of(step / unit);
        return format!("{:.decimals$}{sign}", number / unit);
    }
    let decimals = decimals_of(step);
    format!("{number:.decimals$}")
}

/// Number of decimals needed to tell multiples of `step` apart.
fn decimals_of(step: f64) -> usize {
    (-(step * 1.000_001).log10().floor()).max(0.0) as usize
}

/// A rival of self-play: a past policy by the joint decisions after which it was taken, or the name of a script.
pub(crate) fn rival(name: &str) -> String {
    name.parse().map_or_else(|_| name.into(), |decisions: f64| format!("policy of {}", count(decisions)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_at_every_size() {
        let shown: Vec<_> = [0.0, 999.0, 1_234.0, 99_949.0, 99_950.0, 1_234_567.0].map(count).into();
        assert_eq!(shown, ["0", "999", "1.23k", "99.9k", "100k", "1.23M"]);
    }

    #[test]
    fn measures_keep_their_digits() {
        assert_eq!(
            [0.0, 0.000_12, 0.0123, 1.5, 123.4].map(measure),
            ["0", "1.2e-4", "0.0123", "1.500", "123.4"]
        );
        assert_eq!(measure(f32::NAN), "not finite");
    }

    #[test]
    fn scores_take_little_room() {
        assert_eq!(
            [0.0, 2.6, -9.996, 99.94, -1_169.23].map(score),
            ["0.00", "2.60", "-10.0", "99.9", "-1169"]
        );
    }

    #[test]
    fn a_clock_counts_past_the_day() {
        assert_eq!(clock(75.9), "00:01:15");
        assert_eq!(clock(100_000.0), "27:46:40");
    }

    #[test]
    fn times_have_a_fitting_unit() {
        let shown = [12e-6, 1.24e-3, 31e-3, 2.0].map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(shown, ["12 us", "1.2 ms", "31 ms", "2.0 s"]);
    }

    #[test]
    fn ticks_show_the_decimals_of_their_step() {
        assert_eq!(
            [(0.5, 0.5), (1.0, 0.5), (0.02, 0.02), (2.0, 1.0)].map(|(x, step)| tick(x, step)),
            ["0.5", "1.0", "0.02", "2"]
        );
        assert_eq!(
            [(500.0, 500.0), (1_000.0, 500.0), (20_000.0, 10_000.0), (2e6, 1e6)]
                .map(|(x, step)| tick(x, step)),
            ["500", "1.0k", "20k", "2M"]
        );
    }

    #[test]
    fn large_counts_have_a_suffix() {
        let labels = [0.0, 500.0, 20_000.0, 250_000.0, 1_500_000.0, 2e9].map(axis_count);
        assert_eq!(labels, ["0", "500", "20k", "250k", "1.5M", "2G"]);
    }
}

use std::fmt;

/// The numbers that a setting may have. All other numbers are refused, as are infinity and NaN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    least: f64,
    most: f64,
    /// Whether `least` itself is refused.
    is_above: bool,
    is_whole: bool,
}

impl Range {
    /// Any number from `least` to `most`.
    pub(super) const fn from(least: f64, most: f64) -> Self {
        Self { least, most, is_above: false, is_whole: false }
    }

    /// Any number of more than 0, up to `most`.
    pub(super) const fn above_zero(most: f64) -> Self {
        Self { least: 0.0, most, is_above: true, is_whole: false }
    }

    /// Any whole number from `least` to `most`.
    pub(super) const fn whole(least: u64, most: u64) -> Self {
        Self { least: least as f64, most: most as f64, is_above: false, is_whole: true }
    }

    /// Whether only whole numbers are in the range.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn contains(&self, number: f64) -> bool {
        let is_enough = if self.is_above { number > self.least } else { number >= self.least };
        is_enough && number <= self.most && (!self.is_whole || number.fract() == 0.0)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, most, is_above, is_whole } = *self;
        let kind = if is_whole { "a whole number" } else { "a number" };
        match is_above {
            true => write!(f, "{kind} of more than {least}, at most {most}"),
            false => write!(f, "{kind} from {least} to {most}"),
        }
    }
}

/// A number of the settings: the key that sets it, the number found and its range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) key: &'static str,
    pub(super) found: f64,
    pub(super) range: Range,
}

impl Number {
    pub(super) fn new(key: &'static str, found: f64, range: Range) -> Self {
        Self { key, found, range }
    }

    /// Says what is wrong with the number, if it is out of its range.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { key, found, range } = self;
        (!range.contains(*found)).then(|| format!("`{key}` is {}, expected {range}", shown(*found)))
    }
}

/// The shortest text for a number that may have been an `f32`: 0.2 rather than 0.20000000298023224.
pub(in crate::learner) fn shown(number: f64) -> String {
    let short = number as f32;
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    if f64::from(short) == number { short.to_string() } else { number.to_string() }
}

use std::fmt;

use rand::{RngExt, seq::IndexedRandom};
use rand_distr::{Distribution as _, StandardNormal};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Parameter, ParameterError};
use crate::random::Random;

/// How the value of a parameter is drawn for an episode.
///
/// | in TOML | what is drawn |
/// |---|---|
/// | `gravity = 9.81` | always this value |
/// | `gravity = { uniform = [4.9, 14.7] }` | any value between the two, all equally likely |
/// | `gravity = { gaussian = { mean = 9.81, deviation = 2.0 } }` | a value from a normal distribution, clamped to the parameter's range, or to `clip = [5.0, 15.0]` if you add that |
/// | `gravity = { ranges = [[4.9, 6.0], [13.0, 14.7]] }` | a value in one of several ranges, all values equally likely |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always this value.
    Constant(f32),
    /// Uniform from the first to the second value.
    Uniform(f32, f32),
    /// A normal distribution.
    Gaussian {
        /// The mean.
        mean: f32,
        /// The standard deviation, 0 or more.
        deviation: f32,
        /// The lowest and the highest value. Drawn values are clamped to them. Default: the parameter's own range.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<[f32; 2]>,
    },
    /// Uniform over several ranges, each from its first to its second value, in ascending order. A value comes from a range that is
    /// twice as wide twice as often.
    Ranges(Vec<[f32; 2]>),
}

impl Distribution {
    /// Draws a value.
    pub fn draw(&self, random: &mut Random) -> f32 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(low, high) => random.random_range(*low..=*high),
            Self::Gaussian { mean, deviation, clip } => {
                let normal: f32 = StandardNormal.sample(random);
                let value = mean + deviation * normal;
                clip.map_or(value, |[low, high]| value.clamp(low, high))
            }
            Self::Ranges(ranges) => {
                let total: f32 = ranges.iter().map(width).sum();
                if total == 0.0 {
                    return ranges.choose(random).map_or(0.0, |[value, _]| *value);
                }
                let mut left = random.random_range(0.0..total);
                for range in ranges {
                    if left < width(range) {
                        return range[0] + left;
                    }
                    left -= width(range);
                }
                // Only rounding errors lead here.
                ranges.last().map_or(0.0, |[_, high]| *high)
            }
        }
    }

    /// Checks that its numbers are in order and that the parameter permits them. `key` names it in errors.
    pub(super) fn check(&self, key: &str, parameter: &Parameter) -> Result<(), ParameterError> {
        let [least, most] = parameter.range;
        let error = |part: &str, found: String, expected: String| {
            Err(ParameterError { key: format!("{key}{part}"), found, expected })
        };
        let permitted = |value: f32| (least..=most).contains(&value);
        let within = format!("{least} to {most}, which is what the game permits");
        let pair = |part: &str, [low, high]: [f32; 2]| {
            let found = format!("[{low}, {high}]");
            if low.is_nan() || high.is_nan() || low > high {
                return error(part, found, "two numbers, the lower one first".into());
            }
            if permitted(low) && permitted(high) { Ok(()) } else { error(part, found, within.clone()) }
        };
        match self {
            Self::Constant(value) if !permitted(*value) => error("", value.to_string(), within),
            Self::Constant(_) => Ok(()),
            Self::Uniform(low, high) => pair(".uniform", [*low, *high]),
            Self::Gaussian { mean, deviation, clip } => {
                if !permitted(*mean) {
                    return error(".gaussian.mean", mean.to_string(), within);
                }
                if !(deviation.is_finite() && *deviation >= 0.0) {
                    return error(".gaussian.deviation", deviation.to_string(), "0 or more".into());
                }
                clip.map_or(Ok(()), |clip| pair(".gaussian.clip", clip))
            }
            Self::Ranges(ranges) => {
                if ranges.is_empty() {
                    return error(
                        ".ranges",
                        "empty".into(),
                        "one range or more, such as [[1, 2], [4, 5]]".into(),
                    );
                }
                ranges.iter().try_for_each(|range| pair(".ranges", *range))?;
                match ranges.windows(2).find(|pair| pair[0][1] > pair[1][0]) {
                    Some(pair) => error(
                        ".ranges",
                        format!("{:?} before {:?}", pair[0], pair[1]),
                        "ranges in ascending order that do not overlap".into(),
                    ),
                    None => Ok(()),
                }
            }
        }
    }
}

fn width([low, high]: &[f32; 2]) -> f32 {
    high - low
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(value) => serializer.serialize_f32(*value),
            other => Self::serialize(other, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTable)
    }
}

/// Reads a number as a constant, and a table as any distribution.
struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = Distribution;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a table with `uniform`, `gaussian` or `ranges`")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value as f32))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value as f32))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Distribution, E> {
        Ok(Distribution::Constant(value as f32))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Distribution, A::Error> {
        Distribution::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    fn draws(distribution: &Distribution) -> Vec<f32> {
        let mut random = stream(3, "test", 0);
        (0..20_000).map(|_| distribution.draw(&mut random)).collect()
    }

    fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
        let count = values.len() as f32;
        values.sum::<f32>() / count
    }

    #[test]
    fn a_constant_is_always_itself_and_uses_no_random_number() {
        let (mut random, untouched) = (stream(3, "test", 0), stream(3, "test", 0));
        assert_eq!(Distribution::Constant(2.5).draw(&mut random), 2.5);
        assert_eq!(random, untouched);
    }

    #[test]
    fn a_uniform_value_lies_anywhere_between_its_bounds() {
        let values = draws(&Distribution::Uniform(-1.0, 3.0));
        assert!(values.iter().all(|value| (-1.0..=3.0).contains(value)));
        assert!((mean(values.iter().copied()) - 1.0).abs() < 0.03);
        for quarter in 0..4 {
            let low = -1.0 + quarter as f32;
            let share = values.iter().filter(|value| (low..low + 1.0).contains(*value)).count();
            assert!((4_700..5_300).contains(&share), "{share}");
        }
        assert!(draws(&Distribution::Uniform(2.0, 2.0)).iter().all(|value| *value == 2.0));
    }

    #[test]
    fn a_gaussian_value_has_its_mean_and_deviation_and_stays_within_its_clip() {
        let values = draws(&Distribution::Gaussian { mean: 5.0, deviation: 2.0, clip: None });
        assert!((mean(values.iter().copied()) - 5.0).abs() < 0.05);
        let variance = mean(values.iter().map(|value| (value - 5.0) * (value - 5.0)));
        assert!((variance - 4.0).abs() < 0.15, "{variance}");
        let values = draws(&Distribution::Gaussian { mean: 5.0, deviation: 2.0, clip: Some([4.0, 7.0]) });
        assert!(values.iter().all(|value| (4.0..=7.0).contains(value)));
        assert!(values.contains(&4.0) && values.contains(&7.0));
    }

    #[test]
    fn each_of_several_ranges_is_drawn_in_proportion_to_its_width() {
        let values = draws(&Distribution::Ranges(vec![[0.0, 1.0], [2.0, 2.0], [5.0, 8.0]]));
        let within =
            |low: f32, high: f32| values.iter().filter(|value| (low..=high).contains(*value)).count();
        let (narrow, wide) = (within(0.0, 1.0), within(5.0, 8.0));
        assert_eq!(narrow + wide, values.len(), "nothing between them");
        assert!((4_700..5_300).contains(&narrow), "{narrow} and {wide}");
        let points = draws(&Distribution::Ranges(vec![[1.0, 1.0], [2.0, 2.0]]));
        let ones = points.iter().filter(|value| **value == 1.0).count();
        assert!((9_500..10_500).contains(&ones) && points.contains(&2.0), "points are equally likely");
    }

    #[test]
    fn errors_name_the_key_what_was_found_and_what_was_expected() {
        let parameter = Parameter::new("gravity", 9.81, [1.0, 30.0]);
        let gaussian = |mean, deviation, clip| Distribution::Gaussian { mean, deviation, clip };
        for (distribution, expected) in [
            (Distribution::Constant(0.5), "`gravity` is 0.5, expected 1 to 30"),
            (Distribution::Constant(f32::NAN), "`gravity` is NaN, expected 1 to 30"),
            (
                Distribution::Uniform(9.0, 4.0),
                "`gravity.uniform` is [9, 4], expected two numbers, the lower one first",
            ),
            (Distribution::Uniform(f32::NAN, 4.0), "`gravity.uniform` is [NaN, 4]"),
            (Distribution::Uniform(4.0, 40.0), "`gravity.uniform` is [4, 40], expected 1 to 30"),
            (gaussian(50.0, 1.0, None), "`gravity.gaussian.mean` is 50, expected 1 to 30"),
            (gaussian(9.0, -1.0, None), "`gravity.gaussian.deviation` is -1, expected 0 or more"),
            (gaussian(9.0, f32::INFINITY, None), "`gravity.gaussian.deviation` is inf, expected 0 or more"),
            (gaussian(9.0, 1.0, Some([9.0, 3.0])), "`gravity.gaussian.clip` is [9, 3]"),
            (Distribution::Ranges(vec![]), "`gravity.ranges` is empty"),
            (Distribution::Ranges(vec![[5.0, 4.0]]), "`gravity.ranges` is [5, 4]"),
            (Distribution::Ranges(vec![[4.0, 6.0], [5.0, 7.0]]), "do not overlap"),
        ] {
            let error = distribution.check("gravity", &parameter).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for distribution in [
            Distribution::Constant(1.0),
            Distribution::Uniform(4.0, 4.0),
            gaussian(9.0, 0.0, None),
            Distribution::Ranges(vec![[4.0, 5.0], [5.0, 7.0]]),
        ] {
            distribution.check("gravity", &parameter).unwrap();
        }
    }
}

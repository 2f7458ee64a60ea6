use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Distribution, Lesson, Parameter, Until};

/// How the parameters of a game are drawn.
///
/// In TOML, `parameters` is a table and each lesson is an element of the array `lessons`:
///
/// ```toml
/// [parameters]
/// wind = { uniform = [-2.0, 2.0] }
///
/// [[lessons]]
/// name = "near"
/// until = { score = { at_least = 10.0, episodes = 100 } } # or { decisions = 50_000 }, or { rating = 1_200 }
/// parameters = { distance = { uniform = [0.5, 2.0] } }
///
/// [[lessons]]
/// name = "far"
/// parameters = { distance = { uniform = [0.5, 30.0] } }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParametersConfig {
    /// How parameters are drawn, by the names of the parameters. The others keep their defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Distribution>,
    /// The lessons, in order. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons: Vec<Lesson>,
}

/// The error for a setting of [`ParametersConfig`] that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
#[non_exhaustive]
pub struct ParameterError {
    /// The setting.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl ParametersConfig {
    /// Sets how a parameter is drawn.
    #[must_use]
    pub fn with(mut self, parameter: impl Into<String>, distribution: Distribution) -> Self {
        self.parameters.insert(parameter.into(), distribution);
        self
    }

    /// Adds a lesson after the others.
    #[must_use]
    pub fn with_lesson(mut self, lesson: Lesson) -> Self {
        self.lessons.push(lesson);
        self
    }

    /// Whether all parameters keep their defaults.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.lessons.is_empty()
    }

    /// How the parameters are drawn in the lesson with this index, as settings without lessons. If there is no such lesson, the result
    /// has only the draws that hold outside of lessons.
    #[must_use]
    pub fn of_lesson(&self, index: usize) -> Self {
        let mut parameters = self.parameters.clone();
        if let Some(lesson) = self.lessons.get(index) {
            parameters.extend(lesson.parameters.clone());
        }
        Self { parameters, lessons: Vec::new() }
    }

    /// How the parameters are drawn in the last lesson, as settings without lessons. Use them to evaluate policies, since the last lesson
    /// is the goal of the training.
    #[must_use]
    pub fn of_last_lesson(&self) -> Self {
        self.of_lesson(self.lessons.len().saturating_sub(1))
    }

    /// Checks the settings against the parameters that a game has.
    ///
    /// # Errors
    /// The first setting that cannot be used, for example a parameter that the game does not have, a value that it does not permit, a
    /// range whose lower bound is above its upper bound, or a lesson that never ends.
    pub fn check(&self, known: &[Parameter]) -> Result<(), ParameterError> {
        for Parameter { name, default, range: [low, high] } in known {
            if !(low..=high).contains(&default) {
                let (key, found) = (format!("default of {name}"), default.to_string());
                return Err(ParameterError { key, found, expected: format!("{low} to {high}, its range") });
            }
        }
        check_all("parameters", &self.parameters, known)?;
        for lesson in &self.lessons {
            check_all(&format!("lesson {}: parameters", lesson.name), &lesson.parameters, known)?;
        }
        self.check_ends()
    }

    /// Checks that each lesson can begin and, except for the last one, end.
    fn check_ends(&self) -> Result<(), ParameterError> {
        let mut names = BTreeSet::new();
        let (mut decisions, mut rating) = (0, f32::NEG_INFINITY);
        for (index, lesson) in self.lessons.iter().enumerate() {
            let name = &lesson.name;
            let error = |key: &str, found: String, expected: &str| {
                let key = format!("lesson {name}: {key}");
                Err(ParameterError { key, found, expected: expected.into() })
            };
            if name.is_empty() || !names.insert(name) {
                return error("name", format!("{name:?}"), "a name that no other lesson has");
            }
            let is_last = index + 1 == self.lessons.len();
            match lesson.until {
                None if !is_last => {
                    let expected = "`score`, `decisions` or `rating`, because another lesson follows";
                    return error("until", "missing".into(), expected);
                }
                Some(_) if is_last => {
                    return error("until", "set".into(), "nothing, because no lesson follows");
                }
                Some(Until::Score { episodes: 0, .. }) => {
                    return error("until.score.episodes", "0".into(), "1 or more");
                }
                Some(Until::Score { at_least, .. }) if !at_least.is_finite() => {
                    return error("until.score.at_least", at_least.to_string(), "a finite number");
                }
                Some(Until::Decisions(end)) if end <= decisions => {
                    let expected = "more than 0 and more than in earlier lessons, or the lesson ends at once";
                    return error("until.decisions", end.to_string(), expected);
                }
                Some(Until::Rating(end)) if !(end.is_finite() && end > rating) => {
                    let expected =
                        "a finite number above those of earlier lessons, or the lesson ends at once";
                    return error("until.rating", end.to_string(), expected);
                }
                Some(Until::Decisions(end)) => decisions = end,
                Some(Until::Rating(end)) => rating = end,
                None | Some(Until::Score { .. }) => {}
            }
        }
        Ok(())
    }
}

/// Checks that the game has these parameters and permits their values.
fn check_all(
    table: &str,
    parameters: &BTreeMap<String, Distribution>,
    known: &[Parameter],
) -> Result<(), ParameterError> {
    for (name, distribution) in parameters {
        let key = format!("{table}.{name}");
        match known.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => distribution.check(&key, parameter)?,
            None => {
                let found = "not a parameter of this game".into();
                return Err(ParameterError { key, found, expected: list(known) });
            }
        }
    }
    Ok(())
}

/// A list of the game's parameters, for error messages.
fn list(known: &[Parameter]) -> String {
    let words: Vec<String> = known
        .iter()
        .map(|Parameter { name, default, range: [low, high] }| {
            format!("`{name}` (default {default}, {low} to {high})")
        })
        .collect();
    if words.is_empty() { "none, because it has no parameters".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Parameter; 2] =
        [Parameter::new("gravity", 9.81, [1.0, 30.0]), Parameter::new("wind", 0.0, [-5.0, 5.0])];

    fn refusal(config: &ParametersConfig) -> String {
        config.check(&KNOWN).unwrap_err().to_string()
    }

    #[test]
    fn a_parameter_that_the_game_does_not_have_is_refused_with_a_list_of_those_it_has() {
        let config = ParametersConfig::default().with("gravty", Distribution::Constant(1.0));
        let error = refusal(&config);
        assert!(error.contains("`parameters.gravty` is not a parameter of this game"), "{error}");
        assert!(error.contains("`gravity` (default 9.81, 1 to 30), `wind` (default 0, -5 to 5)"), "{error}");
        assert!(config.check(&[]).unwrap_err().to_string().contains("it has no parameters"));
        let lesson = Lesson::new("only").with("size", Distribution::Constant(1.0));
        let error = refusal(&ParametersConfig::default().with_lesson(lesson));
        assert!(error.contains("`lesson only: parameters.size`"), "{error}");
    }

    #[test]
    fn lessons_that_can_never_begin_or_end_are_refused() {
        let lessons = |ends: &[Option<Until>]| ParametersConfig {
            lessons: ends
                .iter()
                .enumerate()
                .map(|(index, until)| Lesson { until: *until, ..Lesson::new(index.to_string()) })
                .collect(),
            ..Default::default()
        };
        let score = |at_least, episodes| Some(Until::Score { at_least, episodes });
        for (ends, expected) in [
            (&[None, None][..], "`lesson 0: until` is missing, expected `score`"),
            (&[Some(Until::Decisions(5))], "`lesson 0: until` is set, expected nothing"),
            (&[score(1.0, 0), None], "`lesson 0: until.score.episodes` is 0, expected 1 or more"),
            (&[score(f32::NAN, 10), None], "`lesson 0: until.score.at_least` is NaN"),
            (&[Some(Until::Decisions(0)), None], "`lesson 0: until.decisions` is 0"),
            (
                &[Some(Until::Decisions(9)), Some(Until::Decisions(9)), None],
                "`lesson 1: until.decisions` is 9",
            ),
            (&[Some(Until::Rating(9.0)), Some(Until::Rating(8.0)), None], "`lesson 1: until.rating` is 8"),
        ] {
            let error = refusal(&lessons(ends));
            assert!(error.contains(expected), "{error}");
        }
        lessons(&[score(1.0, 10), Some(Until::Decisions(9)), Some(Until::Rating(8.0)), None])
            .check(&KNOWN)
            .unwrap();
        let twice = ParametersConfig::default()
            .with_lesson(Lesson::new("a").until(Until::Decisions(1)))
            .with_lesson(Lesson::new("a"));
        assert!(refusal(&twice).contains("a name that no other lesson has"));
    }

    #[test]
    fn a_lesson_overrides_what_is_drawn_without_lessons() {
        let config = ParametersConfig::default()
            .with("gravity", Distribution::Constant(3.0))
            .with("wind", Distribution::Constant(1.0))
            .with_lesson(Lesson::new("a").until(Until::Decisions(1)))
            .with_lesson(Lesson::new("b").with("wind", Distribution::Constant(2.0)));
        assert_eq!(config.of_lesson(0).parameters["wind"], Distribution::Constant(1.0));
        let last = config.of_last_lesson();
        assert_eq!(last.parameters["wind"], Distribution::Constant(2.0));
        assert_eq!(last.parameters["gravity"], Distribution::Constant(3.0));
        assert!(last.lessons.is_empty());
    }
}

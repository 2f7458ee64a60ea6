use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Distribution;

/// A lesson of a curriculum: how parameters are drawn while it lasts, and when it ends. Lessons follow each other in the order of the
/// [settings](super::ParametersConfig::lessons). The last one does not end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The name, for reports.
    pub name: String,
    /// When it ends. `None` for the last lesson, and only for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// How parameters are drawn while it lasts, by the names of the parameters. The other parameters are drawn as in
    /// [`ParametersConfig::parameters`](super::ParametersConfig::parameters).
    #[serde(default)]
    pub parameters: BTreeMap<String, Distribution>,
}

impl Lesson {
    /// A lesson that changes nothing and does not end.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), until: None, parameters: BTreeMap::new() }
    }

    /// Sets how a parameter is drawn while the lesson lasts.
    #[must_use]
    pub fn with(mut self, parameter: impl Into<String>, distribution: Distribution) -> Self {
        self.parameters.insert(parameter.into(), distribution);
        self
    }

    /// Sets when the lesson ends.
    #[must_use]
    pub fn until(mut self, until: Until) -> Self {
        self.until = Some(until);
        self
    }
}

/// When a lesson ends. It is checked whenever an episode has ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Until {
    /// The lesson ends when the mean score of the last episodes is high enough. Only episodes that began in the lesson count, so it
    /// lasts for at least `episodes` episodes. In training, agents explore in these episodes.
    Score {
        /// The least mean score.
        at_least: f32,
        /// Episodes over which the mean is taken, 1 or more. Default: 100.
        #[serde(default = "episodes")]
        episodes: u32,
    },
    /// The lesson ends when all arenas together have made this many joint decisions since the start of the training.
    Decisions(u64),
    /// The lesson ends when the [rating](crate::self_play::Pool::rating) of the newest policy in self-play is at least this. The first
    /// snapshot has a rating of 1,000.
    Rating(f32),
}

fn episodes() -> u32 {
    100
}

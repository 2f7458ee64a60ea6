use std::fmt;

use bevy::prelude::*;

use super::{Distribution, Lesson, Parameter, Parameters, ParametersConfig, ParametersPlugin, Until};
use crate::{
    arena::EpisodeEnded,
    random::Random,
    score::{Score, ScoreWindow},
};

/// The resource that knows the present lesson. [`ParametersPlugin`] inserts it.
#[derive(Resource)]
pub struct Curriculum {
    known: Vec<Parameter>,
    config: ParametersConfig,
    score: Score,
    lesson: usize,
    /// How each known parameter is drawn in this lesson.
    distributions: Vec<Distribution>,
    /// The scores of the episodes that began in this lesson.
    scores: ScoreWindow,
    pub(super) seed: u64,
    /// Arenas that have a random stream.
    pub(super) arenas: u64,
}

/// The event that a lesson has started. It is triggered for observers. It is not triggered for the lesson with which the run began.
#[derive(Event, Debug, Clone, PartialEq, Eq)]
pub struct LessonStarted {
    /// The index of the lesson.
    pub index: usize,
    /// The name of the lesson.
    pub name: String,
    /// Joint decisions that all arenas have made before the lesson.
    pub decisions: u64,
}

impl fmt::Debug for Curriculum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curriculum")
            .field("lesson", &self.lesson())
            .field("distributions", &self.distributions)
            .field("scores", &self.scores)
            .finish_non_exhaustive()
    }
}

impl Curriculum {
    pub(super) fn new(plugin: &ParametersPlugin) -> Self {
        let ParametersPlugin { known, config, score, first_lesson, first_scores, seed } = plugin.clone();
        let mut curriculum = Self {
            known,
            config,
            score,
            lesson: 0,
            distributions: Vec::new(),
            scores: ScoreWindow::new(1),
            seed: seed.unwrap_or(0),
            arenas: 0,
        };
        curriculum.begin(first_lesson.min(curriculum.config.lessons.len().saturating_sub(1)));
        first_scores.into_iter().for_each(|score| _ = curriculum.scores.push(score));
        curriculum
    }

    /// The settings.
    pub fn config(&self) -> &ParametersConfig {
        &self.config
    }

    /// The present lesson; `None` if there are no lessons.
    pub fn lesson(&self) -> Option<&Lesson> {
        self.config.lessons.get(self.lesson)
    }

    /// The index of the present lesson; 0 if there are no lessons.
    pub fn lesson_index(&self) -> usize {
        self.lesson
    }

    /// The mean score of the last episodes of the present lesson, if it ends [by score](Until::Score). `None` if it does not, and before
    /// its first episode has ended.
    pub fn score(&self) -> Option<f32> {
        self.scores.mean()
    }

    /// The scores over which [`score`](Self::score) takes the mean, oldest first.
    pub fn scores(&self) -> impl Iterator<Item = f32> {
        self.scores.scores()
    }

    /// Continues with the lesson of this name, unless a later one has begun. Returns whether there is a lesson of this name.
    #[cfg(feature = "learner")]
    pub(crate) fn resume(&mut self, name: &str) -> bool {
        let lesson = self.config.lessons.iter().position(|lesson| lesson.name == name);
        if let Some(later) = lesson.filter(|lesson| *lesson > self.lesson) {
            self.begin(later);
        }
        lesson.is_some()
    }

    fn begin(&mut self, lesson: usize) {
        self.lesson = lesson;
        let drawn = self.config.of_lesson(lesson).parameters;
        let of = |parameter: &Parameter| drawn.get(parameter.name).cloned();
        self.distributions = self
            .known
            .iter()
            .map(|parameter| of(parameter).unwrap_or(Distribution::Constant(parameter.default)))
            .collect();
        let window = match self.lesson().and_then(|lesson| lesson.until) {
            Some(Until::Score { episodes, .. }) => episodes,
            _ => 1,
        };
        self.scores = ScoreWindow::new(window as usize);
    }

    /// Counts the score of an episode if the episode began in the present lesson.
    pub(super) fn count(&mut self, episode: &EpisodeEnded) {
        let is_by_score = matches!(self.lesson().and_then(|lesson| lesson.until), Some(Until::Score { .. }));
        if is_by_score && episode.parameters.lesson() == self.lesson {
            self.scores.push((self.score)(episode));
        }
    }

    /// Starts the next lesson if the present one is over.
    pub(super) fn advance(&mut self, decisions: u64, rating: Option<f32>) -> Option<LessonStarted> {
        let is_over = match self.lesson()?.until? {
            Until::Score { at_least, episodes } => {
                let count = self.scores.scores().count();
                count >= episodes as usize && self.scores.mean().is_some_and(|score| score >= at_least)
            }
            Until::Decisions(end) => decisions >= end,
            Until::Rating(end) => rating.is_some_and(|rating| rating >= end),
        };
        if !is_over {
            return None;
        }
        self.begin(self.lesson + 1);
        let name = self.lesson()?.name.clone();
        Some(LessonStarted { index: self.lesson, name, decisions })
    }

    /// Draws the parameters of an episode.
    pub(super) fn draw(&self, parameters: &mut Parameters, random: &mut Random) {
        parameters.lesson = self.lesson;
        parameters.values.clear();
        parameters.values.extend(self.known.iter().zip(&self.distributions).map(
            |(parameter, distribution)| {
                let [low, high] = parameter.range;
                (parameter.name, distribution.draw(random).clamp(low, high))
            },
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curriculum(until: Until) -> Curriculum {
        let config = ParametersConfig::default()
            .with_lesson(Lesson::new("first").until(until))
            .with_lesson(Lesson::new("second"));
        Curriculum::new(&ParametersPlugin { config, ..default() })
    }

    fn play(curriculum: &mut Curriculum, score: f32, lesson: usize) {
        let mut episode = EpisodeEnded::new(Entity::PLACEHOLDER, vec![score]);
        episode.parameters.lesson = lesson;
        curriculum.count(&episode);
    }

    #[test]
    fn a_lesson_ends_at_the_mean_score_of_its_last_episodes() {
        let mut curriculum = curriculum(Until::Score { at_least: 2.0, episodes: 3 });
        for score in [9.0, 9.0] {
            play(&mut curriculum, score, 0);
            assert_eq!(curriculum.advance(0, None), None, "too few episodes");
        }
        for score in [-20.0, 4.0, 0.0] {
            play(&mut curriculum, score, 0);
            assert_eq!(curriculum.advance(0, None), None, "{:?}", curriculum.score());
        }
        play(&mut curriculum, 2.0, 0);
        let started = curriculum.advance(70, None);
        assert_eq!(started, Some(LessonStarted { index: 1, name: "second".into(), decisions: 70 }));
        assert_eq!((curriculum.lesson_index(), curriculum.score()), (1, None));
        assert_eq!(curriculum.advance(u64::MAX, Some(f32::MAX)), None, "the last lesson does not end");
    }

    #[test]
    fn episodes_of_an_earlier_lesson_do_not_count() {
        let mut curriculum = curriculum(Until::Score { at_least: 2.0, episodes: 1 });
        play(&mut curriculum, 9.0, 7);
        assert_eq!(curriculum.advance(0, None), None);
        play(&mut curriculum, 9.0, 0);
        assert!(curriculum.advance(0, None).is_some());
    }

    #[test]
    fn a_lesson_ends_by_progress_or_by_rating() {
        let mut by_progress = curriculum(Until::Decisions(100));
        assert_eq!(by_progress.advance(99, Some(9_999.0)), None);
        assert!(by_progress.advance(100, None).is_some());
        let mut by_rating = curriculum(Until::Rating(1_200.0));
        assert_eq!(by_rating.advance(u64::MAX, None), None);
        assert_eq!(by_rating.advance(u64::MAX, Some(1_199.0)), None);
        assert!(by_rating.advance(0, Some(1_200.0)).is_some());
    }
}

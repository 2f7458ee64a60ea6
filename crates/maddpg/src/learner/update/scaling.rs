use std::ops::Range;

use crate::{
    learner::statistics::RunningStatistics,
    policy::{AgentSpec, Normalizer},
};

/// How observations of the agents of one policy are scaled. Pixels are not scaled, so there are no statistics of them.
#[derive(Debug)]
pub(in crate::learner) struct Scaling {
    /// The statistics of the numbers that are not pixels.
    pub(in crate::learner) statistics: RunningStatistics,
    pub(super) normalizer: Normalizer,
    /// Where these numbers are in an observation with an image, and memory to gather them; empty without an image.
    ranges: Vec<Range<usize>>,
    numbers: Vec<f32>,
}

impl Scaling {
    /// How many numbers there are statistics of.
    pub(in crate::learner) fn size(agent: &AgentSpec) -> usize {
        let size = agent.observation_size;
        agent.image.map_or(size, |image| image.others(size).map(|range| range.len()).sum())
    }

    /// The scaling of the observations of `agent`.
    pub(in crate::learner) fn new(statistics: RunningStatistics, agent: &AgentSpec) -> Self {
        let ranges = agent.image.into_iter().flat_map(|image| image.others(agent.observation_size)).collect();
        let mut scaling =
            Self { normalizer: Normalizer::identity(0), statistics, ranges, numbers: Vec::new() };
        scaling.refresh(agent);
        scaling
    }

    /// Adds an observation of `agent` to the statistics.
    pub(super) fn see(&mut self, observation: &[f32], agent: &AgentSpec) {
        if agent.image.is_none() {
            self.statistics.push(observation);
            return;
        }
        self.numbers.clear();
        self.ranges.iter().for_each(|range| self.numbers.extend_from_slice(&observation[range.clone()]));
        self.statistics.push(&self.numbers);
    }

    /// Computes the normalizer anew from the statistics, except for numbers that are not scaled.
    pub(super) fn refresh(&mut self, agent: &AgentSpec) {
        let followed = self.statistics.normalizer();
        if agent.image.is_none() {
            self.normalizer = followed;
        } else {
            self.normalizer = Normalizer::identity(agent.observation_size);
            self.normalizer.clip = followed.clip;
            let mut start = 0;
            for range in &self.ranges {
                let own = start..start + range.len();
                self.normalizer.mean[range.clone()].copy_from_slice(&followed.mean[own.clone()]);
                self.normalizer.scale[range.clone()].copy_from_slice(&followed.scale[own.clone()]);
                start = own.end;
            }
        }
        for range in agent.raw.iter().cloned() {
            self.normalizer.mean[range.clone()].fill(0.0);
            self.normalizer.scale[range].fill(1.0);
        }
    }
}

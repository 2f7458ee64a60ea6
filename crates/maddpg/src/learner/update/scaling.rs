use crate::{
    learner::statistics::RunningStatistics,
    policy::{AgentSpec, Normalizer},
};

/// How observations of the agents of one policy are scaled.
#[derive(Debug)]
pub(in crate::learner) struct Scaling {
    pub(in crate::learner) statistics: RunningStatistics,
    pub(super) normalizer: Normalizer,
}

impl Scaling {
    /// The scaling of the observations of `agent`.
    pub(in crate::learner) fn new(statistics: RunningStatistics, agent: &AgentSpec) -> Self {
        let mut scaling = Self { normalizer: Normalizer::identity(0), statistics };
        scaling.refresh(agent);
        scaling
    }

    /// Follows the statistics, except for numbers that stay as they are.
    pub(super) fn refresh(&mut self, agent: &AgentSpec) {
        self.normalizer = self.statistics.normalizer();
        let pixels = agent.image.into_iter().flat_map(|image| image.pixels(agent.observation_size));
        for range in agent.raw.iter().cloned().chain(pixels) {
            self.normalizer.mean[range.clone()].fill(0.0);
            self.normalizer.scale[range].fill(1.0);
        }
    }
}

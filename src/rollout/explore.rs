use bevy::prelude::*;

use crate::{
    exploration::{ExplorationConfig, Explorer},
    policy::{ActionSpace, AgentSpec},
    random::{Random, stream},
};

/// The resource that says how agents explore and how they make choices. You can change it at any time.
#[derive(Resource, Debug)]
pub struct Exploration {
    /// The settings of the exploration.
    pub config: ExplorationConfig,
    /// Whether agents explore. If not, actions are the policy's outputs without noise.
    pub enabled: bool,
    /// Whether agents that do not explore draw their choices at random, with the probabilities of the policy. If not, they make the most
    /// likely choice. Default: false. Set it to true if opponents should not be predictable.
    pub samples: bool,
    seed: u64,
    /// The random stream for the choices of agents outside of the arenas' rows.
    others: Random,
    arenas: Vec<(Explorer, Random)>,
    /// Number of random streams started so far.
    streams: u64,
}

impl Exploration {
    pub(super) fn new(config: ExplorationConfig, seed: u64) -> Self {
        let others = stream(seed, "choices of others", 0);
        Self { config, enabled: true, samples: false, seed, others, arenas: Vec::new(), streams: 0 }
    }

    /// The seed of the run.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes room for the arenas, each with its own random stream. `kept` says, for each arena, which old arena's
    /// stream it continues; `None` starts a new stream.
    pub(super) fn fit(&mut self, kept: &[Option<usize>]) {
        let mut old: Vec<_> = std::mem::take(&mut self.arenas).into_iter().map(Some).collect();
        for kept in kept {
            let known = kept.and_then(|kept| old[kept].take());
            self.arenas.push(known.unwrap_or_else(|| {
                self.streams += 1;
                (Explorer::default(), stream(self.seed, "exploration", self.streams - 1))
            }));
        }
    }

    /// Starts an episode of arena `index`, in which the agents explore or not, and returns the scale of its noise.
    pub(super) fn begin(&mut self, index: usize, decisions: u64, explores: bool) -> f32 {
        let (explorer, random) = &mut self.arenas[index];
        explorer.begin(&self.config, decisions, random);
        if !explores {
            explorer.rest();
        }
        if self.enabled { explorer.scale() } else { 0.0 }
    }

    /// Turns the outputs of the policies for arena `index` into the joint action of these agents, after so many joint decisions of its
    /// kind, of which the first `random_decisions` are random.
    pub(super) fn explore(
        &mut self,
        index: usize,
        decisions: u64,
        random_decisions: u64,
        agents: &[AgentSpec],
        masks: &[f32],
        action: &mut [f32],
    ) {
        let (explorer, random) = &mut self.arenas[index];
        explorer.count(&self.config, decisions, random);
        if self.enabled && decisions < random_decisions {
            explorer.act_randomly(&self.config, agents, masks, action, random);
        } else if self.enabled && explorer.explores(&self.config) {
            explorer.perturb(&self.config, agents, masks, action, random);
        } else {
            let mut start = 0;
            for space in agents.iter().map(|agent| &agent.action) {
                let own = &mut action[start..start + space.size()];
                choose(space, own, self.samples.then_some(&mut *random));
                start += space.size();
            }
        }
    }

    /// Makes the choices of an agent outside of the arenas' rows.
    pub(super) fn choose(&mut self, space: &ActionSpace, action: &mut [f32]) {
        choose(space, action, self.samples.then_some(&mut self.others));
    }
}

/// Turns probabilities into choices: draws them if there is a random stream, otherwise makes the most likely ones.
fn choose(space: &ActionSpace, action: &mut [f32], random: Option<&mut Random>) {
    match random {
        _ if space.branches().is_empty() => {}
        Some(random) => space.sample(action, &[], 0.0, random),
        None => space.choose_best(action),
    }
}

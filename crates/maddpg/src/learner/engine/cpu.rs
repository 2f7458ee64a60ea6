//! Updates on the CPU: plain loops that call kernels, without allocation after the first updates.
//!
//! The rows of the minibatch are divided among [`Lane`]s, whose number depends on the size of the minibatch alone. Each lane
//! processes its rows in chunks that stay in the nearest cache from the first layer to the last gradient. The lanes'
//! gradients are added in a fixed order, so the results are the same for any number of threads.

mod adam;
mod backward;
mod convolution;
mod lane;

use std::{ops::Range, sync::Arc};

use rayon::prelude::*;

use self::{
    adam::step,
    backward::PackedBackward,
    lane::{Lane, Sums},
};
use super::{Engine, GroupSetup, Result, Setup, UpdateStatistics, Weights};
use crate::{
    kernels::move_towards,
    learner::{
        LearnerConfig,
        batch::{Batch, Draw},
        values::Rescaling,
    },
    policy::PackedNetwork,
};

/// Number of rows of a lane, unless this would give more than [`MOST_LANES`] lanes.
const LANE_ROWS: usize = 256;
/// Maximum number of lanes. The gradients of all lanes are added up; with more lanes, this would take more time than
/// further threads save.
const MOST_LANES: usize = 8;

/// How many lanes divide a minibatch of this many rows: at least two, so that two threads can share the smallest ones.
pub(in crate::learner) fn lanes(batch_size: usize) -> usize {
    batch_size.div_ceil(LANE_ROWS).clamp(2, MOST_LANES)
}

/// Computes updates in place with this crate's kernels.
#[derive(Debug)]
pub(in crate::learner) struct CpuEngine {
    setup: Arc<Setup>,
    groups: Vec<Networks>,
    parts: Vec<Part>,
    /// Whether lanes and policies are shared among threads.
    shared: bool,
}

/// A part of the minibatch, and what computes its gradients.
#[derive(Debug)]
struct Part {
    lane: Lane,
    batch: Batch,
}

/// One policy's networks: their weights, and copies of them in the layout that matrix products read.
#[derive(Debug)]
struct Networks {
    weights: Weights,
    actor: PackedNetwork,
    actor_backward: PackedBackward,
    actor_target: PackedNetwork,
    critics: Vec<PackedNetwork>,
    critics_backward: Vec<PackedBackward>,
    critics_target: Vec<PackedNetwork>,
    /// The gradient of the critics or of the actor, summed over all lanes.
    gradient: Vec<f32>,
    /// Norm of the critics' last gradient, and of the actor's, before clipping.
    critic_norm: f64,
    actor_norm: f64,
}

impl Networks {
    fn new(weights: Weights, setup: &GroupSetup) -> Self {
        let mut networks = Self {
            weights,
            actor: PackedNetwork::default(),
            actor_backward: PackedBackward::default(),
            actor_target: PackedNetwork::default(),
            critics: vec![PackedNetwork::default(); setup.critics],
            critics_backward: vec![PackedBackward::default(); setup.critics],
            critics_target: vec![PackedNetwork::default(); setup.critics],
            gradient: Vec::new(),
            critic_norm: 0.0,
            actor_norm: 0.0,
        };
        networks.pack_critics(setup);
        networks.pack_actor(setup);
        networks.pack_actor_target(setup);
        networks.pack_critic_targets(setup);
        networks
    }

    fn pack_critics(&mut self, setup: &GroupSetup) {
        let parameters = self.weights.critics.chunks_exact(setup.critic.parameters());
        let packed = self.critics.iter_mut().zip(&mut self.critics_backward);
        for (number, (parameters, (forward, backward))) in parameters.zip(packed).enumerate() {
            forward.pack(&setup.critic, parameters);
            // The actor maximizes the first critic, so only that one needs gradients of its action inputs.
            let columns = if number == 0 { setup.action_columns() } else { 0..0 };
            backward.pack(&setup.critic, parameters, columns);
        }
    }

    fn pack_actor(&mut self, setup: &GroupSetup) {
        self.actor.pack(&setup.actor, &self.weights.actor);
        self.actor_backward.pack(&setup.actor, &self.weights.actor, 0..0);
    }

    fn pack_actor_target(&mut self, setup: &GroupSetup) {
        self.actor_target.pack(&setup.actor, &self.weights.actor_target);
    }

    fn pack_critic_targets(&mut self, setup: &GroupSetup) {
        let parameters = self.weights.critics_target.chunks_exact(setup.critic.parameters());
        for (parameters, packed) in parameters.zip(&mut self.critics_target) {
            packed.pack(&setup.critic, parameters);
        }
    }

    /// Takes one Adam step for the critics, with the sum of the lanes' gradients.
    fn step_critics<'a>(
        &mut self,
        setup: &GroupSetup,
        config: &LearnerConfig,
        gradients: impl Iterator<Item = &'a [f32]> + Clone,
    ) {
        let Weights { critics, critics_adam, .. } = &mut self.weights;
        let settings = setup.critic_step(config, critics_adam.steps);
        self.critic_norm = step(critics, critics_adam, gradients, &mut self.gradient, settings);
        self.pack_critics(setup);
    }

    /// Takes one Adam step for the actor, with the sum of the lanes' gradients. Then moves the policy's average and the
    /// targets.
    fn step_actor<'a>(
        &mut self,
        setup: &GroupSetup,
        config: &LearnerConfig,
        gradients: impl Iterator<Item = &'a [f32]> + Clone,
    ) {
        let Weights { actor, actor_target, policy, critics, critics_target, actor_adam, .. } =
            &mut self.weights;
        let settings = setup.actor_step(config, actor_adam.steps);
        self.actor_norm = step(actor, actor_adam, gradients, &mut self.gradient, settings);
        move_towards(actor_target, actor, config.tau);
        if config.policy_average < 1.0 {
            move_towards(policy, actor, config.policy_average);
        }
        move_towards(critics_target, critics, config.tau);
        self.pack_actor(setup);
        self.pack_actor_target(setup);
        self.pack_critic_targets(setup);
    }
}

impl CpuEngine {
    pub(in crate::learner) fn new(setup: Arc<Setup>, weights: Vec<Weights>) -> Self {
        let groups =
            weights.into_iter().zip(&setup.groups).map(|(weights, setup)| Networks::new(weights, setup));
        let part = |_| Part { lane: Lane::new(&setup), batch: Batch::default() };
        Self {
            groups: groups.collect(),
            parts: (0..lanes(setup.config.batch_size)).map(part).collect(),
            shared: false,
            setup,
        }
    }
}

/// Runs `work` on every item, on all threads of the current pool if it is `shared`.
fn for_all<T: Send>(items: &mut [T], shared: bool, work: impl Fn(usize, &mut T) + Sync) {
    if shared {
        items.par_iter_mut().enumerate().for_each(|(index, item)| work(index, item));
    } else {
        items.iter_mut().enumerate().for_each(|(index, item)| work(index, item));
    }
}

impl Engine for CpuEngine {
    fn update(
        &mut self,
        draw: &Draw,
        actors_too: bool,
        mut measures: Option<&mut [UpdateStatistics]>,
    ) -> Result<()> {
        let Self { setup, groups, parts, shared } = self;
        let rows_of = rows_of_parts(draw.indices.len(), parts.len());
        for_all(parts, *shared, |number, Part { lane, batch }| {
            batch.gather(draw, rows_of(number));
            lane.critic_gradients(setup, groups, batch);
        });
        for_all(groups, *shared, |index, networks| {
            let gradients = parts.iter().map(|part| &part.lane.critic_gradients[index][..]);
            networks.step_critics(&setup.groups[index], &setup.config, gradients);
        });
        for (index, measures) in measures.iter_mut().flat_map(|all| all.iter_mut()).enumerate() {
            let values = draw.totals[index].critic;
            let sums = parts.iter().map(|part| part.lane.sums[index]).sum::<Sums>();
            let mean = |sum: f32| sum / (values * setup.groups[index].critics as f32);
            *measures = UpdateStatistics {
                critic_loss: mean(sums.squared_error),
                q_mean: mean(sums.value),
                target_mean: sums.target / values,
                target_square: sums.squared_target / values,
                critic_gradient_norm: groups[index].critic_norm as f32,
                actors_updated: actors_too,
                ..UpdateStatistics::default()
            };
        }
        if !actors_too {
            return Ok(());
        }
        for_all(parts, *shared, |_, Part { lane, batch }| lane.actor_gradients(setup, groups, batch));
        for_all(groups, *shared, |index, networks| {
            let gradients = parts.iter().map(|part| &part.lane.actor_gradients[index][..]);
            networks.step_actor(&setup.groups[index], &setup.config, gradients);
        });
        for (index, measures) in measures.iter_mut().flat_map(|all| all.iter_mut()).enumerate() {
            let sums = parts.iter().map(|part| part.lane.sums[index]).sum::<Sums>();
            let rows = draw.totals[index].actor;
            let outputs = rows * setup.groups[index].choices.numbers.max(1) as f32;
            let penalty = setup.config.action_penalty * sums.squared_output / outputs;
            measures.actor_loss = penalty - sums.climbed_value / rows;
            measures.saturation = sums.saturated / outputs;
            measures.actor_gradient_norm = groups[index].actor_norm as f32;
        }
        Ok(())
    }

    fn measures_at_no_cost(&self) -> bool {
        true
    }

    fn acting(&self, index: usize) -> Result<Vec<f32>> {
        let weights = &self.groups[index].weights;
        let acting = if self.setup.config.policy_average < 1.0 { &weights.policy } else { &weights.actor };
        Ok(acting.clone())
    }

    fn weights(&self) -> Result<Vec<Weights>> {
        Ok(self.groups.iter().map(|networks| networks.weights.clone()).collect())
    }

    fn set_weights(&mut self, weights: Vec<Weights>) -> Result<()> {
        let shared = self.shared;
        *self = Self::new(self.setup.clone(), weights);
        self.shared = shared;
        Ok(())
    }

    fn rescale_values(&mut self, index: usize, rescaling: Rescaling) -> Result<()> {
        let (networks, setup) = (&mut self.groups[index], &self.setup.groups[index]);
        networks.weights.rescale_values(setup, rescaling);
        networks.pack_critics(setup);
        networks.pack_critic_targets(setup);
        Ok(())
    }

    fn most_threads(&self) -> usize {
        self.parts.len().max(self.groups.len())
    }

    fn share_work(&mut self) {
        self.shared = true;
    }
}

/// The rows of each of `parts` parts of a minibatch. With fewer rows than parts, the last ones are empty.
fn rows_of_parts(rows: usize, parts: usize) -> impl Fn(usize) -> Range<usize> {
    let size = rows.div_ceil(parts);
    move |number| (number * size).min(rows)..((number + 1) * size).min(rows)
}

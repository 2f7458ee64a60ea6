//! Updates on the CPU: plain loops that call kernels, without allocation after the first updates.
//!
//! The rows of the minibatch are split into two halves, one per [`Lane`]. Each lane processes its rows in chunks that
//! stay in the nearest cache from the first layer to the last gradient. The lanes' gradients are added in a fixed
//! order, so the results are the same whether one thread computes both lanes or two threads compute one each.

mod adam;
mod backward;
mod lane;

use std::sync::Arc;

use self::{adam::step, backward::PackedBackward, lane::Lane};
use super::{Engine, Result, Setup, UpdateStatistics, Weights};
use crate::{
    kernels::move_towards,
    learner::{
        batch::{Batch, Draw},
        values::Rescaling,
    },
    policy::PackedNetwork,
};

/// Computes updates in place with this crate's kernels.
#[derive(Debug)]
pub(in crate::learner) struct CpuEngine {
    setup: Arc<Setup>,
    groups: Vec<Networks>,
    lanes: [Lane; 2],
    /// Each lane's part of the minibatch.
    batches: [Batch; 2],
    /// Whether the lanes run on two threads.
    shared: bool,
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
}

impl CpuEngine {
    pub(in crate::learner) fn new(setup: Arc<Setup>, weights: Vec<Weights>) -> Self {
        let groups = weights.into_iter().zip(&setup.groups).map(|(weights, setup)| Networks {
            weights,
            actor: PackedNetwork::default(),
            actor_backward: PackedBackward::default(),
            actor_target: PackedNetwork::default(),
            critics: vec![PackedNetwork::default(); setup.critics],
            critics_backward: vec![PackedBackward::default(); setup.critics],
            critics_target: vec![PackedNetwork::default(); setup.critics],
        });
        let mut engine = Self {
            groups: groups.collect(),
            lanes: [Lane::new(&setup), Lane::new(&setup)],
            batches: Default::default(),
            shared: false,
            setup,
        };
        for index in 0..engine.groups.len() {
            engine.pack_critics(index);
            engine.pack_actor(index);
            engine.pack_actor_target(index);
            engine.pack_critic_targets(index);
        }
        engine
    }

    /// Runs `work` for both lanes.
    fn on_lanes(&mut self, work: impl Fn(&mut Lane, &mut Batch, &[Networks], usize) + Sync) {
        let Self { groups, lanes: [first, second], batches: [first_batch, second_batch], shared, .. } = self;
        let mut one = || work(first, first_batch, groups, 0);
        let mut other = || work(second, second_batch, groups, 1);
        if *shared {
            rayon::join(one, other);
        } else {
            one();
            other();
        }
    }

    fn pack_critics(&mut self, index: usize) {
        let setup = &self.setup.groups[index];
        let networks = &mut self.groups[index];
        let parameters = networks.weights.critics.chunks_exact(setup.critic.parameters());
        let packed = networks.critics.iter_mut().zip(&mut networks.critics_backward);
        for (number, (parameters, (forward, backward))) in parameters.zip(packed).enumerate() {
            forward.pack(&setup.critic, parameters);
            // The actor maximizes the first critic, so only that one needs gradients of its action inputs.
            let columns = if number == 0 { setup.action_columns() } else { 0..0 };
            backward.pack(&setup.critic, parameters, columns);
        }
    }

    fn pack_actor(&mut self, index: usize) {
        let shape = &self.setup.groups[index].actor;
        let networks = &mut self.groups[index];
        networks.actor.pack(shape, &networks.weights.actor);
        networks.actor_backward.pack(shape, &networks.weights.actor, 0..0);
    }

    fn pack_actor_target(&mut self, index: usize) {
        let networks = &mut self.groups[index];
        networks.actor_target.pack(&self.setup.groups[index].actor, &networks.weights.actor_target);
    }

    fn pack_critic_targets(&mut self, index: usize) {
        let setup = &self.setup.groups[index];
        let networks = &mut self.groups[index];
        let parameters = networks.weights.critics_target.chunks_exact(setup.critic.parameters());
        for (parameters, packed) in parameters.zip(&mut networks.critics_target) {
            packed.pack(&setup.critic, parameters);
        }
    }

    /// Takes one Adam step for the critics of policy `index`. Returns the norm of the gradient before clipping.
    fn step_critics(&mut self, index: usize) -> f64 {
        let config = &self.setup.config;
        let [first, second] = &mut self.lanes;
        let gradients = (&mut first.critic_gradients[index][..], &second.critic_gradients[index][..]);
        let Weights { critics, critics_adam, .. } = &mut self.groups[index].weights;
        let rate = config.critic_rate(critics_adam.steps);
        let parts = &self.setup.groups[index].critic_parts;
        let norm = step(critics, critics_adam, gradients, parts, config.gradient_clip, rate);
        self.pack_critics(index);
        norm
    }

    /// Takes one Adam step for the actor of policy `index`, then moves the policy's average and targets. Returns the
    /// norm of the gradient before clipping.
    fn step_actor(&mut self, index: usize) -> f64 {
        let config = &self.setup.config;
        let [first, second] = &mut self.lanes;
        let gradients = (&mut first.actor_gradients[index][..], &second.actor_gradients[index][..]);
        let Weights { actor, actor_target, policy, published, critics, critics_target, actor_adam, .. } =
            &mut self.groups[index].weights;
        let rate = config.actor_rate(actor_adam.steps);
        let parts = &self.setup.groups[index].actor_parts;
        let norm = step(actor, actor_adam, gradients, parts, config.gradient_clip, rate);
        move_towards(actor_target, actor, config.tau);
        if config.policy_average < 1.0 {
            move_towards(policy, actor, config.policy_average);
        }
        // Empty if there is none.
        move_towards(published, actor, config.published_average);
        move_towards(critics_target, critics, config.tau);
        self.pack_actor(index);
        self.pack_actor_target(index);
        self.pack_critic_targets(index);
        norm
    }
}

impl Engine for CpuEngine {
    fn update(
        &mut self,
        draw: &Draw,
        actors_too: bool,
        mut measures: Option<&mut [UpdateStatistics]>,
    ) -> Result<()> {
        let setup = self.setup.clone();
        let rows = draw.indices.len();
        let middle = rows.div_ceil(2);
        self.on_lanes(|lane, batch, groups, number| {
            batch.gather(draw, if number == 0 { 0..middle } else { middle..rows });
            lane.critic_gradients(&setup, groups, batch);
        });
        for index in 0..self.groups.len() {
            let norm = self.step_critics(index);
            if let Some(measures) = &mut measures {
                let [first, second] = &self.lanes;
                let values = draw.totals[index].critic;
                let mean = |sum: f32| sum / (values * setup.groups[index].critics as f32);
                let (a, b) = (&first.sums[index], &second.sums[index]);
                measures[index] = UpdateStatistics {
                    critic_loss: mean(a.squared_error + b.squared_error),
                    q_mean: mean(a.value + b.value),
                    target_mean: (a.target + b.target) / values,
                    target_square: (a.squared_target + b.squared_target) / values,
                    critic_gradient_norm: norm as f32,
                    actors_updated: actors_too,
                    ..UpdateStatistics::default()
                };
            }
        }
        if !actors_too {
            return Ok(());
        }
        self.on_lanes(|lane, batch, groups, _| lane.actor_gradients(&setup, groups, batch));
        for index in 0..self.groups.len() {
            let norm = self.step_actor(index);
            if let Some(measures) = &mut measures {
                let [a, b] = &self.lanes;
                let (a, b) = (&a.sums[index], &b.sums[index]);
                let group = &setup.groups[index];
                let rows = draw.totals[index].actor;
                let outputs = rows * group.choices.numbers.max(1) as f32;
                let penalty = setup.config.action_penalty * (a.squared_output + b.squared_output) / outputs;
                measures[index].actor_loss = penalty - (a.climbed_value + b.climbed_value) / rows;
                measures[index].saturation = (a.saturated + b.saturated) / outputs;
                measures[index].actor_gradient_norm = norm as f32;
            }
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

    fn published(&self, index: usize) -> Result<Vec<f32>> {
        let published = &self.groups[index].weights.published;
        if published.is_empty() { self.acting(index) } else { Ok(published.clone()) }
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
        self.groups[index].weights.rescale_values(&self.setup.groups[index], rescaling);
        self.pack_critics(index);
        self.pack_critic_targets(index);
        Ok(())
    }

    fn share_work(&mut self) {
        self.shared = true;
    }
}

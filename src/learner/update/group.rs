use candle_core::{Device, Result, Tensor, Var};

use crate::{
    learner::{LearnerConfig, batch::View, mlp::Mlp, optimizer::Adam, statistics::RunningStatistics},
    policy::{ArenaSpec, NetworkShape, Normalizer, PolicyGroup},
    random::Random,
};

/// One policy's networks and what belongs to them.
#[derive(Debug)]
pub(in crate::learner) struct Group {
    pub(in crate::learner) group: PolicyGroup,
    pub(super) views: Vec<View>,
    pub(super) actor: Mlp,
    /// All critics of the group, stacked; and the first alone, which the actor climbs.
    pub(super) critics: Mlp,
    pub(super) first_critic: Mlp,
    pub(in crate::learner) weights: Weights,
    pub(in crate::learner) statistics: RunningStatistics,
    pub(super) normalizer: Normalizer,
}

/// Learned and target parameters, flat, with their optimizers.
#[derive(Debug)]
pub(in crate::learner) struct Weights {
    pub(in crate::learner) actor: Var,
    pub(in crate::learner) actor_target: Var,
    /// The average that acts.
    pub(in crate::learner) policy: Var,
    pub(in crate::learner) critics: Var,
    pub(in crate::learner) critics_target: Var,
    pub(in crate::learner) actor_adam: Adam,
    pub(in crate::learner) critics_adam: Adam,
}

impl Group {
    pub(super) fn new(
        group: PolicyGroup,
        config: &LearnerConfig,
        spec: &ArenaSpec,
        device: &Device,
        random: &mut Random,
    ) -> Result<Self> {
        let views: Vec<View> =
            group.slots.iter().map(|&slot| View::new(spec, slot, config.central_critic)).collect();
        let (observation_size, action_size) = (group.agent.observation_size, group.agent.action_size);
        let inputs = views[0].observation_size() + views[0].action_size();
        let actor = NetworkShape::new(observation_size, &config.actor_hidden, action_size, false);
        let critic = NetworkShape::new(inputs, &config.critic_hidden, 1, config.critic_layer_norm);
        let stack = if config.twin_critics { 2 } else { 1 };
        let scale = config.last_layer_scale;
        let actor_parameters = actor.initialize(scale, random);
        let critic_parameters: Vec<f32> = (0..stack).flat_map(|_| critic.initialize(scale, random)).collect();
        let var = |parameters: &[f32]| Var::from_slice(parameters, parameters.len(), device);
        let (actor_var, critics_var) = (var(&actor_parameters)?, var(&critic_parameters)?);
        Ok(Self {
            weights: Weights {
                actor_target: var(&actor_parameters)?,
                policy: var(&actor_parameters)?,
                critics_target: var(&critic_parameters)?,
                actor_adam: Adam::new(&actor_var)?,
                critics_adam: Adam::new(&critics_var)?,
                actor: actor_var,
                critics: critics_var,
            },
            actor: Mlp::new(actor, 1),
            critics: Mlp::new(critic.clone(), stack),
            first_critic: Mlp::new(critic, 1),
            statistics: RunningStatistics::new(observation_size),
            normalizer: Normalizer::identity(observation_size),
            views,
            group,
        })
    }

    /// Takes the normalizer from the statistics, as after loading them.
    pub(in crate::learner) fn refresh_normalizer(&mut self) {
        self.normalizer = self.statistics.normalizer();
    }

    /// The members' own observations, one member's rows below the other's, `[members * rows, observation_size]`.
    pub(super) fn own_observations(
        &self,
        joint: &[f32],
        rows: usize,
        spec: &ArenaSpec,
        device: &Device,
    ) -> Result<Tensor> {
        let size = self.group.agent.observation_size;
        let width = spec.joint_observation_size();
        let mut own = Vec::with_capacity(self.group.slots.len() * rows * size);
        for &slot in &self.group.slots {
            let offset = spec.observation_offset(slot);
            for row in joint.chunks_exact(width) {
                own.extend_from_slice(&row[offset..offset + size]);
            }
        }
        Tensor::from_vec(own, (self.group.slots.len() * rows, size), device)
    }
}

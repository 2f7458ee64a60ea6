//! The engines that compute updates: [`CpuEngine`] with this crate's own kernels, [`GpuEngine`] with candle's tensors.
//! Both compute the same update and keep no state except the weights. This module contains what they share.

mod cpu;
#[cfg(any(feature = "gpu", test))]
mod gpu;
#[cfg(test)]
mod reference;

use std::{error::Error, fmt, ops::Range, sync::Arc};

use super::{
    batch::Draw,
    choices::Choices,
    config::{GradientClip, LearnerConfig},
    device::{Backend, Device},
    fate::Fate,
    images::{Plane, planes},
    mirror::Reflection,
    values::Rescaling,
    view::View,
};
use crate::{
    policy::{ArenaSpec, NetworkShape, PolicyGroup, SpecError},
    random::Random,
};

use self::cpu::CpuEngine;
pub(super) use self::cpu::lanes;
#[cfg(any(feature = "gpu", test))]
use self::gpu::GpuEngine;

/// Adam's settings except the learning rate (Kingma and Ba 2015, with PyTorch's defaults).
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// A failure of the device that an engine runs on.
#[derive(Debug)]
pub(super) struct EngineError(Box<dyn Error + Send + Sync>);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for EngineError {}

#[cfg(any(feature = "gpu", test))]
impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self(error.into())
    }
}

type Result<T> = std::result::Result<T, EngineError>;

/// Computes the updates of all policies.
pub(super) trait Engine: fmt::Debug + Send {
    /// Computes one update on the drawn minibatch: always the critics; the actors and targets only if `actors_too`.
    /// Fills in `measures`, one entry per policy, if given; reading them back stalls the pipeline of a GPU.
    fn update(
        &mut self,
        draw: &Draw,
        actors_too: bool,
        measures: Option<&mut [UpdateStatistics]>,
    ) -> Result<()>;

    /// Whether every update may be measured. On a GPU, reading the measures back takes time.
    fn measures_at_no_cost(&self) -> bool {
        false
    }

    /// The actor parameters that policy `index` acts with.
    fn acting(&self, index: usize) -> Result<Vec<f32>>;

    /// The weights of all policies.
    fn weights(&self) -> Result<Vec<Weights>>;

    /// Replaces the weights with others of the same sizes.
    fn set_weights(&mut self, weights: Vec<Weights>) -> Result<()>;

    /// Changes the critics of policy `index` and their targets so that their outputs in the new scale represent the
    /// same values.
    fn rescale_values(&mut self, index: usize, rescaling: Rescaling) -> Result<()>;

    /// How many threads can share the work of an update.
    fn most_threads(&self) -> usize {
        1
    }

    /// From now on, shares the work of an update among the threads of the `rayon` pool in which it is called, if it can.
    fn share_work(&mut self) {}
}

/// Creates an engine for `device` with these weights.
pub(super) fn open(setup: Arc<Setup>, weights: Vec<Weights>, device: &Device) -> Result<Box<dyn Engine>> {
    Ok(match &device.0 {
        Backend::Cpu => Box::new(CpuEngine::new(setup, weights)),
        #[cfg(feature = "gpu")]
        Backend::Gpu(gpu) => Box::new(GpuEngine::new(setup, weights, gpu)?),
    })
}

/// Measurements of one update, averaged over the policies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct UpdateStatistics {
    /// Mean squared temporal-difference error, in the critics' scale.
    pub critic_loss: f32,
    /// Actors' loss; 0 if the policy delay skipped the actors.
    pub actor_loss: f32,
    /// Mean value of the replayed transitions, in units of the game's rewards.
    pub q_mean: f32,
    /// Mean of the critics' regression targets, in the critics' scale.
    pub(super) target_mean: f32,
    /// Mean square of the critics' regression targets, in the critics' scale.
    pub(super) target_square: f32,
    /// Share of the numbers of the actors' actions with `|a| > 0.95`, 0 to 1; 0 if the policy delay skipped the actors.
    pub saturation: f32,
    /// Norm of the critics' gradient before clipping.
    pub critic_gradient_norm: f32,
    /// Norm of the actors' gradient before clipping; 0 if the policy delay skipped the actors.
    pub actor_gradient_norm: f32,
    /// Whether the actors were updated.
    pub actors_updated: bool,
}

/// What stays the same throughout training. It changes only once: when a slot is empty for the first time.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) config: LearnerConfig,
    pub(super) spec: ArenaSpec,
    pub(super) groups: Vec<GroupSetup>,
    /// Which rewards each slot earns.
    pub(super) fates: Vec<Fate>,
    /// The mirror images of transitions, if the game has a mirror.
    pub(super) reflection: Option<Reflection>,
    /// The images in a joint observation.
    pub(super) images: Vec<Plane>,
    /// Whether slots can be empty, so that the critics are told which ones are.
    pub(super) has_absences: bool,
    /// For each column of the joint action, whether it is a choice.
    pub(super) is_choice: Vec<bool>,
}

impl Setup {
    pub(super) fn new(
        config: LearnerConfig,
        spec: ArenaSpec,
        has_absences: bool,
    ) -> std::result::Result<Self, SpecError> {
        let lists = config.independent.iter().chain(&config.own_observation).chain(&config.team_fate);
        let named = lists.chain(config.mirror.keys());
        named.into_iter().try_for_each(|behavior| spec.check_behavior(behavior))?;
        let groups = spec.groups(config.share_policies)?;
        let groups = groups.into_iter().map(|group| GroupSetup::new(group, &config, &spec, has_absences));
        let groups = groups.collect::<std::result::Result<_, SpecError>>()?;
        let is_choice = spec.slots.iter().flat_map(|agent| {
            let numbers = agent.action.numbers();
            (0..agent.action_size()).map(move |column| column >= numbers)
        });
        Ok(Self {
            groups,
            images: planes(&spec),
            is_choice: is_choice.collect(),
            reflection: Reflection::of(&spec, &config.mirror)?,
            fates: (0..spec.agents()).map(|slot| Fate::of(&spec, &config, slot)).collect(),
            config,
            spec,
            has_absences,
        })
    }
}

/// One policy: the slots it plays, what its critics see, and the sizes of its networks.
#[derive(Debug)]
pub(super) struct GroupSetup {
    pub(super) group: PolicyGroup,
    /// What the critics see, for each slot of the group.
    pub(super) views: Vec<View>,
    pub(super) actor: NetworkShape,
    pub(super) critic: NetworkShape,
    /// Number of critics of this shape: 2 with twin critics, otherwise 1.
    pub(super) critics: usize,
    /// The parameters of the actor, and of all critics, in parts whose gradients are clipped on their own.
    actor_parts: Vec<Range<usize>>,
    critic_parts: Vec<Range<usize>>,
    /// The branches of the actions, and how each is learned.
    pub(super) choices: Choices,
}

impl GroupSetup {
    fn new(
        group: PolicyGroup,
        config: &LearnerConfig,
        spec: &ArenaSpec,
        has_absences: bool,
    ) -> std::result::Result<Self, SpecError> {
        let views: Vec<View> = group.slots.iter().map(|slot| View::of(config, spec, &group, *slot)).collect();
        let presence = if has_absences { views[0].slots.len() } else { 0 };
        let agent = &group.agent;
        let (observation, action) = (agent.observation_size, agent.action_size());
        let encoder = config.encoder(agent, 0)?;
        let actor = NetworkShape::behind(encoder, observation, &config.actor_hidden, action, false);
        let (observed, further) = (views[0].observation_size(), views[0].action_size() + presence);
        views[0].check_images(spec)?;
        let (encoder, layer_norm) = (config.encoder(agent, further)?, config.critic_layer_norm);
        let critic = NetworkShape::behind(encoder, observed + further, &config.critic_hidden, 1, layer_norm);
        let critics = if config.twin_critics { 2 } else { 1 };
        Ok(Self {
            actor_parts: parts_to_clip(&actor, 1, config.gradient_clip_by),
            critic_parts: parts_to_clip(&critic, critics, config.gradient_clip_by),
            actor,
            critic,
            critics,
            choices: Choices::new(&group.agent.action, config.exact_choices),
            views,
            group,
        })
    }

    /// The next step of the critics, after `steps` steps.
    fn critic_step(&self, config: &LearnerConfig, steps: u64) -> StepSettings<'_> {
        StepSettings {
            learning_rate: config.critic_rate(steps),
            parts: &self.critic_parts,
            max_norm: config.gradient_clip,
            weight_decay: config.critic_weight_decay,
        }
    }

    /// The next step of the actor, after `steps` steps.
    fn actor_step(&self, config: &LearnerConfig, steps: u64) -> StepSettings<'_> {
        StepSettings {
            learning_rate: config.actor_rate(steps),
            parts: &self.actor_parts,
            max_norm: config.gradient_clip,
            weight_decay: 0.0,
        }
    }

    /// Columns of a critic's inputs that contain its own agent's action.
    fn action_columns(&self) -> Range<usize> {
        self.views[0].action_columns.clone()
    }

    /// Whether its critics have the same inputs as those of `other`.
    fn sees_what(&self, other: &Self) -> bool {
        self.views.iter().map(View::seen).eq(other.views.iter().map(View::seen))
    }
}

/// The parts of the parameters of some networks of this shape, one after another, whose gradients are clipped on their own.
fn parts_to_clip(shape: &NetworkShape, networks: usize, by: GradientClip) -> Vec<Range<usize>> {
    let size = shape.parameters();
    let of_network: Vec<_> = match by {
        GradientClip::Network => std::iter::once(0..size).collect(),
        GradientClip::Tensor => shape.tensors().collect(),
    };
    let starts = (0..networks).map(|network| network * size);
    starts.flat_map(|start| of_network.iter().map(move |part| start + part.start..start + part.end)).collect()
}

/// The trained parameters of one policy and the state of Adam. Parameters are flat, as [`NetworkShape`] describes; the
/// critics follow one another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    pub(super) actor: Vec<f32>,
    pub(super) actor_target: Vec<f32>,
    /// The running average of the actor, with which agents act. It is not updated if agents act with the actor itself.
    pub(super) policy: Vec<f32>,
    pub(super) critics: Vec<f32>,
    pub(super) critics_target: Vec<f32>,
    pub(super) actor_adam: Moments,
    pub(super) critics_adam: Moments,
}

/// Adam's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) steps: u64,
}

impl Moments {
    fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }
}

impl Weights {
    /// Random initial weights; the targets and the average start as copies.
    pub(super) fn new(setup: &GroupSetup, config: &LearnerConfig, random: &mut Random) -> Self {
        let scale = config.last_layer_scale;
        let actor = setup.actor.initialize(scale, random);
        let critics: Vec<f32> =
            (0..setup.critics).flat_map(|_| setup.critic.initialize(scale, random)).collect();
        Self {
            actor_target: actor.clone(),
            policy: actor.clone(),
            critics_target: critics.clone(),
            actor_adam: Moments::new(actor.len()),
            critics_adam: Moments::new(critics.len()),
            actor,
            critics,
        }
    }

    /// Changes the last layers of the critics and their targets so that their outputs in the new scale represent the
    /// same values. Adam's moments become what gradients in the new scale would have produced.
    pub(super) fn rescale_values(&mut self, setup: &GroupSetup, Rescaling { factor, shift }: Rescaling) {
        let size = setup.critic.parameters();
        let Some(last) = setup.critic.layers().last() else { return };
        for critic in self.critics.chunks_exact_mut(size).chain(self.critics_target.chunks_exact_mut(size)) {
            critic[last.weights.clone()].iter_mut().for_each(|weight| *weight *= factor);
            critic[last.bias.clone()].iter_mut().for_each(|bias| *bias = *bias * factor + shift);
        }
        // Errors scale with the factor, and so do the gradients of the last layers. Gradients of earlier layers also
        // pass through the last layers' weights, so they scale with its square.
        let Moments { first, second, .. } = &mut self.critics_adam;
        for (first, second) in first.chunks_exact_mut(size).zip(second.chunks_exact_mut(size)) {
            for (index, (first, second)) in first.iter_mut().zip(second).enumerate() {
                let factor = if index < last.weights.start { factor * factor } else { factor };
                *first *= factor;
                *second *= factor * factor;
            }
        }
    }

    /// Gives the critics more inputs, which have no effect yet because their weights are zero.
    pub(super) fn widen_critics(&mut self, old: &NetworkShape, new: &NetworkShape) {
        let Some(first) = old.layers().first() else { return };
        let zeros = vec![0.0; (new.inputs() - old.inputs()) * first.outputs];
        let Moments { first: first_moments, second: second_moments, .. } = &mut self.critics_adam;
        for flat in [&mut self.critics, &mut self.critics_target, first_moments, second_moments] {
            let wide = flat.chunks_exact(old.parameters()).flat_map(|critic| {
                let (weights, rest) = critic.split_at(first.weights.end);
                [weights, &zeros, rest].concat()
            });
            *flat = wide.collect();
        }
    }

    /// All flat vectors, by name.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = (&'static str, &mut Vec<f32>)> {
        [
            ("actor", &mut self.actor),
            ("actor_target", &mut self.actor_target),
            ("policy", &mut self.policy),
            ("actor_first_moment", &mut self.actor_adam.first),
            ("actor_second_moment", &mut self.actor_adam.second),
            ("critics", &mut self.critics),
            ("critics_target", &mut self.critics_target),
            ("critics_first_moment", &mut self.critics_adam.first),
            ("critics_second_moment", &mut self.critics_adam.second),
        ]
        .into_iter()
    }
}

/// How the parameters of a policy's critics, or of its actor, take a step of Adam.
#[derive(Debug, Clone, Copy)]
struct StepSettings<'a> {
    learning_rate: f64,
    /// The gradient of each of these parts is scaled down to `max_norm` if its norm is larger.
    parts: &'a [Range<usize>],
    max_norm: f64,
    /// This share of each parameter is added to its gradient after clipping.
    weight_decay: f64,
}

/// The factors of one Adam step, given the number of steps including this one:
/// `theta -= rate * m / (sqrt(variance_correction * v) + epsilon)`.
#[derive(Debug, Clone, Copy)]
struct AdamFactors {
    rate: f64,
    variance_correction: f64,
}

impl AdamFactors {
    fn new(learning_rate: f64, steps: u64) -> Self {
        let steps = steps.min(i32::MAX as u64) as i32;
        Self {
            rate: learning_rate / (1.0 - BETA1.powi(steps)),
            variance_correction: 1.0 / (1.0 - BETA2.powi(steps)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_clipped_by_network_or_by_tensor() {
        let shape = NetworkShape::new(2, &[3], 1, true);
        assert_eq!(parts_to_clip(&shape, 2, GradientClip::Network), [0..19, 19..38]);
        let tensors = [0..6, 6..9, 9..12, 12..15, 15..18, 18..19];
        assert_eq!(parts_to_clip(&shape, 1, GradientClip::Tensor), tensors);
        assert_eq!(parts_to_clip(&shape, 2, GradientClip::Tensor)[6..8], [19..25, 25..28]);
    }
}

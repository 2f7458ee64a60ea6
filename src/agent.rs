//! The components of an agent.

use std::ops::Deref;

use bevy::{
    ecs::{lifecycle::HookContext, world::DeferredWorld},
    prelude::*,
};

/// An entity that observes, acts and is rewarded.
///
/// Agents of the same `behavior` share one policy. Put the agent into an arena with
/// [`InArena`](crate::arena::InArena).
#[derive(Component, Debug, Clone, PartialEq, Eq)]
#[component(immutable, on_insert = fit_to_agent)]
#[require(Observation, Action, Reward)]
pub struct Agent {
    /// Name of the policy it acts by.
    pub behavior: String,
    /// Numbers that [`Observation::write`] takes: one frame.
    pub observation_size: usize,
    /// Numbers in its [`Action`].
    pub action_size: usize,
    /// Last frames that its policy sees, oldest first; frames before the episode's first are zeros.
    pub frames: usize,
}

impl Agent {
    /// An agent that sees one frame of `observation_size` numbers and acts with `action_size` numbers.
    pub fn new(behavior: impl Into<String>, observation_size: usize, action_size: usize) -> Self {
        Self { behavior: behavior.into(), observation_size, action_size, frames: 1 }
    }

    /// The same agent with the last `frames` frames stacked into what its policy sees.
    #[must_use]
    pub fn with_frames(mut self, frames: usize) -> Self {
        self.frames = frames.max(1);
        self
    }
}

fn fit_to_agent(mut world: DeferredWorld, context: HookContext) {
    let Some(agent) = world.get::<Agent>(context.entity).cloned() else {
        return;
    };
    if let Some(mut observation) = world.get_mut::<Observation>(context.entity) {
        observation.frame = vec![0.0; agent.observation_size];
        observation.stack = vec![0.0; agent.observation_size * agent.frames];
    }
    if let Some(mut action) = world.get_mut::<Action>(context.entity) {
        action.0 = vec![0.0; agent.action_size];
    }
}

/// What the agent senses. Written by the game in the [`Observe`](crate::rollout::Observe) schedule.
#[derive(Component, Debug, Clone, Default)]
pub struct Observation {
    frame: Vec<f32>,
    stack: Vec<f32>,
}

impl Observation {
    /// Writes the present frame; any units, finite numbers. The learner scales them itself.
    ///
    /// # Panics
    /// If the length is not the agent's `observation_size`.
    pub fn write(&mut self, frame: &[f32]) {
        assert_eq!(
            frame.len(),
            self.frame.len(),
            "Observation::write takes as many numbers as the Agent's observation_size"
        );
        self.frame.copy_from_slice(frame);
    }

    /// The frame last written.
    pub fn frame(&self) -> &[f32] {
        &self.frame
    }

    /// What the policy saw at the last decision: the stacked frames, oldest first.
    pub fn stacked(&self) -> &[f32] {
        &self.stack
    }

    /// Moves the stack on by the present frame.
    pub(crate) fn push_frame(&mut self) {
        let size = self.frame.len();
        self.stack.copy_within(size.., 0);
        let start = self.stack.len() - size;
        self.stack[start..].copy_from_slice(&self.frame);
    }

    /// Forgets all frames.
    pub(crate) fn clear(&mut self) {
        self.stack.fill(0.0);
    }
}

/// What the agent does until the next decision: numbers in -1 to 1. Read by the game in
/// [`AgentSystems::Act`](crate::rollout::AgentSystems::Act).
#[derive(Component, Debug, Clone, Default, PartialEq)]
pub struct Action(pub(crate) Vec<f32>);

impl Deref for Action {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

/// What the agent earns. Added to by the game in
/// [`AgentSystems::Reward`](crate::rollout::AgentSystems::Reward).
#[derive(Component, Debug, Clone, Default, PartialEq)]
pub struct Reward {
    pub(crate) decision: f32,
    pub(crate) episode: f32,
}

impl Reward {
    /// Adds to the reward of the present decision; any unit, finite.
    pub fn add(&mut self, reward: f32) {
        debug_assert!(reward.is_finite(), "Reward::add takes finite numbers, found {reward}");
        self.decision += reward;
        self.episode += reward;
    }

    /// Sum of the rewards of this episode, undiscounted.
    pub fn episode_return(&self) -> f32 {
        self.episode
    }
}

/// Takes an agent over: its actions are these numbers, not the policy's. Remove it to hand the agent back.
///
/// What happens is learned from all the same: the learner is off-policy.
#[derive(Component, Debug, Clone, PartialEq)]
pub struct ActionOverride(pub Vec<f32>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_stacked_oldest_first_over_zeros() {
        let mut world = World::new();
        let entity = world.spawn(Agent::new("a", 2, 1).with_frames(3)).id();
        let mut agent = world.entity_mut(entity);
        let mut observation = agent.get_mut::<Observation>().expect("required");
        for frame in [[1.0, 2.0], [3.0, 4.0]] {
            observation.write(&frame);
            observation.push_frame();
        }
        assert_eq!(observation.stacked(), [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        observation.clear();
        assert_eq!(observation.stacked(), [0.0; 6]);
        assert_eq!(agent.get::<Action>().expect("required").len(), 1);
    }
}

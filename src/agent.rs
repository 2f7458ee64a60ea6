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
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn spawn(mut commands: Commands) {
///     let arena = commands.spawn(Arena::with_time_limit(200)).id();
///     // A guard observes 6 numbers and acts with 2. Its policy sees the last 3 observations.
///     commands.spawn((Agent::new("guard", 6, 2).with_frames(3), InArena::slot(arena, 0)));
/// }
/// # let mut app = App::new();
/// # app.add_systems(Startup, spawn).update();
/// ```
#[derive(Component, Reflect, Debug, Clone, PartialEq, Eq)]
#[component(immutable, on_insert = fit_to_agent)]
#[reflect(Component)]
#[require(Observation, Action, Reward)]
pub struct Agent {
    /// Name of the policy it acts by.
    pub behavior: String,
    /// Numbers in one observation: the length that [`Observation::write`] takes.
    pub observation_size: usize,
    /// Numbers in its [`Action`].
    pub action_size: usize,
    /// Observations that its policy sees at once: the last few, oldest first. Those before the start of the episode are
    /// zeros.
    pub frames: usize,
}

impl Agent {
    /// An agent that observes `observation_size` numbers and acts with `action_size` numbers.
    pub fn new(behavior: impl Into<String>, observation_size: usize, action_size: usize) -> Self {
        Self { behavior: behavior.into(), observation_size, action_size, frames: 1 }
    }

    /// Lets the policy see the last `frames` observations at once (frame stacking).
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

/// What the agent senses. The game writes it in the schedule [`Observe`](crate::rollout::Observe).
#[derive(Component, Reflect, Debug, Clone, Default)]
#[reflect(Component)]
pub struct Observation {
    frame: Vec<f32>,
    stack: Vec<f32>,
    /// The length of the last write that was refused.
    refused: Option<usize>,
}

impl Observation {
    /// Writes the current observation: as many finite numbers as the agent's `observation_size`, in any unit. The learner
    /// normalizes them.
    ///
    /// An observation of another length is refused, and told as one of the [`Problems`](crate::problems::Problems).
    pub fn write(&mut self, frame: &[f32]) {
        if frame.len() == self.frame.len() {
            self.frame.copy_from_slice(frame);
        } else {
            self.refused = Some(frame.len());
        }
    }

    /// The observation last written.
    pub fn frame(&self) -> &[f32] {
        &self.frame
    }

    /// What the policy saw at the last decision: the last observations, oldest first.
    pub fn stacked(&self) -> &[f32] {
        &self.stack
    }

    /// The length of a write that was refused since the last call.
    pub(crate) fn take_refused(&mut self) -> Option<usize> {
        self.refused.take()
    }

    /// Appends the current observation to the stack and drops the oldest.
    pub(crate) fn push_frame(&mut self) {
        let size = self.frame.len();
        self.stack.copy_within(size.., 0);
        let start = self.stack.len() - size;
        self.stack[start..].copy_from_slice(&self.frame);
    }

    /// Sets all stacked observations to zero.
    pub(crate) fn clear(&mut self) {
        self.stack.fill(0.0);
    }
}

/// What the agent does until the next decision: numbers in -1 to 1. The game reads them in its own step and applies them.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Action(pub(crate) Vec<f32>);

impl Deref for Action {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

/// What the agent earns. The game adds to it in its own step.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Reward {
    pub(crate) decision: f32,
    pub(crate) episode: f32,
    /// A number that was refused because it is not finite.
    pub(crate) refused: Option<f32>,
}

impl Reward {
    /// Adds to the reward of the current decision: a finite number in any unit.
    ///
    /// A number that is not finite is refused, and told as one of the [`Problems`](crate::problems::Problems).
    pub fn add(&mut self, reward: f32) {
        if reward.is_finite() {
            self.decision += reward;
            self.episode += reward;
        } else {
            self.refused = Some(reward);
        }
    }

    /// Sum of the rewards of this episode, undiscounted.
    pub fn episode_return(&self) -> f32 {
        self.episode
    }
}

/// Replaces the policy's actions by these numbers, for example while a person or a script plays. Remove it to hand the
/// agent back to its policy.
///
/// The learner still learns from what happens, because it is off-policy.
#[derive(Component, Reflect, Debug, Clone, PartialEq)]
#[reflect(Component)]
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

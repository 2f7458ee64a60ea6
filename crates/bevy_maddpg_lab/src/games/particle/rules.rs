use bevy::math::DVec2;

use super::world::{Body, ParticleWorld};
use bevy_maddpg::random::Random;

/// An agent of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The behavior, shared by all agents of this role.
    pub behavior: &'static str,
    /// Name of the team: agents that win and lose together.
    pub team: &'static str,
    /// Numbers in its observation.
    pub observation_size: usize,
    /// Numbers in its action: 2 if it moves, plus one per word that it says.
    pub action_size: usize,
}

/// A number by which episodes of a scenario are judged, in addition to rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Its name, in snake case.
    pub name: &'static str,
    /// How the values of an episode's steps become one number.
    pub over: Over,
}

/// How the values of an episode's steps become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The last one.
    Last,
}

/// The rules of a scenario: its agents, their observations, rewards and measures.
pub(super) trait Rules: Sync {
    /// The agents, by slot.
    fn roles(&self) -> &'static [Role];

    /// A world with its bodies, not yet placed.
    fn world(&self) -> ParticleWorld;

    /// Sets the world up for a new episode.
    fn reset(&self, world: &mut ParticleWorld, random: &mut Random);

    /// Appends the observation of the agent at `slot`.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>);

    /// Writes each agent's reward for the last step, by slot.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]);

    /// The measures by which episodes are judged.
    fn measures(&self) -> &'static [Measure];

    /// Writes the measures of the last step, in the same order.
    fn measure(&self, world: &ParticleWorld, values: &mut [f64]);
}

/// Appends a vector to an observation.
pub(super) fn see(observation: &mut Vec<f32>, vector: DVec2) {
    observation.extend([vector.x as f32, vector.y as f32]);
}

/// Appends numbers to an observation.
pub(super) fn hear(observation: &mut Vec<f32>, numbers: &[f64]) {
    observation.extend(numbers.iter().map(|number| *number as f32));
}

/// Appends velocity and position of the agent at `slot`, and the relative positions of all landmarks and other agents.
pub(super) fn see_everything(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = &world.agents()[slot];
    see(observation, own.velocity);
    see(observation, own.position);
    see_landmarks(world, slot, observation);
    see_others(world, slot, observation);
}

/// Appends the positions of all landmarks relative to the agent at `slot`.
pub(super) fn see_landmarks(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = world.agents()[slot].position;
    world.landmarks().iter().for_each(|landmark| see(observation, landmark.position - own));
}

/// Appends the positions of all other agents relative to the agent at `slot`.
pub(super) fn see_others(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = world.agents()[slot].position;
    others(world, slot).for_each(|(_, other)| see(observation, other.position - own));
}

/// All agents except the one at `slot`, with their slots.
pub(super) fn others(world: &ParticleWorld, slot: usize) -> impl Iterator<Item = (usize, &Body)> {
    world.agents().iter().enumerate().filter(move |(other, _)| *other != slot)
}

/// 1 if true, 0 if false, so that the mean over steps or episodes is a share.
pub(super) fn share(holds: bool) -> f64 {
    f64::from(holds)
}

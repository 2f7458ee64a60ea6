use bevy::math::DVec2;

use super::world::{Body, ParticleWorld};
use crate::random::Random;

/// An agent of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// What it is, and the name of its policy: agents of one role share it.
    pub behavior: &'static str,
    /// Those that win and lose together.
    pub team: &'static str,
    /// Numbers in its observation.
    pub observation_size: usize,
    /// Numbers in its action: 2 if it moves, and as many as it says.
    pub action_size: usize,
}

/// A number by which episodes of a scenario are judged, apart from rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Its name, in words joined by underscores.
    pub name: &'static str,
    /// How the numbers of an episode's steps become one.
    pub over: Over,
}

/// How the numbers of an episode's steps become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The last one.
    Last,
}

/// What makes a scenario: who plays, what they sense, what that is worth.
pub(super) trait Rules: Sync {
    /// The agents, by slot.
    fn roles(&self) -> &'static [Role];

    /// A world with its bodies, not yet placed.
    fn world(&self) -> ParticleWorld;

    /// Sets the world up for a new episode.
    fn reset(&self, world: &mut ParticleWorld, random: &mut Random);

    /// Adds what the agent at `slot` senses.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>);

    /// What the step just made is worth to each agent, by slot.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]);

    /// What episodes are judged by.
    fn measures(&self) -> &'static [Measure];

    /// The measures of the step just made, in the same order.
    fn measure(&self, world: &ParticleWorld, values: &mut [f64]);
}

/// Adds a vector to an observation.
pub(super) fn see(observation: &mut Vec<f32>, vector: DVec2) {
    observation.extend([vector.x as f32, vector.y as f32]);
}

/// Adds numbers to an observation.
pub(super) fn hear(observation: &mut Vec<f32>, numbers: &[f64]) {
    observation.extend(numbers.iter().map(|number| *number as f32));
}

/// Adds the velocity and the position of the agent at `slot`, and all landmarks and other agents seen from there.
pub(super) fn see_everything(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = &world.agents()[slot];
    see(observation, own.velocity);
    see(observation, own.position);
    see_landmarks(world, slot, observation);
    see_others(world, slot, observation);
}

/// Adds where all landmarks lie, seen from the agent at `slot`.
pub(super) fn see_landmarks(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = world.agents()[slot].position;
    world.landmarks().iter().for_each(|landmark| see(observation, landmark.position - own));
}

/// Adds where all other agents are, seen from the agent at `slot`.
pub(super) fn see_others(world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
    let own = world.agents()[slot].position;
    others(world, slot).for_each(|(_, other)| see(observation, other.position - own));
}

/// The agents but for the one at `slot`, with their slots.
pub(super) fn others(world: &ParticleWorld, slot: usize) -> impl Iterator<Item = (usize, &Body)> {
    world.agents().iter().enumerate().filter(move |(other, _)| *other != slot)
}

/// 1 for yes, 0 for no: their mean over episodes is a share.
pub(super) fn share(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

//! Cooperative navigation: three agents cover three landmarks and keep out of each other's way.

use super::{
    rules::{Measure, Over, Role, Rules, hear, others, see_everything},
    world::{Body, ParticleWorld, Voice},
};
use crate::random::Random;

/// `simple_spread`.
pub(super) struct Spread;

const AGENTS: usize = 3;
const ROLE: Role = Role { behavior: "agent", team: "agents", observation_size: 18, action_size: 2 };
/// Share of an agent's reward that is its own; the rest is the team's.
const LOCAL_RATIO: f64 = 0.5;
/// Distance below which a landmark is occupied.
const OCCUPIED: f64 = 0.1;
/// What the others of a mute team are heard to say.
const SILENCE: [f64; 2] = [0.0; 2];

impl Rules for Spread {
    fn roles(&self) -> &'static [Role] {
        &[ROLE; AGENTS]
    }

    fn world(&self) -> ParticleWorld {
        ParticleWorld::new(
            (0..AGENTS).map(|_| (Body::agent(0.15), Voice::default())),
            (0..AGENTS).map(|_| Body::landmark(0.05)),
        )
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.scatter(1.0, random);
    }

    /// Own velocity and position, the landmarks and the others from where it is, and what the others say: nothing.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        see_everything(world, slot, observation);
        others(world, slot).for_each(|_| hear(observation, &SILENCE));
    }

    /// Half of minus the landmarks' distances from their nearest agents; half of minus 1 for each collision of its own.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let shared = -nearest(world).sum::<f64>();
        for (slot, reward) in rewards.iter_mut().enumerate() {
            let own = &world.agents()[slot];
            let collisions = others(world, slot).filter(|(_, other)| own.overlaps(other)).count() as f64;
            *reward = shared * (1.0 - LOCAL_RATIO) - collisions * LOCAL_RATIO;
        }
    }

    fn measures(&self) -> &'static [Measure] {
        &[
            // Pairs of agents that overlap.
            Measure { name: "collisions", over: Over::Sum },
            // Sum of the landmarks' distances from their nearest agents.
            Measure { name: "distance", over: Over::Mean },
            // Landmarks with an agent closer than 0.1.
            Measure { name: "occupied_landmarks", over: Over::Last },
        ]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        let agents = world.agents();
        let pairs = (0..AGENTS).flat_map(|a| (0..a).map(move |b| (a, b)));
        values[0] = pairs.filter(|&(a, b)| agents[a].overlaps(&agents[b])).count() as f64;
        values[1] = nearest(world).sum();
        values[2] = nearest(world).filter(|distance| *distance < OCCUPIED).count() as f64;
    }
}

/// Distance of each landmark from its nearest agent.
fn nearest(world: &ParticleWorld) -> impl Iterator<Item = f64> {
    world.landmarks().iter().map(|landmark| {
        let distances = world.agents().iter().map(|agent| agent.position.distance(landmark.position));
        distances.fold(f64::INFINITY, f64::min)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::DVec2;

    #[test]
    fn rewards_and_measures_of_a_world_laid_out_by_hand() {
        let mut world = Spread.world();
        let places = [[0.0, 0.0], [0.2, 0.0], [0.0, 1.0]];
        world.agents_mut().iter_mut().zip(places).for_each(|(body, place)| body.position = place.into());
        let places = [[0.0, 0.05], [0.0, 0.75], [0.0, 1.5]];
        world
            .landmarks_mut()
            .iter_mut()
            .zip(places)
            .for_each(|(body, place)| body.position = DVec2::from(place));
        let (mut rewards, mut values) = ([0.0; 3], [0.0; 3]);
        Spread.reward(&world, &mut rewards);
        Spread.measure(&world, &mut values);
        let close = |found: [f64; 3], expected: [f64; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        };
        close(rewards, [-0.9, -0.9, -0.4]);
        close(values, [1.0, 0.8, 1.0]);
    }
}

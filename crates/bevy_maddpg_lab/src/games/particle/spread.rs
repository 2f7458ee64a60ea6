//! Cooperative navigation: three agents cover three landmarks and keep out of each other's way.

use super::{
    rules::{Measure, Over, Role, Rules, hear, others, see_everything},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_spread`.
pub(super) struct Spread;

const AGENTS: usize = 3;
const ROLE: Role = Role { behavior: "agent", team: "agents", observation_size: 18, action_size: 2 };
/// Weight of an agent's own part of the reward; the rest is the weight of the shared part.
const LOCAL_RATIO: f64 = 0.5;
/// A landmark with an agent closer than this is occupied.
const OCCUPIED: f64 = 0.1;
/// The words of one other agent. All agents are mute, but the observation has room for words.
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

    /// Own velocity and position, relative positions of the landmarks and the other agents, and their words, all zero.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        see_everything(world, slot, observation);
        others(world, slot).for_each(|_| hear(observation, &SILENCE));
    }

    /// Half is shared: minus the sum of the landmarks' distances to their nearest agents. Half is the agent's own: -1
    /// for each of its collisions.
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
            // Sum of the landmarks' distances to their nearest agents.
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

/// Distance of each landmark to its nearest agent.
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

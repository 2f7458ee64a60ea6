//! Physical deception: two agents know which of two landmarks is the goal; the adversary has to watch them to find it.

use rand::RngExt;

use super::{
    rules::{Measure, Over, Role, Rules, see, see_landmarks, see_others, share},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_adversary`.
pub(super) struct Adversary;

const LANDMARKS: usize = 2;
/// Slot of the adversary; the agents have the slots after it.
const ADVERSARY: usize = 0;
const ADVERSARY_ROLE: Role =
    Role { behavior: "adversary", team: "adversary", observation_size: 8, action_size: 2 };
const AGENT_ROLE: Role = Role { behavior: "agent", team: "agents", observation_size: 10, action_size: 2 };
/// The goal is reached below this distance: twice its size, as in the rewards of the paper's first version.
const REACHED: f64 = 0.16;

impl Rules for Adversary {
    fn roles(&self) -> &'static [Role] {
        &[ADVERSARY_ROLE, AGENT_ROLE, AGENT_ROLE]
    }

    fn world(&self) -> ParticleWorld {
        let body = Body { collides: false, ..Body::agent(0.15) };
        ParticleWorld::new(
            self.roles().iter().map(|_| (body.clone(), Voice::default())),
            (0..LANDMARKS).map(|_| Body::landmark(0.08)),
        )
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.goal = random.random_range(0..LANDMARKS);
        world.scatter(1.0, random);
    }

    /// Relative positions of the goal (for the agents only), the landmarks and the others.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        if slot != ADVERSARY {
            see(observation, world.goal_landmark().position - world.agents()[slot].position);
        }
        see_landmarks(world, slot, observation);
        see_others(world, slot, observation);
    }

    /// Adversary: minus its distance to the goal. Agents: the adversary's distance minus that of the nearest agent.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let adversary = world.goal_distance(ADVERSARY);
        rewards.fill(adversary - nearest(world));
        rewards[ADVERSARY] = -adversary;
    }

    fn measures(&self) -> &'static [Measure] {
        &[
            // Distance of the nearest agent to the goal.
            Measure { name: "agents_distance", over: Over::Mean },
            Measure { name: "adversary_distance", over: Over::Mean },
            // Whether the distance is below twice the goal's size at the end.
            Measure { name: "agents_success", over: Over::Last },
            Measure { name: "adversary_success", over: Over::Last },
        ]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        let distances = [nearest(world), world.goal_distance(ADVERSARY)];
        values[..2].copy_from_slice(&distances);
        values[2..].copy_from_slice(&distances.map(|distance| share(distance < REACHED)));
    }
}

/// Distance of the nearest agent to the goal.
fn nearest(world: &ParticleWorld) -> f64 {
    (ADVERSARY + 1..world.agents().len()).map(|slot| world.goal_distance(slot)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_agent_counts_and_the_adversary_s_distance_is_the_agents_gain() {
        let mut world = Adversary.world();
        world.goal = 1;
        for (agent, x) in world.agents_mut().iter_mut().zip([0.5, 1.0, -0.125]) {
            agent.position.x = x;
        }
        let (mut rewards, mut values) = ([0.0; 3], [0.0; 4]);
        Adversary.reward(&world, &mut rewards);
        Adversary.measure(&world, &mut values);
        assert_eq!(rewards, [-0.5, 0.375, 0.375]);
        assert_eq!(values, [0.125, 0.5, 1.0, 0.0]);
    }
}

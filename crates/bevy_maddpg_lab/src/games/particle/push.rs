//! Keep-away: an agent, which knows which of two landmarks is the goal, heads for it; the adversary pushes it away.

use rand::RngExt;

use super::{
    rules::{Measure, Over, Role, Rules, hear, see, see_landmarks, see_others},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_push`.
pub(super) struct Push;

const LANDMARKS: usize = 2;
const ADVERSARY: usize = 0;
const AGENT: usize = 1;
/// Colors of the landmarks, as the agent observes them.
const LANDMARK_COLORS: [[f64; 3]; LANDMARKS] = [[0.1, 0.9, 0.1], [0.1, 0.1, 0.9]];
/// The agent's own color, as it observes it, by goal.
const AGENT_COLORS: [[f64; 3]; LANDMARKS] = [[0.25, 0.75, 0.25], [0.25, 0.25, 0.75]];

impl Rules for Push {
    fn roles(&self) -> &'static [Role] {
        &[
            Role { behavior: "adversary", team: "adversary", observation_size: 8, action_size: 2 },
            Role { behavior: "agent", team: "agent", observation_size: 19, action_size: 2 },
        ]
    }

    fn world(&self) -> ParticleWorld {
        ParticleWorld::new(
            self.roles().iter().map(|_| (Body::agent(0.05), Voice::default())),
            (0..LANDMARKS).map(|_| Body::landmark(0.05)),
        )
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.goal = random.random_range(0..LANDMARKS);
        world.scatter(1.0, random);
    }

    /// Own velocity, relative positions of the landmarks and the other. The agent also observes the relative position
    /// of the goal, its own color (a shade of the goal's color) and the landmarks' colors.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        let own = &world.agents()[slot];
        see(observation, own.velocity);
        if slot == AGENT {
            see(observation, world.goal_landmark().position - own.position);
            hear(observation, &AGENT_COLORS[world.goal]);
        }
        see_landmarks(world, slot, observation);
        if slot == AGENT {
            hear(observation, LANDMARK_COLORS.as_flattened());
        }
        see_others(world, slot, observation);
    }

    /// Agent: minus its distance to the goal. Adversary: the agent's distance minus its own.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let distance = world.goal_distance(AGENT);
        rewards[ADVERSARY] = distance - world.goal_distance(ADVERSARY);
        rewards[AGENT] = -distance;
    }

    fn measures(&self) -> &'static [Measure] {
        &[
            // Distances to the goal.
            Measure { name: "agent_distance", over: Over::Mean },
            Measure { name: "adversary_distance", over: Over::Mean },
            Measure { name: "agent_last_distance", over: Over::Last },
        ]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        let distance = world.goal_distance(AGENT);
        values.copy_from_slice(&[distance, world.goal_distance(ADVERSARY), distance]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adversary_gains_by_standing_where_the_agent_wants_to_be() {
        let mut world = Push.world();
        world.agents_mut()[ADVERSARY].position.x = 0.25;
        world.agents_mut()[AGENT].position.y = -1.0;
        let mut rewards = [0.0; 2];
        Push.reward(&world, &mut rewards);
        assert_eq!(rewards, [0.75, -1.0]);
    }

    #[test]
    fn the_agent_has_the_color_of_its_goal() {
        for goal in 0..LANDMARKS {
            let mut world = Push.world();
            world.goal = goal;
            let mut observation = Vec::new();
            Push.observe(&world, AGENT, &mut observation);
            let (own, first, second) = (&observation[4..7], &observation[11..14], &observation[14..17]);
            let like = |color: &[f32]| color.iter().zip(own).all(|(a, b)| (*a > 0.5) == (*b > 0.5));
            assert_eq!([like(first), like(second)], [goal == 0, goal == 1]);
        }
    }
}

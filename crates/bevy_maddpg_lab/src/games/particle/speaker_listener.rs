//! Cooperative communication: the speaker knows which of three landmarks is the goal but cannot move; the listener can
//! move but does not know the goal.

use rand::RngExt;

use super::{
    rules::{Measure, Over, Role, Rules, hear, see, see_landmarks, share},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_speaker_listener`.
pub(super) struct SpeakerListener;

const LANDMARKS: usize = 3;
const WORDS: usize = 3;
const SPEAKER: usize = 0;
const LISTENER: usize = 1;
/// Color of each landmark; the speaker observes the goal's.
const LANDMARK_COLORS: [[f64; 3]; LANDMARKS] = [[0.65, 0.15, 0.15], [0.15, 0.65, 0.15], [0.15, 0.15, 0.65]];

impl Rules for SpeakerListener {
    fn roles(&self) -> &'static [Role] {
        &[
            Role { behavior: "speaker", team: "pair", observation_size: 3, action_size: WORDS },
            Role { behavior: "listener", team: "pair", observation_size: 11, action_size: 2 },
        ]
    }

    fn world(&self) -> ParticleWorld {
        let listener = Body { collides: false, ..Body::agent(0.075) };
        let speaker = Body { movable: false, ..listener.clone() };
        ParticleWorld::new(
            [(speaker, Voice::new(WORDS)), (listener, Voice::default())],
            (0..LANDMARKS).map(|_| Body::landmark(0.04)),
        )
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.goal = random.random_range(0..LANDMARKS);
        world.scatter(1.0, random);
    }

    /// Speaker: the goal's color. Listener: own velocity, relative positions of the landmarks, the speaker's words.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        if slot == SPEAKER {
            hear(observation, &LANDMARK_COLORS[world.goal]);
            return;
        }
        see(observation, world.agents()[slot].velocity);
        see_landmarks(world, slot, observation);
        hear(observation, world.voices()[SPEAKER].said());
    }

    /// For both, minus the square of the listener's distance to the goal.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let listener = world.agents()[LISTENER].position;
        rewards.fill(-listener.distance_squared(world.goal_landmark().position));
    }

    fn measures(&self) -> &'static [Measure] {
        &[
            // Distance of the listener to the goal.
            Measure { name: "distance", over: Over::Mean },
            Measure { name: "last_distance", over: Over::Last },
            // Whether the listener overlaps the goal at the end.
            Measure { name: "target_reached", over: Over::Last },
        ]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        let distance = world.goal_distance(LISTENER);
        let reached = world.agents()[LISTENER].overlaps(world.goal_landmark());
        values.copy_from_slice(&[distance, distance, share(reached)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lose_the_squared_distance_of_the_listener_from_the_goal() {
        let mut world = SpeakerListener.world();
        world.goal = 2;
        world.landmarks_mut()[2].position.x = 0.5;
        let (mut rewards, mut values) = ([0.0; 2], [0.0; 3]);
        SpeakerListener.reward(&world, &mut rewards);
        SpeakerListener.measure(&world, &mut values);
        assert_eq!(rewards, [-0.25, -0.25]);
        assert_eq!(values, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_listener_hears_the_speaker() {
        let mut world = SpeakerListener.world();
        world.act(SPEAKER, &[1.0, -1.0, 0.0]);
        world.step();
        let mut observation = Vec::new();
        SpeakerListener.observe(&world, LISTENER, &mut observation);
        assert_eq!(observation[8..], [1.0, 0.0, 0.5]);
    }
}

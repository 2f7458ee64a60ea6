//! Covert communication: Alice sends Bob a message, using a key that both know; Eve listens but lacks the key.

use rand::RngExt;

use super::{
    rules::{Measure, Over, Role, Rules, hear, share},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_crypto`.
pub(super) struct Crypto;

const WORDS: usize = 4;
/// Number of messages, and of keys. Landmarks that no agent observes stand for them.
const MESSAGES: usize = 2;
const EVE: usize = 0;
const BOB: usize = 1;
const ALICE: usize = 2;
/// The numbers that represent each message, and each key.
const SIGNS: [[f64; WORDS]; MESSAGES] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];

impl Rules for Crypto {
    fn roles(&self) -> &'static [Role] {
        &[
            Role { behavior: "eve", team: "eve", observation_size: WORDS, action_size: WORDS },
            Role { behavior: "bob", team: "alice_and_bob", observation_size: 2 * WORDS, action_size: WORDS },
            Role {
                behavior: "alice",
                team: "alice_and_bob",
                observation_size: 2 * WORDS,
                action_size: WORDS,
            },
        ]
    }

    fn world(&self) -> ParticleWorld {
        let body = Body { movable: false, collides: false, ..Body::agent(0.05) };
        ParticleWorld::new(
            self.roles().iter().map(|_| (body.clone(), Voice::new(WORDS))),
            (0..MESSAGES).map(|_| Body::landmark(0.05)),
        )
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.goal = random.random_range(0..MESSAGES);
        world.key = random.random_range(0..MESSAGES);
        world.scatter(1.0, random);
    }

    /// Alice: message and key. Bob: key and Alice's words. Eve: Alice's words.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        if slot == ALICE {
            hear(observation, &SIGNS[world.goal]);
        }
        if slot != EVE {
            hear(observation, &SIGNS[world.key]);
        }
        if slot != ALICE {
            hear(observation, world.voices()[ALICE].said());
        }
    }

    /// Eve: minus the squared error of her guess. Bob and Alice: Eve's error minus Bob's. A guess of all zeros counts
    /// as silence, with an error of 0.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let (eve, bob) = (error(world, EVE), error(world, BOB));
        rewards.fill(eve - bob);
        rewards[EVE] = -eve;
    }

    fn measures(&self) -> &'static [Measure] {
        &[
            // How many of the message's 4 numbers are guessed on the correct side of 0.5.
            Measure { name: "bob_bits", over: Over::Mean },
            Measure { name: "eve_bits", over: Over::Mean },
            // Whether the guess is closer to the message than to the other message; 0.5 by chance.
            Measure { name: "bob_success", over: Over::Mean },
            Measure { name: "eve_success", over: Over::Mean },
        ]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        let guesses = [BOB, EVE].map(|slot| world.voices()[slot].said());
        values[..2].copy_from_slice(&guesses.map(|said| bits(said, &SIGNS[world.goal])));
        values[2..].copy_from_slice(&guesses.map(|said| share(is_nearest(said, world.goal))));
    }
}

/// Squared error of the message that the agent at `slot` guesses; 0 if it is silent.
fn error(world: &ParticleWorld, slot: usize) -> f64 {
    let said = world.voices()[slot].said();
    if said.iter().all(|word| *word == 0.0) { 0.0 } else { squared_distance(said, &SIGNS[world.goal]) }
}

fn squared_distance(said: &[f64], sign: &[f64; WORDS]) -> f64 {
    said.iter().zip(sign).map(|(word, number)| (word - number) * (word - number)).sum()
}

fn bits(said: &[f64], sign: &[f64; WORDS]) -> f64 {
    said.iter().zip(sign).filter(|(word, number)| (**word > 0.5) == (**number > 0.5)).count() as f64
}

fn is_nearest(said: &[f64], message: usize) -> bool {
    let own = squared_distance(said, &SIGNS[message]);
    (0..MESSAGES).all(|other| other == message || own < squared_distance(said, &SIGNS[other]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eve_s_error_is_the_others_gain_and_silence_counts_nothing() {
        let mut world = Crypto.world();
        world.goal = 1;
        let (mut rewards, mut values) = ([0.0; 3], [0.0; 4]);
        Crypto.reward(&world, &mut rewards);
        assert_eq!(rewards, [0.0; 3]);

        world.act_as_mpe2(EVE, &[1.0, 0.0, 0.0, 0.0]);
        world.act_as_mpe2(BOB, &[0.0, 0.75, 0.0, 1.0]);
        world.step();
        Crypto.reward(&world, &mut rewards);
        Crypto.measure(&world, &mut values);
        assert_eq!(rewards, [-2.0, 2.0 - 1.0625, 2.0 - 1.0625]);
        assert_eq!(values, [3.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn only_alice_knows_the_message_and_eve_has_no_key() {
        let mut world = Crypto.world();
        (world.goal, world.key) = (0, 1);
        world.act_as_mpe2(ALICE, &[0.1, 0.2, 0.3, 0.4]);
        let observed = |slot| {
            let mut observation = Vec::new();
            Crypto.observe(&world, slot, &mut observation);
            observation
        };
        assert_eq!(observed(EVE), [0.1, 0.2, 0.3, 0.4]);
        assert_eq!(observed(BOB), [0.0, 1.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4]);
        assert_eq!(observed(ALICE), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }
}

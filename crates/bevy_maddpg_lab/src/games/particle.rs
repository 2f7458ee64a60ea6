//! The particle worlds of the MADDPG paper (Lowe et al. 2017, arXiv 1706.02275): round bodies in the plane cooperate,
//! compete and communicate.
//!
//! The rules are those of mpe2 1.1.1 with continuous actions, in the same precision: recorded episodes are reproduced
//! to within 1e-5. No physics engine is needed.
//!
//! | scenario | agents by slot: observation size, action size | reward |
//! |---|---|---|
//! | `simple_spread` | 3 agents: 18, 2 | half is shared: minus the sum of the landmarks' distances to their nearest agents; half is the agent's own: -1 per collision |
//! | `simple_tag` | 3 predators: 16, 2; prey: 14, 2 | per touch, 10 for every predator and -10 for the prey; the prey is also penalized for leaving the field |
//! | `simple_adversary` | adversary: 8, 2; 2 agents: 10, 2 | adversary: minus its distance to the goal; agents: the adversary's distance minus that of the nearest agent |
//! | `simple_push` | adversary: 8, 2; agent: 19, 2 | agent: minus its distance to the goal; adversary: the agent's distance minus its own |
//! | `simple_speaker_listener` | speaker: 3, 3; listener: 11, 2 | both: minus the square of the listener's distance to the goal |
//! | `simple_crypto` | Eve: 4, 4; Bob: 8, 4; Alice: 8, 4 | Eve: minus the squared error of what she says; Bob and Alice: Eve's error minus Bob's |
//!
//! | | |
//! |---|---|
//! | observation | one frame; positions relative to the agent, velocities, colors, words heard |
//! | action | agents that move: force along x and y, each -1 to 1; agents that speak: one number per word, -1 to 1, which is mapped to 0 to 1 |
//! | step | 0.1 s, with one decision per step |
//! | episode | never terminates; truncated after 25 decisions |
//!
//! Agents move by 2 numbers here, but by 5 in mpe2, each 0 to 1: nothing, left, right, down, up. Only right minus left
//! and up minus down have an effect, and these are the 2 numbers used here. [`ParticleWorld::act_as_mpe2`] takes all 5.
//!
//! With mpe2's discrete actions (its default), agents that move choose one of these five moves, and agents that speak say one
//! word.
//!
//! The quantities by which the paper judges the scenarios (mpe2 calls them benchmark data) are the arenas'
//! [`Measures`](bevy_maddpg::arena::Measures). In scenarios with two teams, the mean return of each team comes first,
//! for example `predators_return`.
//!
//! | scenario | measures of an episode |
//! |---|---|
//! | `simple_spread` | `collisions`: pairs of agents that overlap, summed over the steps; `distance`: sum of the landmarks' distances to their nearest agents, mean over the steps; `occupied_landmarks`: landmarks with an agent closer than 0.1, at the end |
//! | `simple_tag` | `touches`: number of predators that touch the prey, summed over the steps |
//! | `simple_adversary` | `agents_distance`, `adversary_distance`: distance of the nearest agent, or of the adversary, to the goal, mean over the steps; `agents_success`, `adversary_success`: 1 if that distance is below 0.16 (twice the goal's size) at the end |
//! | `simple_push` | `agent_distance`, `adversary_distance`: distance to the goal, mean over the steps; `agent_last_distance`: the agent's distance at the end |
//! | `simple_speaker_listener` | `distance`: distance of the listener to the goal, mean over the steps; `last_distance`: the same at the end; `target_reached`: 1 if the two overlap at the end |
//! | `simple_crypto` | `bob_bits`, `eve_bits`: how many of the message's 4 numbers are guessed on the correct side of 0.5, mean over the steps; `bob_success`, `eve_success`: share of the steps in which the guess is closer to the message than to the other message |

mod adversary;
mod crypto;
mod play;
mod push;
mod rules;
mod scenario;
mod speaker_listener;
mod spread;
mod tag;
mod world;

pub use play::{ParticleArena, spawn};
pub use rules::{Measure, Over, Role};
pub use scenario::{Scenario, Team, UnknownScenario};
pub use world::{
    Body, CONTACT_FORCE, CONTACT_MARGIN, DAMPING, MAX_WORDS, ParticleWorld, STEP_SECONDS, Voice,
};

use bevy::prelude::*;

use bevy_maddpg::rollout::{Observe, Reset};

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 1;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 25;

/// Spawns arenas of a particle world and runs their rules. Needs
/// [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a decision period of [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct ParticlePlugin {
    /// The scenario. Default: [`Scenario::Spread`].
    pub scenario: Scenario,
    /// Whether the agents choose one of mpe2's discrete actions instead of acting by numbers. Default: false.
    pub discrete: bool,
    /// Number of arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed for the random starts. Default: 0.
    pub seed: u64,
}

impl Default for ParticlePlugin {
    fn default() -> Self {
        Self { scenario: Scenario::default(), discrete: false, arenas: 64, seed: 0 }
    }
}

impl Plugin for ParticlePlugin {
    fn build(&self, app: &mut App) {
        let Self { scenario, discrete, arenas, seed } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..arenas {
                    play::spawn(&mut commands, scenario, discrete, index, seed);
                }
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(FixedUpdate, (play::act, play::simulate, play::reward, play::measure).chain());
    }
}

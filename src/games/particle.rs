//! The particle worlds of the MADDPG paper (Lowe et al. 2017, arXiv 1706.02275): cooperation, competition and
//! communication of round bodies in the plane.
//!
//! The semantics are those of mpe2 1.1.1 with continuous actions, in its precision: recorded episodes replay within
//! 1e-5. No physics engine is needed.
//!
//! | scenario | agents, by slot: observation, action | reward |
//! |---|---|---|
//! | `simple_spread` | 3 agents: 18, 2 | half the team's: minus the landmarks' distances from their nearest agents; half the own: -1 a collision |
//! | `simple_tag` | 3 predators: 16, 2; prey: 14, 2 | 10 a touch to all predators, -10 to the prey, which also loses outside of the field |
//! | `simple_adversary` | adversary: 8, 2; 2 agents: 10, 2 | adversary: minus its distance from the goal; agents: that distance minus the nearest agent's |
//! | `simple_push` | adversary: 8, 2; agent: 19, 2 | agent: minus its distance from the goal; adversary: that distance minus its own |
//! | `simple_speaker_listener` | speaker: 3, 3; listener: 11, 2 | both: minus the square of the listener's distance from the goal |
//! | `simple_crypto` | Eve: 4, 4; Bob: 8, 4; Alice: 8, 4 | Eve: minus the squared error of what she says; Bob and Alice: Eve's error minus Bob's |
//!
//! | | |
//! |---|---|
//! | observation | one frame; positions relative to the agent, velocities, colors of goals, words heard |
//! | action | an agent that moves: force along x and y, each -1 to 1; one that speaks: as many words, -1 to 1 for 0 to 1 |
//! | step | 0.1 s, each a decision |
//! | episode | never ends by itself, truncated after 25 decisions |
//!
//! mpe2's continuous action has 5 numbers in 0 to 1 where ours has 2: nothing, left, right, down, up. Only right minus
//! left and up minus down count, and they are our two. [`ParticleWorld::act_as_mpe2`] takes all 5.
//!
//! What the paper judges the scenarios by, and mpe2 calls benchmark data, are the arenas'
//! [`Measures`](crate::arena::Measures), after the mean return of each team (`predators_return`) where there are two:
//!
//! | scenario | measures of an episode |
//! |---|---|
//! | `simple_spread` | `collisions`: pairs that overlap, summed over the steps; `distance`: sum of the landmarks' distances from their nearest agents, mean; `occupied_landmarks`: with an agent closer than 0.1, at the end |
//! | `simple_tag` | `touches`: predators that touch the prey, summed over the steps |
//! | `simple_adversary` | `agents_distance`, `adversary_distance`: of the nearest agent and of the adversary from the goal, mean; `agents_success`, `adversary_success`: 1 where that distance is below 0.16 (twice the goal's size) at the end |
//! | `simple_push` | `agent_distance`, `adversary_distance`: from the goal, mean; `agent_last_distance`: at the end |
//! | `simple_speaker_listener` | `distance`: of the listener from the goal, mean; `last_distance`: at the end; `target_reached`: 1 where they overlap then |
//! | `simple_crypto` | `bob_bits`, `eve_bits`: numbers of the message's 4 told rightly as below or above a half, mean; `bob_success`, `eve_success`: share of the steps in which what is said is nearer to the message than to the other one |

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

use bevy::{
    ecs::{intern::Interned, schedule::ScheduleLabel},
    prelude::*,
};

use crate::rollout::{AgentSystems, Observe, Reset};

/// Ticks of one decision.
pub const DECISION_PERIOD: u32 = 1;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 25;

/// Spawns arenas of a particle world and runs their rules. Needs
/// [`MaddpgPlugins`](crate::plugin::MaddpgPlugins) with [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct ParticlePlugin {
    /// What is played. Default: [`Scenario::Spread`].
    pub scenario: Scenario,
    /// Arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed of the starts. Default: 0.
    pub seed: u64,
    /// The schedule that the rollout runs in. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
}

impl Default for ParticlePlugin {
    fn default() -> Self {
        Self { scenario: Scenario::default(), arenas: 64, seed: 0, schedule: FixedUpdate.intern() }
    }
}

impl Plugin for ParticlePlugin {
    fn build(&self, app: &mut App) {
        let Self { scenario, arenas, seed, schedule } = *self;
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..arenas {
                    play::spawn(&mut commands, scenario, index, seed);
                }
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::place)
            .add_systems(
                schedule,
                (
                    play::act.in_set(AgentSystems::Act),
                    play::simulate.in_set(AgentSystems::Simulate),
                    (play::reward, play::measure).chain().in_set(AgentSystems::Reward),
                ),
            );
    }
}

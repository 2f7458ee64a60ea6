//! A hunt: three hunters chase six prey among obstacles. Hunters and prey learn against each other.
//!
//! Agents come and go. A prey that a hunter touches is caught: its life is over until the arena is reset, and the
//! others play on. In half of the episodes after an arena's first one, the third hunter is missing at first and joins later. The prey are faster
//! than the hunters but turn more slowly, so hunters drive them into corners and against obstacles. No physics engine is
//! needed.
//!
//! | | hunter | prey |
//! |---|---|---|
//! | slots | 0 to 2 | 3 to 8 |
//! | radius | 0.06 m | 0.045 m |
//! | top speed | 0.9 m/s | 1 m/s |
//! | acceleration at full action | 4 m/s² | 2 m/s² |
//! | action | 2 numbers, -1 to 1: acceleration along x and y, together at most the full one | the same |
//! | observation, one frame | 29 numbers | 26 numbers |
//! | first 4 | own position and velocity | the same |
//! | next 4 | relative positions of the 2 nearest obstacles | the same |
//! | next 15 | the 3 nearest prey, 5 numbers each: relative position, relative velocity, 1 | the same of the 3 nearest hunters |
//! | the rest | the other 2 hunters, 3 numbers each: relative position, 1 | the same of the nearest other prey |
//! | reward | 1 for every catch of the team, 0.5 more for the catcher, and 0.2 per meter that it comes nearer to the nearest prey | -1 when it is caught; until then 0.1 per second, but proportionally less within 0.5 m of a hunter |
//!
//! Observations are in m and m/s, at most 2 in size. If there are fewer agents to see, zeros take their places. Agents
//! that are not in play observe only zeros and earn nothing.
//!
//! | | |
//! |---|---|
//! | field | a square of 2 m by 2 m with walls; its middle is the origin |
//! | obstacles | 4 pillars with a radius of 0.14 m, one in each quarter of the field, moved at each reset |
//! | contacts | agents cannot enter walls, obstacles, or agents of their own team |
//! | start | all at rest, at random places away from opponents |
//! | late hunter | after the first episode: with probability 1/2, the third hunter joins only after 1 to 100 decisions |
//! | step | 0.05 s, with one decision every 2 steps |
//! | episode | terminates when all prey are caught; truncated after 200 decisions (20 s) |
//! | score | the mean return of the hunters |
//!
//! | [measure](bevy_maddpg::arena::Measures) | of an episode |
//! |---|---|
//! | `hunters_return`, `prey_return` | mean return of the team |
//! | `catches` | prey that were caught |
//! | `catch_all_seconds` | seconds until the last prey was caught; the time limit if some survive |
//! | `survivors` | prey that were not caught |
//!
//! With [`Gear`], hunters can also dash and throw nets. They then observe 2 numbers more: how much of the waiting time for a dash
//! and for a net is left.
//!
//! The scripts [`greedy`] and [`fleeing`] can play a team in place of its policies.

mod body;
mod contact;
mod gear;
mod latecomer;
mod play;
mod player;
mod reward;
mod script;
mod sight;
mod start;
mod world;

pub use body::{Body, Build, DAMPING, HUNTER, PREY};
pub use gear::{Deed, Gear, HunterAction};
pub use play::{HuntArena, NetThrown, PreyCaught, spawn};
pub use player::Player;
pub use script::{fleeing, greedy};
pub use world::{Catch, HuntWorld};

use bevy::prelude::*;

use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{AgentSpec, ArenaSpec},
    rollout::{Observe, Reset, agents_decide},
};

/// Seconds of one step.
pub const STEP_SECONDS: f64 = 0.05;

/// The same in the precision of the bodies.
const STEP: f32 = STEP_SECONDS as f32;

/// Steps per decision.
pub const DECISION_PERIOD: u32 = 2;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 200;

/// Number of hunters in an arena. They have the first slots.
pub const HUNTERS: usize = 3;

/// Number of agents in an arena: the hunters and six prey.
pub const AGENTS: usize = 9;

/// Distance of the walls from the middle of the field, m.
pub const HALF_FIELD: f32 = 1.0;

/// Number of obstacles.
pub const OBSTACLES: usize = 4;

/// Radius of an obstacle, m.
pub const OBSTACLE_RADIUS: f32 = 0.14;

/// Spawns arenas with a hunt and runs their rules. Needs [`MaddpgPlugins`](bevy_maddpg::plugin::MaddpgPlugins) with a
/// decision period of [`DECISION_PERIOD`].
#[derive(Debug, Clone)]
pub struct HuntPlugin {
    /// Number of arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed for random starts and late hunters. Default: 0.
    pub seed: u64,
    /// Who plays the hunters. Default: their policies.
    pub hunters: Player,
    /// Who plays the prey. Default: their policies.
    pub prey: Player,
    /// The hunters' gear. Default: none.
    pub gear: Gear,
}

impl Default for HuntPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0, hunters: Player::Learned, prey: Player::Learned, gear: Gear::None }
    }
}

impl Plugin for HuntPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        app.insert_resource(Time::<Fixed>::from_seconds(STEP_SECONDS))
            .add_message::<PreyCaught>()
            .add_message::<NetThrown>()
            .add_systems(Startup, move |mut commands: Commands| {
                for index in 0..plugin.arenas {
                    play::spawn(&mut commands, index, &plugin);
                }
            })
            .add_systems(Observe, (play::sense, play::mask, player::play_scripts.run_if(agents_decide)))
            .add_systems(Reset, play::place)
            .add_systems(
                FixedUpdate,
                (play::act, play::simulate, play::judge, play::measure, latecomer::join).chain(),
            );
    }
}

/// The agents of an arena, by slot: the hunters without gear, then the prey.
pub fn spec() -> ArenaSpec {
    spec_with(Gear::None)
}

/// The agents of an arena, by slot: the hunters with this gear, then the prey.
pub fn spec_with(gear: Gear) -> ArenaSpec {
    let agent = |slot| {
        let (behavior, gear) = if slot < HUNTERS { ("hunter", gear) } else { ("prey", Gear::None) };
        AgentSpec::new(behavior, sight::size(slot, gear), 0).with_action(gear.space())
    };
    ArenaSpec::new((0..AGENTS).map(agent).collect())
}

/// The score of an episode: the mean return of the hunters.
pub fn score(returns: &[f32]) -> f32 {
    returns[..HUNTERS].iter().sum::<f32>() / HUNTERS as f32
}

/// Settings for the hunt. A critic that sees all nine agents learns slowly, and each agent sees what concerns it, so critics
/// see only their own agent. Each decision of nine agents gives the learner much to learn from. `docs/experiments.md` has
/// the trials.
pub fn adapt(config: &mut TrainingConfig) {
    let learner = &mut config.learner;
    learner.independent = vec!["hunter".into(), "prey".into()];
    learner.updates_per_decision = 0.25;
}

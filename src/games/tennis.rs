//! Tennis: two rackets keep a ball in the air over a net. Rule set `rally`.
//!
//! The task that Unity ML-Agents and the "Collaboration and Competition" exercise made known, same specification, our
//! physics. Motion is in the x-y plane, the net stands at x = 0; slot 0 plays at x < 0, slot 1 at x > 0, and
//! everything a side senses or does is mirrored, so that one policy plays both.
//!
//! | | |
//! |---|---|
//! | observation | 8 numbers a frame, 3 frames: racket x, y, vx, vy, ball x, y, vx, vy; m and m/s |
//! | action | 2 numbers: towards the net (1) or away (-1), 30 m/s at full; jump if above 0.5 |
//! | reward | +0.1 to the last hitter when the ball has passed over the net; -0.01 to the side at fault |
//! | fault | the ball touches the floor (fault of that half's owner), a wall or the net (fault of the last hitter) |
//! | episode | ends at a fault, truncated after 1,000 decisions of 5 ticks of 0.02 s |
//! | score | the larger of the two undiscounted returns; solved at a mean of 0.5 over 100 episodes, ceiling 2.6 to 2.7 |
//!
//! The original gave the racket's velocity where the ball's was meant; here it is the ball's.

mod court;
mod play;
mod rules;

pub use court::{Ball, Court, CourtPart, Side, dimensions};
pub use rules::Rally;

use bevy::{
    ecs::{intern::Interned, message::MessageRegistry, schedule::ScheduleLabel},
    prelude::*,
    transform::systems::{propagate_parent_transforms, sync_simple_transforms},
};
use bevy_rapier3d::{plugin::systems, prelude::*};

use crate::{
    policy::{AgentSpec, ArenaSpec},
    rollout::{AgentSystems, Observe, Reset},
};

/// Seconds of one tick.
pub const TICK_SECONDS: f64 = 0.02;

/// Ticks of one decision.
pub const DECISION_PERIOD: u32 = 5;

/// Decisions after which an episode is truncated.
pub const TIME_LIMIT: u32 = 1_000;

/// Mean score over 100 episodes at which the task counts as solved.
pub const SOLVED: f32 = 0.5;

/// Frames that an agent sees.
pub const FRAMES: usize = 3;

/// Spawns tennis arenas and runs their rules. Needs [`MaddpgPlugins`](crate::plugin::MaddpgPlugins); adds rapier, as
/// far as tennis needs it: rigid bodies with colliders on the same entity.
#[derive(Debug, Clone)]
pub struct TennisPlugin {
    /// Arenas to spawn, one behind the other along z. Default: 64.
    pub arenas: usize,
    /// Seed of the positions at reset. Default: 0.
    pub seed: u64,
    /// The schedule that the rollout runs in. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
}

impl Default for TennisPlugin {
    fn default() -> Self {
        Self { arenas: 64, seed: 0, schedule: FixedUpdate.intern() }
    }
}

impl Plugin for TennisPlugin {
    fn build(&self, app: &mut App) {
        let plugin = self.clone();
        app.insert_resource(TimestepMode::Fixed { dt: TICK_SECONDS as f32, substeps: 1 })
            .insert_resource(Time::<Fixed>::from_seconds(TICK_SECONDS))
            // Of what bevy_rapier does before and after a step, only what this game needs: it has no joints, characters,
            // or colliders that change, and the rest costs a fortieth of all time (a tenth with one arena).
            .add_plugins(
                RapierPhysicsPlugin::<NoUserData>::default()
                    .in_schedule(self.schedule)
                    .with_physics_sets_systems([PhysicsSet::StepSimulation].into_iter().collect()),
            )
            .add_systems(
                self.schedule,
                (
                    (
                        (sync_simple_transforms, propagate_parent_transforms).chain(),
                        (systems::init_rigid_bodies, systems::init_colliders).chain(),
                        systems::apply_rigid_body_user_changes,
                        court::tilt_rackets,
                    )
                        .chain()
                        .in_set(PhysicsSet::SyncBackend),
                    systems::writeback_rigid_bodies.in_set(PhysicsSet::Writeback),
                ),
            )
            .configure_sets(
                self.schedule,
                (PhysicsSet::SyncBackend, PhysicsSet::StepSimulation, PhysicsSet::Writeback)
                    .in_set(AgentSystems::Simulate),
            )
            .add_systems(Startup, move |mut commands: Commands| {
                court::spawn(&mut commands, plugin.arenas, plugin.seed);
            })
            .add_systems(Observe, play::sense)
            .add_systems(Reset, play::serve)
            .add_systems(
                self.schedule,
                (
                    play::move_rackets.in_set(AgentSystems::Act),
                    (rules::clamp_ball, rules::judge_contacts, rules::judge_crossings)
                        .chain()
                        .in_set(AgentSystems::Reward),
                ),
            );
        // Rapier puts its message buffers in place but leaves them to grow: they are cleared only once registered.
        MessageRegistry::register_message::<CollisionEvent>(app.world_mut());
        MessageRegistry::register_message::<ContactForceEvent>(app.world_mut());
        MessageRegistry::register_message::<bevy_rapier3d::prelude::MassModifiedEvent>(app.world_mut());
    }
}

/// The agents of a tennis arena.
pub fn spec() -> ArenaSpec {
    let player = AgentSpec {
        behavior: "player".into(),
        observation_size: play::OBSERVATION_SIZE * FRAMES,
        action_size: play::ACTION_SIZE,
    };
    ArenaSpec { slots: vec![player.clone(), player] }
}

/// A setting that suits it: with slower critics the policy that acts at any one moment is more often a perfect one.
/// `docs/experiments.md` has the trials.
#[cfg(feature = "learner")]
pub fn adapt(config: &mut crate::learner::TrainingConfig) {
    config.learner.critic_learning_rate = 1e-3;
}

/// The score of an episode with these returns: the larger of the two.
pub fn score(returns: &[f32]) -> f32 {
    returns.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

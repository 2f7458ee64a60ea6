//! The step of a world of arenas: observe, decide, act, simulate, reward, end, reset.
//!
//! Each tick of the schedule that [`RolloutPlugin`] names runs the sets of [`AgentSystems`] in order. Every
//! `decision_period` ticks is a decision: all arenas are observed, what happened since the last decision becomes one
//! transition an arena, and all policies are asked at once. Between decisions the action is held and the reward
//! added up.
//!
//! Two parts of the step run when they are needed rather than once a tick, so they are schedules of their own:
//!
//! | schedule | when it runs | what the game does there |
//! |---|---|---|
//! | [`Observe`] | at a decision, and once more for arenas whose episode has ended, before they are reset | [`Observation::write`](crate::agent::Observation::write) |
//! | [`Reset`] | when an arena is new or its episode has ended | set up every arena with [`Episode::needs_reset`](crate::arena::Episode::needs_reset) |

mod arenas;
mod decide;
mod episodes;
mod experience;
mod policy;

pub use arenas::{ArenaEntry, Arenas, RolloutError};
pub use decide::Exploration;
pub use experience::Experience;
pub use policy::ActingPolicy;

use bevy::{
    ecs::{
        intern::Interned,
        schedule::{ScheduleLabel, SingleThreadedExecutor},
    },
    prelude::*,
};

use crate::{
    arena::EpisodeEnded,
    exploration::{ExplorationConfig, Noise},
};

/// Writes the observations of all agents. Run by the rollout at decisions and at the end of episodes.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observe;

/// Sets up the arenas with [`Episode::needs_reset`](crate::arena::Episode::needs_reset). Run by the rollout when
/// there are any.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reset;

/// The parts of a tick, in this order.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub enum AgentSystems {
    /// The rollout's: new arenas are reset; at a decision, observations become actions.
    Decide,
    /// The game's: [`Action`](crate::agent::Action)s become forces, velocities, moves.
    Act,
    /// The game's or a physics engine's: the world moves on by one tick.
    Simulate,
    /// The game's: [`Reward`](crate::agent::Reward)s are added, episodes ended.
    Reward,
    /// The rollout's: time limits; ended episodes are recorded with their true last observation, then reset.
    End,
}

/// Counts ticks and decisions.
#[derive(Resource, Debug, Clone, PartialEq, Eq)]
pub struct RolloutClock {
    /// Ticks finished.
    pub tick: u64,
    /// Ticks from one decision to the next.
    pub decision_period: u32,
    /// Joint decisions made: one for each arena at each decision.
    pub decisions: u64,
}

impl RolloutClock {
    /// Whether this tick starts with a decision.
    pub fn is_decision(&self) -> bool {
        self.tick.is_multiple_of(u64::from(self.decision_period))
    }

    /// Whether this tick is the last before a decision.
    pub fn is_last_of_decision(&self) -> bool {
        (self.tick + 1).is_multiple_of(u64::from(self.decision_period))
    }
}

/// Runs the step of all arenas in a schedule.
#[derive(Debug, Clone)]
pub struct RolloutPlugin {
    /// The schedule, one run a tick. Default: [`FixedUpdate`].
    pub schedule: Interned<dyn ScheduleLabel>,
    /// Ticks from one decision to the next, at least 1. Default: 5.
    pub decision_period: u32,
    /// Seed of the exploration. Default: 0.
    pub seed: u64,
    /// The noise on the actions. Default: none.
    pub exploration: ExplorationConfig,
    /// Whether the schedule, [`Observe`] and [`Reset`] run on one thread. The step of many small arenas is faster so.
    /// Default: true.
    pub single_threaded: bool,
}

impl Default for RolloutPlugin {
    fn default() -> Self {
        Self {
            schedule: FixedUpdate.intern(),
            decision_period: 5,
            seed: 0,
            exploration: ExplorationConfig {
                noise: Noise::None,
                random_decisions: 0,
                ..ExplorationConfig::default()
            },
            single_threaded: true,
        }
    }
}

impl Plugin for RolloutPlugin {
    fn build(&self, app: &mut App) {
        let schedule = self.schedule;
        app.add_message::<EpisodeEnded>()
            .init_schedule(Observe)
            .init_schedule(Reset)
            .insert_resource(RolloutClock {
                tick: 0,
                decision_period: self.decision_period.max(1),
                decisions: 0,
            })
            .insert_resource(Exploration::new(self.exploration.clone(), self.seed))
            .init_resource::<Arenas>()
            .init_resource::<Experience>()
            .init_resource::<ActingPolicy>()
            .configure_sets(
                schedule,
                (
                    AgentSystems::Decide,
                    AgentSystems::Act,
                    AgentSystems::Simulate,
                    AgentSystems::Reward,
                    AgentSystems::End,
                )
                    .chain(),
            )
            .configure_sets(
                schedule,
                (
                    DecideSystems::Prepare,
                    DecideSystems::Record,
                    DecideSystems::Synchronize,
                    DecideSystems::Swap,
                    DecideSystems::HandOver,
                    DecideSystems::Decide,
                )
                    .chain()
                    .in_set(AgentSystems::Decide),
            )
            .add_systems(
                schedule,
                (
                    (
                        arenas::collect,
                        arenas::watch_for_policy,
                        episodes::reset.run_if(episodes::any_needs_reset),
                    )
                        .chain()
                        .in_set(DecideSystems::Prepare),
                    (observe, experience::push_frames, experience::close_decisions)
                        .chain()
                        .in_set(DecideSystems::Record)
                        .run_if(decision_is_due),
                    policy::swap.in_set(DecideSystems::Swap).run_if(decision_is_due),
                    decide::decide.in_set(DecideSystems::Decide).run_if(decision_is_due),
                    (
                        episodes::apply_time_limits,
                        (observe, episodes::finish, episodes::reset)
                            .chain()
                            .run_if(episodes::any_needs_reset),
                        advance_clock,
                    )
                        .chain()
                        .in_set(AgentSystems::End),
                ),
            );
        if self.single_threaded {
            for label in [schedule, Observe.intern(), Reset.intern()] {
                app.edit_schedule(label, |schedule| {
                    schedule.set_executor(SingleThreadedExecutor::new());
                });
            }
        }
    }
}

/// The parts of [`AgentSystems::Decide`].
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DecideSystems {
    /// Arenas are collected, new ones reset.
    Prepare,
    /// Observations are taken, transitions completed.
    Record,
    /// In lockstep, the learner is waited for.
    Synchronize,
    /// The newest policy is taken.
    Swap,
    /// Transitions go to the learner.
    HandOver,
    /// Policies are asked.
    Decide,
}

pub(crate) fn decision_is_due(clock: Res<RolloutClock>) -> bool {
    clock.is_decision()
}

fn observe(world: &mut World) {
    world.run_schedule(Observe);
}

fn advance_clock(mut clock: ResMut<RolloutClock>) {
    clock.tick += 1;
}

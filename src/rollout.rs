//! The agents' step: observe, decide, record, reset.
//!
//! The agents' step has one part before each step of the game and one part after it.
//!
//! - [`StepStart`] runs before the step of the game. At a decision, it observes all arenas, turns what happened since the last
//!   decision into one transition per arena, and queries the policies for all arenas at once.
//! - [`StepEnd`] runs after the step of the game. It applies time limits, records the episodes that have ended, and resets their
//!   arenas.
//!
//! Between decisions, agents keep their actions, and their rewards are added up. [`StepTiming`] sets what a step of the game is.
//! Two more schedules run when they are needed:
//!
//! | schedule | when it runs | what the game does there |
//! |---|---|---|
//! | [`Observe`] | at a decision, and once more for arenas whose episode has ended, before they are reset | [`Observation::write`](crate::agent::Observation::write) for the [`ArenasToObserve`] |
//! | [`Reset`] | when an arena is new or its episode has ended | set up the [`ArenasToReset`](crate::arena::ArenasToReset) |
//!
//! These four schedules belong to this crate and run on one thread, because that is faster for many small arenas. The
//! executor of every other schedule stays as the app set it.

mod arenas;
mod clock;
mod decide;
mod decide_others;
mod departed;
mod episodes;
mod experience;
mod explore;
mod frames;
mod kind;
mod n_step;
mod plan;
mod policy;
mod rows;
mod schedule;

#[cfg(feature = "learner")]
pub(crate) use arenas::EarlierTrainings;
pub use arenas::{ArenaEntry, Arenas};
#[cfg(feature = "learner")]
pub(crate) use clock::decision_is_due;
pub use clock::{RolloutClock, agents_decide};
pub use experience::Experience;
pub use explore::Exploration;
pub use kind::Kind;
#[cfg(feature = "learner")]
pub(crate) use kind::default_name_of;
pub use policy::ActingPolicy;
pub(crate) use policy::why_unfit;
pub use schedule::{AgentSystems, Observe, Reset, StepEnd, StepStart, StepTiming};
pub(crate) use schedule::{BeforeReset, DecideSystems};

use bevy::{
    ecs::{schedule::ScheduleConfigs, system::ScheduleSystem},
    prelude::*,
};

use crate::{
    agent::{
        Action, ActionMask, ActionOverride, Agent, DecisionClock, Life, Observation, Reward, Stagger,
        Untrained,
    },
    arena::{Arena, ArenaAgents, ArenasToObserve, Episode, EpisodeEnded, InArena, Measures, NoExploration},
    exploration::{ExplorationConfig, Noise},
    parameters::Parameters,
    problems::Problems,
    typed,
};

/// Lets agents observe, decide and play episodes: runs the [agents' step](self).
#[derive(Debug, Clone)]
pub struct RolloutPlugin {
    /// What a step of the game is. Default: each fixed step.
    pub timing: StepTiming,
    /// Steps from one decision to the next, at least 1. Default: 5.
    pub decision_period: u32,
    /// Seed of the exploration noise. Default: 0.
    pub seed: u64,
    /// The exploration noise on the actions. Default: none.
    pub exploration: ExplorationConfig,
    /// Whether the app panics at the first of the [`Problems`] instead of reporting it. Use it in tests of a game. Default: false.
    pub strict: bool,
}

impl Default for RolloutPlugin {
    fn default() -> Self {
        Self {
            timing: StepTiming::default(),
            decision_period: 5,
            seed: 0,
            exploration: ExplorationConfig {
                noise: Noise::None,
                random_decisions: 0,
                ..ExplorationConfig::default()
            },
            strict: false,
        }
    }
}

impl Plugin for RolloutPlugin {
    fn build(&self, app: &mut App) {
        schedule::add(app, self.timing);
        register_types(app);
        app.add_message::<EpisodeEnded>()
            .insert_resource(RolloutClock::new(self.decision_period, self.timing))
            .insert_resource(Exploration::new(self.exploration.clone(), self.seed))
            .init_resource::<Arenas>()
            .init_resource::<plan::Plan>()
            .init_resource::<KeptRewards>()
            .init_resource::<Experience>()
            .insert_resource(Problems::new(self.strict))
            .init_resource::<ActingPolicy>()
            .init_resource::<Stagger>()
            .add_systems(
                StepStart,
                (
                    (
                        episodes::finish_despawned,
                        // The first call may give agents an arena of their own, and the second call finds this arena.
                        arenas::collect,
                        arenas::collect,
                        // Episodes that ended after the last `StepEnd`, for example in `Update` or in an observer.
                        episodes::end_without_agents,
                        finish_episodes(),
                        episodes::reset.run_if(episodes::any_needs_reset),
                        // Finds agents that the game spawned while it set up the arenas.
                        arenas::collect,
                        arenas::tell_empty,
                    )
                        .chain()
                        .in_set(DecideSystems::Prepare),
                    (clock::advance_agents, observe(), frames::push_frames, experience::close_decisions)
                        .chain()
                        .in_set(DecideSystems::Record)
                        .run_if(clock::decision_is_due),
                    policy::swap.in_set(DecideSystems::Swap).run_if(clock::decision_is_due),
                    (plan::make, decide_others::decide_others, decide::decide, typed::run_decode)
                        .chain()
                        .in_set(DecideSystems::Decide)
                        .run_if(clock::decision_is_due),
                ),
            )
            .add_systems(
                StepEnd,
                (
                    episodes::finish_despawned,
                    arenas::collect,
                    episodes::end_without_agents,
                    episodes::apply_time_limits,
                    finish_episodes(),
                    clock::advance,
                )
                    .chain()
                    .in_set(AgentSystems::End),
            );
        typed::add(app);
        arenas::watch(app);
        departed::watch(app);
    }
}

/// Records ended episodes with their true last observation, and resets their arenas.
fn finish_episodes() -> ScheduleConfigs<ScheduleSystem> {
    (
        clock::observes_ends::<true>,
        keep_rewards,
        observe(),
        restore_rewards,
        clock::observes_ends::<false>,
        episodes::finish,
        // Finds arenas and agents that came or left in observers of `EpisodeEnded`.
        arenas::collect,
        episodes::reset,
    )
        .chain()
        .run_if(episodes::any_has_ended)
        .into_configs()
}

/// The rewards of the agents whose episodes go on while [`Observe`] runs for those that have ended.
#[derive(Resource, Debug, Default)]
struct KeptRewards(Vec<(Entity, Reward)>);

/// Remembers the rewards of agents whose episodes go on.
fn keep_rewards(
    mut kept: ResMut<KeptRewards>,
    ended: ArenasToObserve,
    agents: Query<(Entity, Option<&InArena>, &Reward)>,
) {
    let goes_on = |agent: Entity, in_arena| !ended.contains(InArena::arena_of(agent, in_arena));
    let agents = agents.iter().filter(|(agent, in_arena, _)| goes_on(*agent, *in_arena));
    kept.0.clear();
    kept.0.extend(agents.map(|(agent, _, reward)| (agent, reward.clone())));
}

/// Takes back what was added to these rewards. Their agents were not observed now, and `Observe` runs for them at their next decision.
fn restore_rewards(mut kept: ResMut<KeptRewards>, mut agents: Query<&mut Reward>) {
    for (agent, before) in kept.0.drain(..) {
        if let Ok(mut reward) = agents.get_mut(agent) {
            reward.set_if_neq(before);
        }
    }
}

/// Registers the types for inspectors, scenes and the remote protocol.
fn register_types(app: &mut App) {
    app.register_type::<Agent>()
        .register_type::<Observation>()
        .register_type::<Action>()
        .register_type::<Reward>()
        .register_type::<Life>()
        .register_type::<Untrained>()
        .register_type::<ActionOverride>()
        .register_type::<ActionMask>()
        .register_type::<DecisionClock>()
        .register_type::<InArena>()
        .register_type::<Arena>()
        .register_type::<ArenaAgents>()
        .register_type::<Episode>()
        .register_type::<NoExploration>()
        .register_type::<Measures>()
        .register_type::<Parameters>()
        .register_type::<RolloutClock>();
}

/// Lets the game write observations and masks.
fn observe() -> ScheduleConfigs<ScheduleSystem> {
    (clear_masks, run_observe, mend_masks).chain().into_configs()
}

fn clear_masks(observed: ArenasToObserve, mut masks: Query<(Entity, Option<&InArena>, &mut ActionMask)>) {
    for (agent, in_arena, mut mask) in &mut masks {
        if observed.contains(InArena::arena_of(agent, in_arena)) {
            mask.clear();
        }
    }
}

fn run_observe(world: &mut World) {
    world.run_schedule(Observe);
}

/// If the game has forbidden every choice of a branch, allows all of them. Reports what is wrong with masks.
fn mend_masks(
    observed: ArenasToObserve,
    mut masks: Query<(Entity, &Agent, Option<&InArena>, &mut ActionMask)>,
    mut problems: ResMut<Problems>,
) {
    for (entity, agent, in_arena, mut mask) in &mut masks {
        // In the other arenas, what the game writes is not used.
        if observed.contains(InArena::arena_of(entity, in_arena))
            && let Some(reason) = mask.mend()
        {
            problems.tell("mask", &format!("{}: {reason}", agent.behavior), || {
                format!(
                    "the `ActionMask` of agent {entity} of behavior `{}` is wrong: {reason}",
                    agent.behavior
                )
            });
        }
    }
}

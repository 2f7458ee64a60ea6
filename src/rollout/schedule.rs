use bevy::{
    app::{FixedMainScheduleOrder, MainScheduleOrder},
    ecs::schedule::{InternedScheduleLabel, ScheduleLabel, SingleThreadedExecutor},
    prelude::*,
};

use super::Arenas;
use crate::problems::Problems;

/// The schedule before a step of the game. At a decision, the agents observe and decide.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepStart;

/// The schedule after a step of the game. It records the episodes that have ended and resets their arenas.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepEnd;

/// The schedule in which the game writes the observations of its agents. It runs at decisions, for all agents, and also when episodes
/// have ended, for the agents of the [`ArenasToObserve`](crate::arena::ArenasToObserve). If a system must run exactly once per decision,
/// such as a script that decides for agents, give it the run condition [`agents_decide`](super::agents_decide).
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observe;

/// The schedule in which the game sets up the [`ArenasToReset`](crate::arena::ArenasToReset). It runs only when there are such arenas.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reset;

/// The schedule right before [`Reset`]. Parameters are drawn in it, so that the game finds them when it sets up the arena. It exists only
/// if a plugin of this crate has added it.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BeforeReset;

/// What a step of the game is. The agents decide before such a step, and episodes end after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepTiming {
    /// A fixed step: agents decide before [`FixedFirst`], and episodes end after [`FixedLast`]. The game's systems and its physics may be
    /// in any of Bevy's fixed schedules. The agents play the same game at every frame rate.
    #[default]
    FixedStep,
    /// A frame: agents decide before [`Update`], and episodes end after [`PostUpdate`]. Use it if the game's logic is in [`Update`]. The
    /// time from one decision to the next then depends on the frame rate. While `Time<Virtual>` is paused, agents do not decide.
    Frame,
    /// A step that the app runs itself: it runs [`StepStart`] before it and [`StepEnd`] after it. Use it, for example, for the turns of a
    /// board game.
    Manual,
}

/// The system sets of the agents' step. Use them to order your own systems in [`StepStart`] and [`StepEnd`].
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub enum AgentSystems {
    /// In [`StepStart`]: new arenas are reset; at a decision, agents observe and decide.
    Decide,
    /// In [`StepEnd`]: time limits apply; ended episodes are recorded with their true last observation, and then their arenas are reset.
    End,
}

/// The parts of [`AgentSystems::Decide`], in the order in which they run.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DecideSystems {
    /// Arenas are collected, and new ones are reset.
    Prepare,
    /// Agents observe, and transitions are completed.
    Record,
    /// In lockstep, the game waits for the learner.
    Synchronize,
    /// The newest snapshot is taken.
    Swap,
    /// Transitions are sent to the learner.
    HandOver,
    /// The policies are queried.
    Decide,
}

/// Whether time passes in this frame, that is, it was not paused when the frame began. In an app without time, always true.
fn time_passes(time: Option<Res<Time<Virtual>>>) -> bool {
    time.is_none_or(|time| !time.was_paused())
}

/// Reports that a game in frames runs at a higher speed. Its frames then last longer, so its agents decide less often per second of the
/// game.
fn tell_of_long_frames(time: Res<Time<Virtual>>, arenas: Res<Arenas>, mut problems: ResMut<Problems>) {
    if arenas.has_learner && time.relative_speed() > 1.0 {
        problems.tell("long frames", "", || {
            format!(
                "agents learn in frames (`StepTiming::Frame`) while time runs {} times as fast, so each frame is {0} times as long and they \
                 learn a coarser game than the one at speed 1; train faster with `headless::app(1)`, or put the game into fixed steps",
                time.relative_speed()
            )
        });
    }
}

/// Adds the four schedules, and runs two of them as `timing` says. Nothing else in the crate depends on `timing`.
pub(super) fn add(app: &mut App, timing: StepTiming) {
    let labels: [InternedScheduleLabel; 4] =
        [StepStart.intern(), StepEnd.intern(), Observe.intern(), Reset.intern()];
    for label in labels {
        app.init_schedule(label).edit_schedule(label, |schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
        });
    }
    app.configure_sets(
        StepStart,
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
    );
    let world = app.world_mut();
    match timing {
        StepTiming::FixedStep => {
            let mut order = world.resource_mut::<FixedMainScheduleOrder>();
            order.insert_before(FixedFirst, StepStart);
            order.insert_after(FixedLast, StepEnd);
        }
        StepTiming::Frame => {
            let mut order = world.resource_mut::<MainScheduleOrder>();
            order.insert_before(Update, StepStart);
            order.insert_after(PostUpdate, StepEnd);
            app.add_systems(StepStart, tell_of_long_frames.run_if(resource_exists::<Time<Virtual>>))
                .configure_sets(StepStart, AgentSystems::Decide.run_if(time_passes))
                .configure_sets(StepEnd, AgentSystems::End.run_if(time_passes));
        }
        StepTiming::Manual => {}
    }
}

use std::marker::PhantomData;

use bevy::{
    ecs::{
        change_detection::Tick,
        lifecycle::HookContext,
        schedule::{ScheduleLabel, SingleThreadedExecutor},
        world::DeferredWorld,
    },
    prelude::*,
};

use super::{AgentAction, AgentObservation};
use crate::{
    agent::{Action, Agent},
    policy::AgentSpec,
    rays::RaySensor,
    rollout::{AgentSystems, DecideSystems, StepEnd, StepStart},
};

/// What an agent does until its next decision, as the game's own type.
///
/// It always agrees with the agent's [`Action`], also while a person or a script decides.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// #[derive(AgentAction)]
/// struct Run {
///     speed: f32,
///     jump: bool,
/// }
///
/// fn run(mut hares: Query<(&Chosen<Run>, &mut Transform)>) {
///     for (chosen, mut hare) in &mut hares {
///         let Some(action) = chosen.get() else { continue };
///         hare.translation.x += action.speed;
///         // It runs at every step of the game, and jumps once per decision.
///         if action.jump && chosen.is_new() {
///             hare.translation.y += 1.0;
///         }
///     }
/// }
/// # bevy::ecs::system::assert_is_system(run);
/// ```
#[derive(Component, Debug, Clone)]
#[component(on_add = register::<A>)]
pub struct Chosen<A: AgentAction> {
    action: Option<A>,
    is_new: bool,
    decisions: u64,
    /// The tick at which the [`Action`] was written from which `action` was made.
    written: Option<Tick>,
}

impl<A: AgentAction> Default for Chosen<A> {
    fn default() -> Self {
        Self { action: None, is_new: false, decisions: 0, written: None }
    }
}

impl<A: AgentAction> Chosen<A> {
    /// The action. `None` before the agent's first decision in an episode, from the first decision after its part in the episode is
    /// over, and if it has no policy.
    pub fn get(&self) -> Option<&A> {
        self.action.as_ref()
    }

    /// Whether the agent has decided right before this step of the game. In the steps in which it keeps the action, this is false. Use
    /// it for what should happen once, such as a jump.
    ///
    /// Use it in systems that run once in each step of the game. By default ([`StepTiming`](crate::rollout::StepTiming)), these are
    /// systems in [`FixedUpdate`] or another fixed schedule. In [`Update`], it is then always false, since the step has ended; compare
    /// [`decisions`](Self::decisions) there.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// How many actions the agent has chosen so far, in all episodes. If this number has changed since a system in [`Update`] ran last,
    /// there was a new action. Use it, for example, for sounds.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }
}

/// The schedule that turns actions into the game's own types. It runs at the end of each decision, on one thread.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decode;

/// Runs [`Decode`], if any agent has a type of its own.
pub(crate) fn run_decode(world: &mut World) {
    let _ = world.try_run_schedule(Decode);
}

/// Is there if the systems for actions of type `A` have been added.
#[derive(Resource)]
struct Registered<A>(PhantomData<fn() -> A>);

/// Adds the systems for actions of type `A` when the first agent with such an action is spawned.
fn register<A: AgentAction>(mut world: DeferredWorld, _: HookContext) {
    if world.contains_resource::<Registered<A>>() {
        return;
    }
    world.commands().queue(|world: &mut World| {
        if world.contains_resource::<Registered<A>>() {
            return;
        }
        world.insert_resource(Registered::<A>(PhantomData));
        let mut schedules = world.get_resource_or_init::<Schedules>();
        schedules.add_systems(Decode, decode::<A>).add_systems(Expire, expire::<A>);
        for label in [Decode.intern(), Expire.intern()] {
            if let Some(schedule) = schedules.get_mut(label) {
                schedule.set_executor(SingleThreadedExecutor::new());
            }
        }
    });
}

/// The schedule that marks actions that are no longer new, or no longer valid. It runs after each step of the game, and before
/// each decision.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
struct Expire;

/// Adds the systems that run before and after each step of the game.
pub(crate) fn add(app: &mut App) {
    let run = |world: &mut World| _ = world.try_run_schedule(Expire);
    // Arenas are reset in both schedules.
    app.add_systems(StepStart, run.after(DecideSystems::Prepare).before(DecideSystems::Record))
        .add_systems(StepEnd, run.after(AgentSystems::End));
}

/// Turns the actions that were written since the last call into values. It leaves out actions that agents only keep.
fn decode<A: AgentAction>(mut agents: Query<(Ref<Action>, &mut Chosen<A>)>) {
    for (action, mut chosen) in &mut agents {
        if chosen.written == Some(action.last_changed()) {
            continue;
        }
        chosen.action = if action.is_made() { A::from_action(&action) } else { None };
        chosen.is_new = chosen.action.is_some();
        chosen.decisions += u64::from(chosen.is_new);
        chosen.written = Some(action.last_changed());
    }
}

/// Marks actions as no longer new after a step. If an action was written after the decision, its episode has been reset, so nothing is
/// chosen until the next decision.
fn expire<A: AgentAction>(mut agents: Query<(Ref<Action>, &mut Chosen<A>)>) {
    for (action, mut chosen) in &mut agents {
        if chosen.is_new {
            chosen.is_new = false;
        }
        if chosen.action.is_some() && chosen.written != Some(action.last_changed()) {
            chosen.action = None;
        }
    }
}

/// A bundle of an [`Agent`] and its [`Chosen`] action of type `A`. [`Agent::of`] makes it.
#[derive(Bundle, Debug, Clone)]
pub struct TypedAgent<A: AgentAction> {
    agent: Agent,
    chosen: Chosen<A>,
}

impl Agent {
    /// An agent that observes a `V` and acts with an `A`. Its sizes and names come from these types.
    ///
    /// ```
    /// use bevy::prelude::*;
    /// use bevy_maddpg::prelude::*;
    ///
    /// #[derive(AgentObservation)]
    /// struct View {
    ///     distance: f32,
    /// }
    ///
    /// #[derive(AgentAction)]
    /// struct Jump {
    ///     jump: bool,
    /// }
    ///
    /// fn spawn(mut commands: Commands) {
    ///     commands.spawn(Agent::of::<View, Jump>("hare").with_frames(2).every(3));
    /// }
    /// # let mut app = App::new();
    /// # app.add_systems(Startup, spawn).update();
    /// ```
    pub fn of<V: AgentObservation, A: AgentAction>(behavior: impl Into<String>) -> TypedAgent<A> {
        let mut agent = Self::new(behavior, V::SIZE, 0).with_action(A::space());
        V::names("", &mut agent.observation_names);
        TypedAgent { agent, chosen: Chosen::default() }
    }
}

impl<A: AgentAction> From<TypedAgent<A>> for Agent {
    fn from(typed: TypedAgent<A>) -> Self {
        typed.agent
    }
}

impl<A: AgentAction> TypedAgent<A> {
    /// As [`Agent::with_frames`].
    #[must_use]
    pub fn with_frames(self, frames: usize) -> Self {
        self.map(|agent| agent.with_frames(frames))
    }

    /// As [`Agent::in_team`].
    #[must_use]
    pub fn in_team(self, team: impl Into<String>) -> Self {
        self.map(|agent| agent.in_team(team))
    }

    /// As [`Agent::every`].
    #[must_use]
    pub fn every(self, decisions: u32) -> Self {
        self.map(|agent| agent.every(decisions))
    }

    /// As [`Agent::staggered`].
    #[must_use]
    pub fn staggered(self, decisions: u32) -> Self {
        self.map(|agent| agent.staggered(decisions))
    }

    /// As [`Agent::on_demand`].
    #[must_use]
    pub fn on_demand(self) -> Self {
        self.map(Agent::on_demand)
    }

    /// As [`Agent::with_rays`].
    #[must_use]
    pub fn with_rays(self, sensor: &RaySensor) -> Self {
        self.map(|agent| agent.with_rays(sensor))
    }

    /// What the agent observes and what it can do.
    pub fn spec(&self) -> AgentSpec {
        self.agent.spec()
    }

    /// Changes the agent, for example with a method of [`Agent`] that this type does not have.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(Agent) -> Agent) -> Self {
        self.agent = change(self.agent);
        self
    }
}

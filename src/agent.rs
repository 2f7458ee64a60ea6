//! The components of an agent.

mod clock;
mod life;
mod mask;
mod observation;

pub(crate) use clock::Stagger;
pub use clock::{Clock, DecisionClock};
pub use life::{Life, LifeEnd};
pub use mask::ActionMask;
pub use observation::Observation;

use std::{ops::Deref, sync::Arc};

use bevy::{
    ecs::{lifecycle::HookContext, world::DeferredWorld},
    prelude::*,
};

use crate::policy::{ActionSpace, AgentSpec, ImageSpec, PolicySnapshot};

/// An entity that observes, acts and is rewarded.
///
/// Agents of the same `behavior` share one policy. Put the agent into an arena with
/// [`InArena`](crate::arena::InArena).
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn spawn(mut commands: Commands) {
///     let arena = commands.spawn(Arena::with_time_limit(200)).id();
///     // A guard observes 6 numbers and acts with 2. Its policy sees the last 3 observations.
///     commands.spawn((Agent::new("guard", 6, 2).with_frames(3), InArena::new(arena)));
/// }
/// # let mut app = App::new();
/// # app.add_systems(Startup, spawn).update();
/// ```
///
/// An agent can also choose: [`with_action`](Self::with_action) takes an [`ActionSpace`] with branches, and
/// [`Agent::of`] takes the game's own types.
#[derive(Component, Reflect, Debug, Clone, PartialEq, Eq)]
#[component(immutable, on_insert = fit_to_agent, on_remove = clear_action)]
#[reflect(Component)]
#[require(Observation, Action, Reward, Life, DecisionClock)]
pub struct Agent {
    /// Name of its behavior, which determines its policy.
    pub behavior: String,
    /// Numbers in one observation, including those that sensors write. [`Observation::write`] expects the others.
    pub observation_size: usize,
    /// How many of these numbers [sensors](crate::rays) write instead of the game. They are the last ones and are not normalized.
    pub sensed: usize,
    /// The image that an observation starts with, if there is one. Its `frames` are those of the agent.
    #[reflect(ignore)]
    pub image: Option<ImageSpec>,
    /// The names of the observed numbers; empty if they have none.
    pub observation_names: Vec<String>,
    /// What it can do: numbers, and branches in each of which it chooses. Reflection leaves it out, so a scene or a saved game cannot restore
    /// an agent: after loading, insert it anew.
    #[reflect(ignore)]
    pub action: ActionSpace,
    /// How many of the last observations its policy sees at once, oldest first. Those from before the start of the
    /// episode are zeros.
    pub frames: usize,
    /// Its team. If `None`, all agents of its behavior in the arena are its team. Central critics see the team-mates of an
    /// agent first; [`LearnerConfig::team_fate`](crate::learner::LearnerConfig::team_fate) lets it share their rewards.
    pub team: Option<String>,
    /// When it decides. Default: at each decision of the world.
    pub clock: Clock,
}

impl Agent {
    /// An agent that observes `observation_size` numbers and acts with `numbers` numbers.
    pub fn new(behavior: impl Into<String>, observation_size: usize, numbers: usize) -> Self {
        Self {
            behavior: behavior.into(),
            observation_size,
            sensed: 0,
            image: None,
            observation_names: Vec::new(),
            action: ActionSpace::of_numbers(numbers),
            frames: 1,
            team: None,
            clock: Clock::default(),
        }
    }

    /// Replaces what the agent can do.
    ///
    /// ```
    /// use bevy_maddpg::{policy::ActionSpace, prelude::*};
    ///
    /// // It turns by a number from -1 to 1, and chooses whether to jump.
    /// let action = ActionSpace::of_numbers(1).with_branch("jump", ["no", "yes"]);
    /// let agent = Agent::new("hare", 6, 0).with_action(action);
    /// assert_eq!(agent.action.size(), 3);
    /// ```
    #[must_use]
    pub fn with_action(mut self, action: ActionSpace) -> Self {
        self.action = action;
        self
    }

    /// Lets the agent decide only at every `decisions`-th decision of the world; between them it keeps its action. A boss
    /// can think once a second in a world where others decide ten times a second.
    #[must_use]
    pub fn every(mut self, decisions: u32) -> Self {
        self.clock = Clock::Every { decisions: decisions.max(1), phase: Some(0) };
        self
    }

    /// As [`every`](Self::every), but agents take turns, so that the decisions of a swarm are spread over time.
    #[must_use]
    pub fn staggered(mut self, decisions: u32) -> Self {
        self.clock = Clock::Every { decisions: decisions.max(1), phase: None };
        self
    }

    /// Lets the agent decide only when the game asks for it with [`DecisionClock::request`], and once at the start of each
    /// episode. For turn-based games, or for decisions that an event triggers.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.clock = Clock::OnDemand;
        self
    }

    /// Puts the agent into a team, for games in which several teams share one behavior.
    #[must_use]
    pub fn in_team(mut self, team: impl Into<String>) -> Self {
        self.team = Some(team.into());
        self
    }

    /// Makes the first numbers of the observation the pixels of an image, which the policy sees through convolutions
    /// ([`LearnerConfig::convolutions`](crate::learner::LearnerConfig::convolutions)). The game writes them as brightness from 0 to 1,
    /// channel by channel, each row by row from the top; other numbers may follow.
    ///
    /// ```
    /// use bevy_maddpg::{policy::ImageSpec, prelude::*};
    ///
    /// // It sees the last three frames of an image of 32 x 32 grey pixels, and knows its speed.
    /// let image = ImageSpec::grey(32, 32);
    /// let agent = Agent::new("eye", image.frame_size() + 1, 2).with_image(image).with_frames(3);
    /// assert_eq!(agent.spec().observation_size, 3 * (32 * 32 + 1));
    /// ```
    ///
    /// # Panics
    /// If the image has more numbers than an observation, or none.
    #[must_use]
    pub fn with_image(mut self, image: ImageSpec) -> Self {
        let (pixels, size) = (image.frame_size(), self.observation_size);
        assert!(
            (1..=size).contains(&pixels),
            "an observation of {size} numbers cannot start with an image of {pixels} numbers; expected 1 to {size}"
        );
        self.image = Some(image);
        self
    }

    /// Lets the policy see the last `frames` observations at once (frame stacking).
    #[must_use]
    pub fn with_frames(mut self, frames: usize) -> Self {
        self.frames = frames.max(1);
        self
    }
}

impl Agent {
    /// What its policy sees and what it can do.
    pub fn spec(&self) -> AgentSpec {
        let (size, frames) = (self.observation_size, self.frames.max(1));
        let of_frame = |frame: usize| (frame + 1) * size - self.sensed.min(size)..(frame + 1) * size;
        let raw = if self.sensed > 0 { (0..frames).map(of_frame).collect() } else { Vec::new() };
        AgentSpec {
            behavior: self.behavior.clone(),
            observation_size: size * frames,
            raw,
            observation_names: self.observation_names.clone(),
            image: self.image.map(|image| ImageSpec { frames, ..image }),
            action: self.action.clone(),
        }
    }
}

fn fit_to_agent(mut world: DeferredWorld, context: HookContext) {
    let Some(agent) = world.get::<Agent>(context.entity).cloned() else {
        return;
    };
    if let Some(mut observation) = world.get_mut::<Observation>(context.entity) {
        observation.fit(agent.observation_size, agent.sensed, agent.frames);
    }
    if let Some(mut action) = world.get_mut::<Action>(context.entity) {
        action.fit(agent.action.size());
    }
    let phase = match agent.clock {
        Clock::Every { phase: None, .. } => {
            world.get_resource_mut::<Stagger>().map_or(0, |mut stagger| stagger.next())
        }
        Clock::Every { phase: Some(phase), .. } => phase,
        Clock::OnDemand => 0,
    };
    if let Some(mut clock) = world.get_mut::<DecisionClock>(context.entity) {
        *clock = DecisionClock::new(agent.clock, phase);
    }
    let mut commands = world.commands();
    let mut entity = commands.entity(context.entity);
    if agent.action.branches().is_empty() {
        entity.try_remove::<ActionMask>();
    } else {
        entity.try_insert(ActionMask::new(agent.action));
    }
}

/// Somebody who is no longer an agent does nothing.
fn clear_action(mut world: DeferredWorld, context: HookContext) {
    if let Some(mut action) = world.get_mut::<Action>(context.entity) {
        action.clear();
    }
}

/// What the agent does until the next decision. The game reads and applies it in its own step.
///
/// It is a vector, laid out as its [`ActionSpace`] says: numbers from -1 to 1, then, for each branch, one number per choice,
/// which is 1 for the one that was made. [`Chosen`](crate::typed::Chosen) gives it as the game's own type. The action of an
/// agent that does nothing, for example because its part is over, is all zeros: no choice is made.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Action {
    numbers: Vec<f32>,
    is_made: bool,
}

impl Action {
    /// Whether this is what the agent decided, or what replaces it. If not, because the agent has yet to decide in this
    /// episode, because its part is over or because it has no policy, the action is all zeros.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// Replaces the action with one that was decided.
    pub(crate) fn set(&mut self, numbers: &[f32]) {
        self.numbers.copy_from_slice(numbers);
        self.is_made = true;
    }

    /// Undoes what was decided.
    pub(crate) fn clear(&mut self) {
        self.numbers.fill(0.0);
        self.is_made = false;
    }

    /// Makes room for an action of `size` numbers.
    fn fit(&mut self, size: usize) {
        *self = Self { numbers: vec![0.0; size], is_made: false };
    }
}

impl Deref for Action {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers
    }
}

/// What the agent earns. The game adds to it in its own step.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Reward {
    decision: f32,
    episode: f32,
    /// A number that was refused because it is not finite.
    pub(crate) refused: Option<f32>,
    /// The reward of the last decision, and for how many decisions it has been the same.
    last: f32,
    unchanged: u32,
}

impl Reward {
    /// Adds to the reward of the current decision: a finite number in any unit.
    ///
    /// A number that is not finite is refused and reported in [`Problems`](crate::problems::Problems).
    pub fn add(&mut self, reward: f32) {
        if reward.is_finite() {
            self.decision += reward;
            self.episode += reward;
        } else {
            self.refused = Some(reward);
        }
    }

    /// What was earned since the last decision.
    pub(crate) fn of_decision(&self) -> f32 {
        self.decision
    }

    /// Completes the reward of a decision and returns for how many decisions it has been the same.
    pub(crate) fn end_decision(&mut self) -> u32 {
        self.unchanged = if self.decision == self.last { self.unchanged.saturating_add(1) } else { 0 };
        self.last = self.decision;
        self.decision = 0.0;
        self.unchanged
    }

    /// Sets the rewards to zero for a new episode. The reward of the last decision of the old one counts as a change.
    pub(crate) fn begin(&mut self) {
        if self.decision != self.last {
            self.unchanged = 0;
        }
        (self.decision, self.episode) = (0.0, 0.0);
    }

    /// Undiscounted sum of the rewards in this episode.
    pub fn episode_return(&self) -> f32 {
        self.episode
    }
}

/// Marks an agent from whose experience its policy does not learn, for example because a script or an old policy always
/// decides for it. The other agents of its arena still learn, and take what it does as a part of the world.
#[derive(Component, Reflect, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[reflect(Component)]
pub struct Untrained;

/// Replaces the policy's actions with this vector, for example while a person or a script plays: finite numbers, which are
/// clamped to -1 to 1, and for each branch 1 for the choice that is made and 0 for the others. Remove the component to
/// return the agent to its policy.
///
/// A script that decides in the schedule [`Observe`](crate::rollout::Observe) has the run condition
/// [`agents_decide`](crate::rollout::agents_decide), so that it does not decide again whenever an episode ends.
///
/// It is read when the agent decides and holds until its next decision, as an action of its policy does. A key that is pressed for less than
/// that time may be missed, so keep the vector until it was read. An agent with a [`Clock`] of its own reads it at the next decision of the
/// world if you call [`DecisionClock::request`].
///
/// The learner still learns from what happens, because it is off-policy.
#[derive(Component, Reflect, Debug, Clone, PartialEq)]
#[reflect(Component)]
pub struct ActionOverride(pub Vec<f32>);

/// Makes one agent use the policy of its behavior from this snapshot instead of the newest one: for example one from
/// earlier in the training, or one for another level of difficulty. Remove the component to return the agent to the
/// newest policy.
///
/// The agent acts without exploration noise. In an arena that is trained, the learner still learns from what happens.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn spawn_two_guards(mut commands: Commands) -> Result {
///     let easy = Arc::new(PolicySnapshot::load("easy.safetensors")?);
///     let hard = Arc::new(PolicySnapshot::load("hard.safetensors")?);
///     commands.spawn((Agent::new("guard", 6, 2), PolicyOverride(easy)));
///     commands.spawn((Agent::new("guard", 6, 2), PolicyOverride(hard)));
///     Ok(())
/// }
/// # let mut app = App::new();
/// # app.add_systems(Startup, spawn_two_guards);
/// ```
#[derive(Component, Debug, Clone)]
#[component(immutable)]
pub struct PolicyOverride(pub Arc<PolicySnapshot>);

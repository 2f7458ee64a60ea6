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

/// An entity with this component observes, acts and is rewarded.
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
    /// How many numbers one observation has, including the `sensed` ones. The game writes the others with [`Observation::write`].
    pub observation_size: usize,
    /// How many of these numbers [ray sensors](crate::rays) write instead of the game. They are the last ones and are not normalized.
    pub sensed: usize,
    /// The image that an observation starts with, if there is one. Its own `frames` are ignored; those of the agent count.
    #[reflect(ignore)]
    pub image: Option<ImageSpec>,
    /// The names of the observed numbers; empty if they have none.
    pub observation_names: Vec<String>,
    /// What it can do: numbers, and branches in each of which it makes one choice. Reflection leaves this field out, so a scene or a
    /// saved game cannot restore an agent. After loading, insert the component again.
    #[reflect(ignore)]
    pub action: ActionSpace,
    /// How many of the last observations its policy sees at once, oldest first. Observations from before the start of the
    /// episode are zeros.
    pub frames: usize,
    /// Its team. If `None`, all agents of its behavior in the arena are its team. In the input of a central critic, the agent's
    /// team-mates come first. [`LearnerConfig::team_fate`](crate::learner::LearnerConfig::team_fate) lets it share their rewards.
    pub team: Option<String>,
    /// When it decides. Default: at each decision of the world, which is every `decision_period` steps.
    pub clock: Clock,
}

impl Agent {
    /// An agent that observes `observation_size` numbers and acts with `numbers` numbers from -1 to 1.
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

    /// Replaces the agent's action space, for example to let it make choices.
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

    /// Lets the agent decide only at every `decisions`-th decision of the world. In between, it keeps its action. For example, a
    /// boss can decide once a second in a world where others decide ten times a second.
    #[must_use]
    pub fn every(mut self, decisions: u32) -> Self {
        self.clock = Clock::Every { decisions: decisions.max(1), phase: Some(0) };
        self
    }

    /// As [`every`](Self::every), but the agents take turns. For example, this spreads the decisions of a swarm over time.
    #[must_use]
    pub fn staggered(mut self, decisions: u32) -> Self {
        self.clock = Clock::Every { decisions: decisions.max(1), phase: None };
        self
    }

    /// Lets the agent decide only when the game asks for a decision with [`DecisionClock::request`], and once at the start of each
    /// episode. Use it for turn-based games, or for decisions that an event triggers.
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

    /// Lets the observation start with the pixels of an image, which the policy processes with convolutional layers
    /// ([`LearnerConfig::convolutions`](crate::learner::LearnerConfig::convolutions)). The game writes them as brightness from 0 to 1:
    /// one channel after the other, and each channel row by row from the top. Other numbers may follow.
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
    /// If the image has more numbers than an observation, or no numbers at all.
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

/// Clears the action of an entity that is no longer an agent.
fn clear_action(mut world: DeferredWorld, context: HookContext) {
    if let Some(mut action) = world.get_mut::<Action>(context.entity) {
        action.clear();
    }
}

/// What the agent does until the next decision. The game reads and applies it in its own step.
///
/// An action is a vector, laid out as its [`ActionSpace`] says. First come the numbers from -1 to 1. Then, for each branch, comes
/// one number per choice: 1 for the choice that the agent made, and 0 for the others. [`Chosen`](crate::typed::Chosen) gives the
/// action as the game's own type. If an agent does nothing, for example because it is dead, its action is all zeros and it has
/// made no choice.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Action {
    numbers: Vec<f32>,
    is_made: bool,
}

impl Action {
    /// Whether this action was decided, by the agent's policy or by an [`ActionOverride`]. If not, it is all zeros: the agent has
    /// not decided yet in this episode, its part in the episode is over, or it has no policy.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// Replaces the action with one that was decided.
    pub(crate) fn set(&mut self, numbers: &[f32]) {
        self.numbers.copy_from_slice(numbers);
        self.is_made = true;
    }

    /// Sets the action to that of an agent that does nothing.
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
    /// The reward of the last decision.
    last: f32,
    unchanged: u32,
}

impl Reward {
    /// Adds a finite number, in any unit, to the reward of the current decision.
    ///
    /// If the number is not finite, it is ignored and reported in [`Problems`](crate::problems::Problems).
    pub fn add(&mut self, reward: f32) {
        if reward.is_finite() {
            self.decision += reward;
            self.episode += reward;
        } else {
            self.refused = Some(reward);
        }
    }

    /// The sum of the rewards since the last decision.
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

/// Keeps the policy from learning from this agent's experience, for example because a script or an old policy always decides
/// for the agent. The other agents of its arena still learn; for them, the agent is a part of the world.
#[derive(Component, Reflect, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[reflect(Component)]
pub struct Untrained;

/// Replaces the policy's actions with this vector, for example while a person or a script plays. The vector has the layout of an
/// [`Action`]: finite numbers, which are clamped to -1 to 1, and for each branch 1 for the choice that is made and 0 for the
/// others. Remove the component to return the agent to its policy.
///
/// If a script decides in the schedule [`Observe`](crate::rollout::Observe), give its system the run condition
/// [`agents_decide`](crate::rollout::agents_decide). Otherwise, it would decide again whenever an episode ends.
///
/// The agent reads the vector when it decides, and acts by it until its next decision. If a key is pressed only between two
/// decisions, the agent misses it, so keep the vector until the next decision. For an agent with a [`Clock`] of its own, call
/// [`DecisionClock::request`]; it then reads the vector at the next decision of the world.
///
/// The learner learns from these actions, too, because it is off-policy.
#[derive(Component, Reflect, Debug, Clone, PartialEq)]
#[reflect(Component)]
pub struct ActionOverride(pub Vec<f32>);

/// Makes one agent use a policy from this snapshot instead of the newest policy of its behavior, for example a policy from
/// earlier in the training, or one for another level of difficulty. Remove the component to return the agent to the newest
/// policy.
///
/// The agent acts without exploration noise. During training, the learner still learns from its experience.
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

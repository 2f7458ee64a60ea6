use bevy::{ecs::system::SystemParam, prelude::*};

use crate::{parameters::Parameters, rollout::RolloutClock};

/// The state of an arena's episode. The game ends the episode with [`terminate`](Self::terminate) or
/// [`truncate`](Self::truncate).
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// /// An agent that catches the target at the center is rewarded, and the episode ends.
/// fn catch(mut episodes: Query<&mut Episode>, mut agents: Query<(&InArena, &Transform, &mut Reward)>) {
///     for (in_arena, transform, mut reward) in &mut agents {
///         if transform.translation.length() < 1.0 {
///             reward.add(1.0);
///             if let Ok(mut episode) = episodes.get_mut(in_arena.arena) {
///                 episode.terminate();
///             }
///         }
///     }
/// }
/// # bevy::ecs::system::assert_is_system(catch);
/// ```
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Episode {
    status: EpisodeStatus,
    pub(crate) decisions: u32,
    /// Decisions of the world since its first decision.
    pub(crate) elapsed: u32,
    pub(crate) number: u64,
    pub(crate) exploration_scale: f32,
    /// Whether its end has been recorded, and [`EpisodeEnded`] was sent.
    #[reflect(ignore)]
    pub(crate) is_finished: bool,
}

/// Whether an episode is running, and how it ended.
#[derive(Reflect, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpisodeStatus {
    /// The arena has not been reset yet.
    #[default]
    New,
    /// The agents play.
    Running,
    /// The rules of the game ended it. No reward can follow, so the learner expects none.
    Terminated,
    /// It was cut off, for example by a time limit. The learner estimates the rewards that would have followed.
    Truncated,
}

impl Episode {
    /// Ends the episode by the rules of the game, for example at a fault, a goal or a death. No effect if it is not running.
    pub fn terminate(&mut self) {
        if self.status == EpisodeStatus::Running {
            self.status = EpisodeStatus::Terminated;
        }
    }

    /// Cuts the episode off for a reason that is not part of the game, such as a time limit. No effect if it is not running.
    pub fn truncate(&mut self) {
        if self.status == EpisodeStatus::Running {
            self.status = EpisodeStatus::Truncated;
        }
    }

    /// Whether the episode is running, and how it ended.
    pub fn status(&self) -> EpisodeStatus {
        self.status
    }

    /// Whether the episode is running, so that the agents play.
    pub fn is_running(&self) -> bool {
        self.status == EpisodeStatus::Running
    }

    /// Whether the game must set the arena up for a new episode. In the schedule [`Reset`](crate::rollout::Reset), this is true
    /// for arenas that are new and for arenas whose episode has ended; see [`ArenasToReset`].
    pub fn needs_reset(&self) -> bool {
        // An episode that ends while arenas are being reset must be recorded first. Its arena is reset after that.
        self.status == EpisodeStatus::New || (self.has_ended() && self.is_finished)
    }

    /// Whether the episode has ended and its arena has not been reset yet.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, EpisodeStatus::Terminated | EpisodeStatus::Truncated)
    }

    /// Number of decisions made in this episode.
    pub fn decisions(&self) -> u32 {
        self.decisions
    }

    /// Number of episodes that this arena has finished. Episodes without a decision do not count.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Scale of the exploration noise in this episode; 0 means no noise.
    pub fn exploration_scale(&self) -> f32 {
        self.exploration_scale
    }

    /// Starts the next episode.
    pub(crate) fn begin(&mut self, exploration_scale: f32) {
        if self.decisions > 0 {
            self.number += 1;
        }
        self.status = EpisodeStatus::Running;
        (self.decisions, self.elapsed, self.is_finished) = (0, 0, false);
        self.exploration_scale = exploration_scale;
    }
}

/// The arenas that the game must set up for a new episode. Use this parameter in systems in the schedule
/// [`Reset`](crate::rollout::Reset).
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn place(resets: ArenasToReset, mut agents: Query<(&InArena, &mut Transform)>) {
///     for (in_arena, mut transform) in &mut agents {
///         if resets.contains(in_arena.arena) {
///             *transform = Transform::IDENTITY;
///         }
///     }
/// }
/// # let mut app = App::new();
/// # app.add_plugins(RolloutPlugin::default()).add_systems(Reset, place);
/// ```
#[derive(SystemParam, Debug)]
pub struct ArenasToReset<'w, 's> {
    episodes: Query<'w, 's, (Entity, &'static Episode)>,
}

impl ArenasToReset<'_, '_> {
    /// Whether this arena must be set up.
    pub fn contains(&self, arena: Entity) -> bool {
        self.episodes.get(arena).is_ok_and(|(_, episode)| episode.needs_reset())
    }

    /// All arenas that must be set up.
    pub fn iter(&self) -> impl Iterator<Item = Entity> {
        self.episodes.iter().filter(|(_, episode)| episode.needs_reset()).map(|(arena, _)| arena)
    }
}

/// The arenas whose agents are observed now: at a decision, all arenas; when episodes have ended, the arenas of these episodes. Use this
/// parameter in systems in the schedule [`Observe`](crate::rollout::Observe) to skip the other arenas if observations take long to
/// compute. Observations and rewards that such a system writes for other arenas have no effect.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn sense(observed: ArenasToObserve, mut agents: Query<(&InArena, &Transform, &mut Observation)>) {
///     for (_, transform, mut observation) in agents.iter_mut().filter(|(in_arena, ..)| observed.contains(in_arena.arena)) {
///         observation.write(&transform.translation.to_array());
///     }
/// }
/// # let mut app = App::new();
/// # app.add_plugins(RolloutPlugin::default()).add_systems(Observe, sense);
/// ```
#[derive(SystemParam, Debug)]
pub struct ArenasToObserve<'w, 's> {
    clock: Res<'w, RolloutClock>,
    episodes: Query<'w, 's, &'static Episode>,
}

impl ArenasToObserve<'_, '_> {
    /// Whether the agents of this arena are observed now.
    pub fn contains(&self, arena: Entity) -> bool {
        self.clock.is_deciding() || self.episodes.get(arena).is_ok_and(Episode::has_ended)
    }
}

/// What a game measures in an episode in addition to returns, such as goals, touches or distances. Insert this component on the
/// entity with the [`Arena`](super::Arena) and update it in the game's own step. Each [`EpisodeEnded`] contains a copy. At a reset,
/// all values become 0 before the game sets the arena up.
///
/// ```
/// use bevy_maddpg::prelude::*;
///
/// let mut measures = Measures::new(["goals", "seconds"]);
/// measures.add("goals", 1.0);
/// measures.set("seconds", 12.5);
/// assert_eq!((measures.get("goals"), measures.get("touches")), (Some(1.0), None));
/// ```
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Measures(Vec<(String, f32)>);

impl Measures {
    /// Measures with these names. All values are 0.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(|name| (name.into(), 0.0)).collect())
    }

    /// The value of the measure with this name; `None` if there is no such measure.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a measure. If there is no measure of this name, adds it.
    pub fn set(&mut self, name: &str, value: f32) {
        *self.value_mut(name) = value;
    }

    /// Adds to the value of a measure. If there is no measure of this name, it starts at 0.
    pub fn add(&mut self, name: &str, value: f32) {
        *self.value_mut(name) += value;
    }

    fn value_mut(&mut self, name: &str) -> &mut f32 {
        let index = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.into(), 0.0));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The values, in the order of the names.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

/// Tells that an episode has ended and that its arena is about to be reset.
///
/// Systems that read all episodes get it as a message. Observers of the arena get it as an event:
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// fn celebrate(episode: On<EpisodeEnded>) {
///     println!("the episode in {} ended with the returns {:?}", episode.arena, episode.returns);
/// }
///
/// fn spawn(mut commands: Commands) {
///     commands.spawn(Arena::with_time_limit(100)).observe(celebrate);
/// }
/// # let mut app = App::new();
/// # app.add_systems(Startup, spawn).update();
/// ```
#[derive(Message, EntityEvent, Reflect, Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EpisodeEnded {
    /// The arena.
    #[event_target]
    pub arena: Entity,
    /// The arena's index among all arenas, in the order of their entities.
    pub index: usize,
    /// The kind of the arena.
    pub kind: String,
    /// The undiscounted return of each slot. If several agents have played in a slot one after another, it is the sum of their
    /// rewards; 0 if none has played.
    pub returns: Vec<f32>,
    /// For each slot, whether an agent has played in it.
    pub played: Vec<bool>,
    /// Number of decisions in the episode.
    pub decisions: u32,
    /// Whether the episode was cut off rather than ended by the rules of the game.
    pub truncated: bool,
    /// Scale of the exploration noise in the episode.
    pub exploration_scale: f32,
    /// What the game measured in the episode.
    pub measures: Measures,
    /// The parameters that were drawn for the episode; empty without
    /// [`ParametersPlugin`](crate::parameters::ParametersPlugin).
    pub parameters: Parameters,
}

impl EpisodeEnded {
    /// An episode of `arena` in which agents have played in all slots, with these returns. All other fields are zero or empty. Use it to
    /// test systems that read episodes.
    pub fn new(arena: Entity, returns: Vec<f32>) -> Self {
        Self {
            arena,
            index: 0,
            kind: String::new(),
            played: vec![true; returns.len()],
            returns,
            decisions: 0,
            truncated: false,
            exploration_scale: 0.0,
            measures: Measures::default(),
            parameters: Parameters::default(),
        }
    }

    /// The mean return of the slots in which an agent has played; 0 if there is none.
    pub fn mean_return(&self) -> f32 {
        let played = self.returns.iter().zip(&self.played).filter(|(_, played)| **played);
        let (sum, count) = played.fold((0.0, 0), |(sum, count), (value, _)| (sum + value, count + 1));
        sum / count.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_of_an_episode_counts() {
        let mut episode = Episode::default();
        episode.terminate();
        assert_eq!(episode.status(), EpisodeStatus::New, "an episode that has not begun cannot end");
        episode.begin(0.1);
        episode.decisions = 3;
        episode.truncate();
        episode.terminate();
        assert_eq!(episode.status(), EpisodeStatus::Truncated);
        episode.begin(0.2);
        assert_eq!((episode.number(), episode.is_running()), (1, true));
    }

    #[test]
    fn arenas_to_reset_are_those_that_are_new_or_have_ended() {
        let mut world = World::new();
        let mut running = Episode::default();
        running.begin(0.0);
        let mut ended = running.clone();
        ended.truncate();
        let mut finished = ended.clone();
        finished.is_finished = true;
        let [new, running, ended, finished] =
            [Episode::default(), running, ended, finished].map(|episode| world.spawn(episode).id());
        let mut state = bevy::ecs::system::SystemState::<ArenasToReset>::new(&mut world);
        let resets = state.get(&world).unwrap();
        assert_eq!(resets.iter().collect::<Vec<_>>(), [new, finished]);
        assert!(resets.contains(new) && !resets.contains(running) && resets.contains(finished));
        assert!(!resets.contains(ended), "its end has yet to be recorded");
    }
}

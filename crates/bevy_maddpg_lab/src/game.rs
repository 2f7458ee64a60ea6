//! The description of a game.

use std::collections::BTreeMap;

use bevy::{app::App, ecs::component::Component};
use bevy_maddpg::{
    arena::EpisodeEnded, headless, learner::TrainingConfig, parameters::Parameter, plugin::MaddpgPlugins,
    policy::ArenaSpec, self_play::RivalKind,
};

/// A game that can be trained, evaluated and watched.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::{
///     policy::{AgentSpec, ArenaSpec},
///     prelude::*,
/// };
/// use bevy_maddpg_lab::game::{Game, Setup};
///
/// /// One agent walks on a line and should stay near zero.
/// struct Walk;
///
/// #[derive(Component, Default)]
/// struct Position(f32);
///
/// impl Game for Walk {
///     fn name(&self) -> &str {
///         "walk"
///     }
///
///     fn spec(&self) -> ArenaSpec {
///         ArenaSpec::new(vec![AgentSpec::new("walker", 1, 1)])
///     }
///
///     fn add(&self, app: &mut App, setup: &Setup) {
///         let arenas = setup.arenas;
///         app.add_systems(Startup, move |mut commands: Commands| {
///             for _ in 0..arenas {
///                 let arena = commands.spawn(Arena::with_time_limit(50)).id();
///                 commands.spawn((Agent::new("walker", 1, 1), InArena::new(arena), Position::default()));
///             }
///         })
///         .add_systems(Reset, |resets: ArenasToReset, mut agents: Query<(&InArena, &mut Position)>| {
///             for (_, mut position) in agents.iter_mut().filter(|(in_arena, _)| resets.contains(in_arena.arena)) {
///                 position.0 = 1.0;
///             }
///         })
///         .add_systems(Observe, |mut agents: Query<(&Position, &mut Observation)>| {
///             agents.iter_mut().for_each(|(position, mut observation)| observation.write(&[position.0]));
///         })
///         .add_systems(FixedUpdate, |mut agents: Query<(&Action, &mut Position, &mut Reward)>| {
///             for (action, mut position, mut reward) in &mut agents {
///                 position.0 += 0.1 * action[0];
///                 reward.add(-position.0.abs());
///             }
///         });
///     }
/// }
///
/// let evaluation = bevy_maddpg_lab::experiment::evaluate_random(&Walk, 20, 0, || false);
/// assert_eq!(evaluation.map(|evaluation| evaluation.episodes), Some(20));
/// ```
pub trait Game: Send + Sync {
    /// The short name, for output folders and the summary.
    fn name(&self) -> &str;

    /// The agents of an arena, by slot.
    fn spec(&self) -> ArenaSpec;

    /// Adds the game to an app: its arenas, its rules, its physics.
    fn add(&self, app: &mut App, setup: &Setup);

    /// How the game was set up, each setting by the name of the option that sets it, with the empty text for an option without a value. A
    /// run that is resumed must have the same. Default: nothing.
    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The [parameters](bevy_maddpg::parameters) that can be drawn for each episode. The game reads them from the component
    /// [`Parameters`](bevy_maddpg::parameters::Parameters) of the arena in its `Reset` systems. Default: none.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// Adds the systems and entities that draw the game in a window. Default: nothing.
    fn add_scene(&self, app: &mut App, setup: &Setup) {
        let _ = (app, setup);
    }

    /// The heading of the window's dashboard. Default: the name.
    fn title(&self) -> String {
        self.name().into()
    }

    /// The score of an episode, for example by its returns or its measures. Default: the mean return of the agents that have played.
    fn score(&self, episode: &EpisodeEnded) -> f32 {
        episode.mean_return()
    }

    /// The mean score over 100 episodes at which the game counts as solved. Default: none.
    fn solved(&self) -> Option<f32> {
        None
    }

    /// The scores of random actions and of a good player, such as a planner or a script, which become 0 and 1 in
    /// [`Evaluation::normalized`](crate::experiment::Evaluation::normalized). Default: none.
    fn yardstick(&self) -> Option<[f32; 2]> {
        None
    }

    /// Steps from one decision to the next. Default: 5.
    fn decision_period(&self) -> u32 {
        5
    }

    /// Arenas that play at once, unless another number is requested. Default: 64.
    fn arenas(&self) -> usize {
        64
    }

    /// Episodes of each arena that evaluations leave out, because the first ones differ from those that follow. Default: 0.
    fn warm_up_episodes(&self) -> usize {
        0
    }

    /// Episodes in each of the up to three rounds of the play-off that chooses the result of a run among its best policies, shared by the
    /// policies that are left. Many episodes find rare failures: with 1,024, the winner of six policies has played 1,023, and a policy that
    /// plays one episode in 200 badly has a probability of 0.006 that none of these was bad. Fewer are enough where the scores of a
    /// policy's episodes are close to each other; since each policy plays at least 64 in the first round, fewer policies take part then.
    /// Default: 1,024.
    fn play_off_episodes(&self) -> u32 {
        1_024
    }

    /// Adapts the default preset to this game, for example its discount factor. Other presets are not changed. Default:
    /// no change.
    fn adapt(&self, config: &mut TrainingConfig) {
        let _ = config;
    }

    /// The game in which policies are evaluated, if it differs from the one in which they are trained, for example because a script
    /// plays one of the teams. Default: none, it is the same.
    fn in_evaluation(&self) -> Option<Box<dyn Game>> {
        None
    }

    /// Fixed opponents by which the policies of self-play are rated, weakest first; the best one becomes the result of the run. The rating of
    /// the first opponent is 1000. With opponents but without [`SelfPlayPlugin`](bevy_maddpg::self_play::SelfPlayPlugin), the result is the
    /// last policy. Default: none, then the result is the policy that scored best without exploration, or the last one if the game is not
    /// [ranked by score](Self::is_ranked_by_score).
    fn rivals(&self) -> Vec<(String, RivalKind)> {
        Vec::new()
    }

    /// The game as it is played against a rival: one of [`rivals`](Self::rivals) or a policy. The sides alternate. Its episodes must have the
    /// measures `wins`, `draws` and `losses` (1 for what the game ended with), `goals_for`, `goals_against` and `seconds`. Default: none.
    fn against(&self, name: &str, rival: &RivalKind) -> Option<Box<dyn Game>> {
        let _ = (name, rival);
        None
    }

    /// Whether a policy with a higher score plays better, so that the result of a run is the policy that scored best. Not so where
    /// agents play against each other: the loss of one side is the gain of the other. Default: true.
    fn is_ranked_by_score(&self) -> bool {
        true
    }

    /// The sides that a person can take in the window, by name. Default: none.
    fn sides(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Settings with which a game is added to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Arenas to spawn. Default: 64.
    pub arenas: usize,
    /// Seed of the game's own randomness. Default: 0.
    pub seed: u64,
    /// The side that a person takes from the start: an index into [`Game::sides`]. Default: none.
    pub human: Option<usize>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { arenas: 64, seed: 0, human: None }
    }
}

/// Marks an agent that the game plays by a script, through an
/// [`ActionOverride`](bevy_maddpg::agent::ActionOverride). Its episodes count in the
/// [statistics](crate::statistics), unlike those of an agent that a person plays.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scripted;

/// Marks an agent that a person plays, through an [`ActionOverride`](bevy_maddpg::agent::ActionOverride). Scripts leave it alone.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayedByPerson;

/// A headless app in which agents play a game with these plugins. Each update is one decision of all arenas. Add
/// anything else that is needed, then call [`headless::start`].
pub fn headless_app(game: &dyn Game, plugins: MaddpgPlugins, setup: &Setup) -> App {
    let mut app = headless::app(game.decision_period());
    add_game(&mut app, game, plugins, setup);
    app
}

/// Adds a game and the plugins of its agents to an app.
pub(crate) fn add_game(app: &mut App, game: &dyn Game, plugins: MaddpgPlugins, setup: &Setup) {
    app.add_plugins(plugins.with_decision_period(game.decision_period()));
    game.add(app, setup);
}

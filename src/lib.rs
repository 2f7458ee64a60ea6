//! Agents that learn **inside the game**: multi-agent deep reinforcement learning for [Bevy](https://bevy.org).
//!
//! An agent is an entity with an [`Observation`](agent::Observation), an [`Action`](agent::Action) and a
//! [`Reward`](agent::Reward). It plays in an [`Arena`](arena::Arena), alone or with others. A learner on its own thread
//! trains policies from the agents' experience, and the running game switches to the newest policies.
//!
//! # Quick start
//!
//! Twenty walkers on a line learn to stand at zero:
//!
//! ```
//! # #[cfg(feature = "learner")] {
//! use bevy::prelude::*;
//! use bevy_maddpg::prelude::*;
//!
//! #[derive(Component, Default)]
//! struct Position(f32);
//!
//! let mut app = bevy_maddpg::headless::app(5); // or App::new() with DefaultPlugins
//! app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()))
//!     .add_systems(Startup, spawn)
//!     .add_systems(Reset, place)
//!     .add_systems(Observe, sense)
//!     .add_systems(FixedUpdate, (walk, judge).chain());
//! bevy_maddpg::headless::start(&mut app); // or app.run()
//! app.update();
//! assert_eq!(app.world().resource::<RolloutClock>().decisions, 20);
//!
//! fn spawn(mut commands: Commands) {
//!     for _ in 0..20 {
//!         let arena = commands.spawn(Arena::with_time_limit(50)).id(); // decisions
//!         commands.spawn((Agent::new("walker", 1, 1), InArena::new(arena), Position::default()));
//!     }
//! }
//!
//! fn place(resets: ArenasToReset, mut walkers: Query<(&InArena, &mut Position)>) {
//!     for (in_arena, mut position) in &mut walkers {
//!         if resets.contains(in_arena.arena) {
//!             position.0 = 1.0;
//!         }
//!     }
//! }
//!
//! fn sense(mut walkers: Query<(&Position, &mut Observation)>) {
//!     for (position, mut observation) in &mut walkers {
//!         observation.write(&[position.0]);
//!     }
//! }
//!
//! fn walk(mut walkers: Query<(&Action, &mut Position)>) {
//!     for (action, mut position) in &mut walkers {
//!         position.0 += 0.1 * action[0];
//!     }
//! }
//!
//! fn judge(mut walkers: Query<(&Position, &mut Reward)>) {
//!     for (position, mut reward) in &mut walkers {
//!         reward.add(-position.0.abs());
//!     }
//! }
//! # }
//! ```
//!
//! To ship the trained policies, add [`MaddpgPlugins::play`](plugin::MaddpgPlugins::play) with a
//! [`PolicySnapshot`](policy::PolicySnapshot) instead of `train`, and build without the feature `learner`. The rest of
//! the game stays as it is. [The guide](guide#the-shipped-game) says what to check.
//!
//! # Concepts
//!
//! In the order in which data flows:
//!
//! **Arena and agents.** An [`Arena`](arena::Arena) is an entity. Its agents point to it with
//! [`InArena`](arena::InArena). Each agent takes a *slot*, which is its index in the arena's joint vectors. An agent acts if
//! there is a policy for its behavior; agents with the same behavior name share a policy. One query of a policy computes the
//! actions for all arenas, so the query costs little more for many arenas than for one. Arenas in which the same behaviors
//! play are of the same [`Kind`](rollout::Kind), and each kind has its own learner.
//!
//! **Coming and going.** Agents can join, leave, die, be despawned, disabled or moved at any time, and slots may be empty.
//! [`Life::terminate`](agent::Life::terminate) ends the episode for one agent, while the others in its arena play on.
//!
//! **Step and decision.** At every step of the game, this crate first lets the agents decide, then the game takes its step,
//! and then this crate ends episodes. By default, a step of the game is one of Bevy's fixed steps, so the game's systems and
//! its physics can be in any of Bevy's fixed schedules. A game whose logic is in [`Update`](bevy::app::Update) sets
//! [`StepTiming::Frame`](rollout::StepTiming). The agents decide every `decision_period` steps, 5 by default. Between
//! decisions, each agent keeps its action, and its rewards are added up. A *joint decision* is one decision of all agents of
//! one arena.
//!
//! **Observation.** The game writes each agent's observation in the schedule [`Observe`](rollout::Observe). It consists of
//! finite numbers in any unit, since the learner normalizes them. With [`Agent::with_frames`](agent::Agent::with_frames), the
//! policy sees the last few observations at once.
//!
//! **Action.** An action consists of numbers from -1 to 1, of choices, or of both. The policy chooses it, and during training
//! [`exploration`] varies it. With an [`ActionMask`](agent::ActionMask), the game forbids choices that are not possible. The
//! game reads and applies the action in its own step, as a vector or, with the module [`typed`], as its own type.
//!
//! **Reward and episode.** The game adds rewards and ends episodes in its own step.
//! [`Episode::terminate`](arena::Episode::terminate) means that no reward can follow.
//! [`Episode::truncate`](arena::Episode::truncate) and time limits only cut the episode off: the learner estimates the
//! rewards that would have followed. When an episode has ended, the agents of its arena are observed once more. Then the game
//! sets the arena up again in the schedule [`Reset`](rollout::Reset).
//!
//! **Parameters and lessons.** Before `Reset`, each arena can draw [parameters] of the game at random, such as gravity, so that
//! policies learn to play with all their values. Lessons make the game harder as the agents get better.
//!
//! **Learner.** [`Learner`](learner::Learner) stores joint transitions in a replay buffer and updates all policies with
//! MADDPG and the improvements of TD3. Every setting is a field of [`TrainingConfig`](learner::TrainingConfig). The
//! learner runs on its own thread; [`Pace`](learner::Pace) sets whether the game and the learner wait for each other.
//!
//! **Policy.** A [`PolicySnapshot`](policy::PolicySnapshot) holds the policies of all agents. It is immutable and is
//! saved as one `.safetensors` file. The resource [`ActingPolicy`](rollout::ActingPolicy) contains the policies in use,
//! which the game can replace at any time.
//!
//! **Saving.** With [`with_autosave`](training::TrainingPlugin::autosave), the game saves policies and checkpoints while it runs, and
//! continues the training at the next start.
//!
//! # The order of a step
//!
//! | schedule | whose systems | what happens |
//! |---|---|---|
//! | [`StepStart`](rollout::StepStart) | this crate | at a decision: [`Observe`](rollout::Observe) runs, transitions are completed and sent to the learner, policies are queried |
//! | Bevy's schedules, such as [`FixedUpdate`](bevy::app::FixedUpdate) | game and physics | actions are applied, the world moves on, rewards are added, episodes end |
//! | [`StepEnd`](rollout::StepEnd) | this crate | time limits apply; if episodes have ended, [`Observe`](rollout::Observe) runs, their ends are recorded, and [`Reset`](rollout::Reset) runs |
//!
//! This crate adds the schedules `StepStart`, `StepEnd`, `Observe` and `Reset`. For agents whose actions have one of the game's own
//! types, it also adds [`Decode`](typed::Decode), which runs at the end of a decision. All of them run on one thread. The executor of
//! every other schedule stays as it is.
//!
//! The page [Adding agents to an existing game](guide) shows how to add agents to games that run in
//! [`Update`](bevy::app::Update), use bevy_rapier or avian, or have menus, deaths or turns.
//!
//! # Components, resources and messages
//!
//! | item | on or in | purpose |
//! |---|---|---|
//! | [`Agent`](agent::Agent) | agent | behavior, sizes, frames, team, clock; requires observation, action, reward, clock and life |
//! | [`Observation`](agent::Observation), [`Action`](agent::Action), [`Reward`](agent::Reward) | agent | what it senses, does and earns |
//! | [`ActionMask`](agent::ActionMask) | agent with branches | which choices are possible |
//! | [`Chosen`](typed::Chosen) | agent made by [`Agent::of`](agent::Agent::of) | what it does, as the game's own type |
//! | [`DecisionClock`](agent::DecisionClock) | agent | when it decides; the game can request a decision |
//! | [`Life`](agent::Life) | agent | whether it takes part in the episode |
//! | [`Untrained`](agent::Untrained) | agent | its policy does not learn from its experience |
//! | [`ActionOverride`](agent::ActionOverride) | agent | a person or a script decides instead of the policy |
//! | [`PolicyOverride`](agent::PolicyOverride) | agent | it uses this policy instead of the newest one of its behavior |
//! | [`InArena`](arena::InArena) | agent | its arena |
//! | [`Arena`](arena::Arena), [`Episode`](arena::Episode) | arena | time limit; the state of the episode |
//! | [`Measures`](arena::Measures) | arena | what the game measures in addition to rewards |
//! | [`Parameters`](parameters::Parameters) | arena | the values of the game's [parameters] in this episode |
//! | [`NoExploration`](arena::NoExploration) | arena | its agents do not explore, for example to measure how well they play |
//! | [`RaySensor`](rays::RaySensor), [`RayPose`](rays::RayPose) | agent | what it senses by [rays], and from where |
//! | [`Detectable`](rays::Detectable) | any entity | as what rays sense it (its class) |
//! | [`Visitors`](self_play::Visitors) | arena | in [self-play](self_play), the rival that plays one of the teams |
//! | [`PlayedBy`](self_play::PlayedBy) | agent | in [self-play](self_play), the script that plays it |
//! | [`ArenasToReset`](arena::ArenasToReset) | system parameter | the arenas that the game must set up |
//! | [`ActingPolicy`](rollout::ActingPolicy) | resource | the policies in use |
//! | [`Exploration`](rollout::Exploration) | resource | the exploration noise, on or off |
//! | [`Problems`](problems::Problems) | resource | problems with the setup, each reported once |
//! | [`Training`](training::Training) | resource | the running learners: checkpoints, failures |
//! | [`EpisodeEnded`](arena::EpisodeEnded) | message, and event on the arena | an episode has ended |
//! | [`LessonStarted`](parameters::LessonStarted) | event | the next lesson of a [curriculum](parameters) has started |
//! | [`LearnerReport`](training::LearnerReport) | message | losses, Q values and more, every 100 updates |
//! | [`diagnostics`] | Bevy diagnostics | decisions per second, updates per second, waits, dropped transitions |
//!
//! Most components implement [`Reflect`](bevy::reflect::Reflect), so inspectors, scenes and the remote protocol show them. `Chosen`,
//! `PolicyOverride`, `Visitors` and `PlayedBy` do not. Reflection leaves out the image and the action space of an
//! [`Agent`](agent::Agent), so insert the component again after you have loaded a scene or a saved game.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `learner` | yes | training; without it, agents can only use trained policies |
//! | `asset` | no | policies as Bevy [assets](asset), which reload when their file changes |
//! | `onnx` | no | policies as ONNX models for other engines |
//! | `cuda`, `metal` | no | training on the GPU; [`DeviceChoice`](learner::DeviceChoice) sets when it is used |
//!
//! The crate `bevy_maddpg_lab` contains ready-made games, a training window and a training program.
//!
//! # Determinism
//!
//! The simulation takes the same fixed steps at every speed, in a window and headless. Every random number comes from a
//! stream that is seeded with the run's seed and the stream's purpose. In [lockstep](learner::Pace::Lockstep), the same
//! seed and binary give the same policy file on CPUs with the same vector instructions, bit for bit. With the other paces,
//! results also depend on the learner's timing, which differs from run to run.
//!
//! # Troubleshooting
//!
//! - *Agents learn nothing, and the saturation (share of `|a| > 0.95`) is near 1*: raise `action_penalty`. If
//!   `normalize_values` is off, the rewards may be too large: lower `reward_scale`.
//! - *Agents come close but stay imprecise*: lower `gamma`, so that agents look ahead only as far as their actions matter;
//!   raise `target_noise`, which smooths the Q function that the actors maximize; or use wider critics.
//! - *Q values grow without bound*: maybe the game ends episodes without [`terminate`](arena::Episode::terminate), or it adds
//!   a reward at every step and these rewards add up. Lower `gamma`.
//! - *The score stays where it started*: check whether any episode earns a reward by chance. If none does, reward
//!   progress toward the goal, or explore more (`exploration.scale`).
//! - *A physics body ignores its reset*: set both position and velocity, and give the body neither a parent nor
//!   children.
//! - *The learner failed*: [`Training::failure`](training::Training::failure) and the log say why. The game goes on
//!   with the last good policy, or with the one that was [saved](training::Autosave) last.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod agent;
pub mod arena;
#[cfg(feature = "asset")]
#[cfg_attr(docsrs, doc(cfg(feature = "asset")))]
pub mod asset;
pub mod diagnostics;
#[doc = include_str!("../docs/adding-agents.md")]
pub mod guide {}
pub mod headless;
pub mod parameters;
pub mod plugin;
pub mod prelude;
pub mod problems;
pub mod rays;
pub mod rollout;
pub mod score;
pub mod self_play;
#[cfg(feature = "learner")]
#[cfg_attr(docsrs, doc(cfg(feature = "learner")))]
pub mod training;
pub mod typed;

#[cfg(feature = "learner")]
#[cfg_attr(docsrs, doc(cfg(feature = "learner")))]
pub use maddpg::learner;
pub use maddpg::{FileError, FolderLock, exploration, policy, random, transition, write_atomically};

/// Compiles the README's code together with the documentation's.
#[cfg(all(doctest, feature = "learner"))]
#[doc = include_str!("../README.md")]
struct Readme;

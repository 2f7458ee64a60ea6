//! Agents that learn **inside the game**: multi-agent DDPG for [Bevy](https://bevy.org), in one process and one
//! language.
//!
//! An agent is an entity with an [`Observation`](agent::Observation), an [`Action`](agent::Action) and a
//! [`Reward`](agent::Reward). It plays in an [`Arena`](arena::Arena), with others or alone; a learner on a thread of its
//! own makes policies of what is experienced, and the weights that act are swapped while the game runs.
//!
//! # Quick start
//!
//! Twenty walkers on a line learn to stand at zero:
//!
//! ```
//! # #[cfg(all(feature = "game", feature = "learner"))] {
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
//!     .add_systems(FixedUpdate, (walk.in_set(AgentSystems::Act), judge.in_set(AgentSystems::Reward)));
//! bevy_maddpg::headless::start(&mut app); // or app.run()
//! app.update();
//! assert_eq!(app.world().resource::<RolloutClock>().decisions, 20);
//!
//! fn spawn(mut commands: Commands) {
//!     for _ in 0..20 {
//!         let arena = commands.spawn(Arena::with_time_limit(50)).id(); // decisions
//!         commands.spawn((Agent::new("walker", 1, 1), InArena::slot(arena, 0), Position::default()));
//!     }
//! }
//!
//! fn place(episodes: Query<&Episode>, mut walkers: Query<(&InArena, &mut Position)>) {
//!     for (place, mut position) in &mut walkers {
//!         if episodes.get(place.arena).is_ok_and(Episode::needs_reset) {
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
//! A game that ships adds [`MaddpgPlugins::play`](plugin::MaddpgPlugins::play) with a
//! [`PolicySnapshot`](policy::PolicySnapshot) instead, and builds without the feature `learner`: nothing else changes.
//!
//! # Concepts, in the order in which data flows
//!
//! **Arena and agents.** An [`Arena`](arena::Arena) is an entity; its agents point to it with
//! [`InArena`](arena::InArena), each at a slot. The slot fixes the agent's place in joint vectors. All arenas of a world
//! have the same agents; they are stepped and decided for together, so many arenas cost little more than one.
//! Agents of the same behavior name share a policy.
//!
//! **Tick and decision.** A tick is one run of the schedule that the app chose, [`FixedUpdate`](bevy::app::FixedUpdate)
//! by default. Every `decision_period` ticks (5 by default) the policies are asked; between decisions the action is held
//! and the reward added up. A *joint decision* is one decision of one arena.
//!
//! **Observation.** The game writes it in the schedule [`Observe`](rollout::Observe). With
//! [`Agent::with_frames`](agent::Agent::with_frames) the policy sees the last few. Any units: the learner scales
//! observations by their running mean and deviation.
//!
//! **Action.** Numbers in -1 to 1, made of the policy's output and [exploration noise](exploration). The game reads them
//! in [`AgentSystems::Act`](rollout::AgentSystems::Act).
//!
//! **Reward and episode.** The game adds rewards and ends episodes in
//! [`AgentSystems::Reward`](rollout::AgentSystems::Reward). [`Episode::terminate`](arena::Episode::terminate) says that
//! what follows is worth nothing; [`Episode::truncate`](arena::Episode::truncate) and time limits cut an episode off,
//! and the learner counts what would have followed. Ended arenas are observed once more, then set up anew by the game in
//! the schedule [`Reset`](rollout::Reset).
//!
//! **Learner.** [`Learner`](learner::Learner) keeps joint transitions in a replay buffer and updates all policies by
//! MADDPG with TD3's remedies; every number is a field of [`TrainingConfig`](learner::TrainingConfig). It runs on a
//! thread; the game and it keep step by a [`Pace`](learner::Pace).
//!
//! **Policy.** A [`PolicySnapshot`](policy::PolicySnapshot) is immutable, has a version, acts without candle, and is
//! saved as one `.safetensors` file. [`ActingPolicy`](rollout::ActingPolicy) swaps it at any time.
//!
//! # A tick
//!
//! | set or schedule | whose | what happens |
//! |---|---|---|
//! | [`AgentSystems::Decide`](rollout::AgentSystems::Decide) | rollout | at a decision: [`Observe`](rollout::Observe) runs, transitions are completed and handed over, policies are asked |
//! | [`AgentSystems::Act`](rollout::AgentSystems::Act) | game | actions become forces, velocities, moves |
//! | [`AgentSystems::Simulate`](rollout::AgentSystems::Simulate) | game or physics | the world moves on |
//! | [`AgentSystems::Reward`](rollout::AgentSystems::Reward) | game | rewards are added, episodes ended |
//! | [`AgentSystems::End`](rollout::AgentSystems::End) | rollout | time limits; where episodes ended: [`Observe`](rollout::Observe), recording, [`Reset`](rollout::Reset) |
//!
//! # Components, resources, messages
//!
//! | item | on or in | purpose |
//! |---|---|---|
//! | [`Agent`](agent::Agent) | agent | behavior, sizes, frames; requires the next three |
//! | [`Observation`](agent::Observation), [`Action`](agent::Action), [`Reward`](agent::Reward) | agent | what it senses, does and earns |
//! | [`ActionOverride`](agent::ActionOverride) | agent | someone else decides: a person, a script |
//! | [`InArena`](arena::InArena) | agent | arena and slot |
//! | [`Arena`](arena::Arena), [`Episode`](arena::Episode) | arena | time limit; how the episode stands |
//! | [`Measures`](arena::Measures) | arena | what the game counts beside rewards, if it does |
//! | [`ActingPolicy`](rollout::ActingPolicy) | resource | the policy that acts |
//! | [`Exploration`](rollout::Exploration) | resource | the noise, on or off |
//! | [`Training`](training::Training) | resource | the running learner: checkpoints, failures |
//! | [`EpisodeEnded`](arena::EpisodeEnded), [`LearnerReport`](training::LearnerReport) | message | all that is to be known of learning |
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `game` | yes | agents, arenas, the rollout: enough to play trained policies |
//! | `learner` | yes | the MADDPG learner; builds without Bevy |
//! | `particle` | yes | the [particle worlds](games::particle) of the MADDPG paper |
//! | `pendulum` | yes | the classic [pendulum](games::pendulum), for one agent |
//! | `games` | yes | those and [tennis](games::tennis), on rapier |
//! | `watch` | yes | the [window](watch): dashboard, learning curve, keys |
//! | `experiment` | yes | a [training run](experiment) as a program: options, output folder, summary |
//! | `wayland` | no | the window on Wayland; needs the system's wayland-client to build |
//! | `cuda`, `metal` | no | training on the GPU; [`DeviceChoice`](learner::DeviceChoice) says when it is used |
//! | `gpu-tests` | no | the tests that need a GPU |
//!
//! Without any feature the crate is the policy alone: load a file, act.
//!
//! # Determinism
//!
//! The simulation takes the same fixed steps at every speed, in a window and headless. Every random number comes from a
//! stream seeded by the run's seed and its purpose. In [lockstep](learner::Pace::Lockstep), the same seed and binary
//! give the same policy file on the CPU, bit by bit; at the other paces the learner's timing differs from run to run.
//!
//! # Troubleshooting
//!
//! - *Nothing is learned, the saturation (share of `|a| > 0.95`) is near 1*: raise `action_penalty`; where
//!   `normalize_values` is off, rewards may be too large: lower `reward_scale`.
//! - *It gets there, but not exactly*: lower `gamma` to the few decisions after which an action shows, raise `target_noise`
//!   (it smooths what the actors climb), widen the critics.
//! - *Q values grow without end*: an episode end that is not [terminated](arena::Episode::terminate), or rewards each
//!   tick that add up; lower `gamma`.
//! - *The score stays at its start*: see whether any episode earns any reward by chance; if none does, reward a step
//!   towards the goal, or explore more (`exploration.scale`).
//! - *A physics body ignores its reset*: set position and velocity both, and give the body neither parent nor children.
//! - *The learner failed*: [`Training::failure`](training::Training::failure) and the log say why; the game goes on with
//!   the last good policy.

#![warn(missing_docs)]
#![deny(unsafe_code)]

#[cfg(feature = "game")]
pub mod agent;
#[cfg(feature = "game")]
pub mod arena;
#[cfg(feature = "experiment")]
pub mod experiment;
pub mod exploration;
#[cfg(any(feature = "particle", feature = "pendulum"))]
pub mod games;
#[cfg(feature = "game")]
pub mod headless;
mod kernels;
#[cfg(feature = "learner")]
pub mod learner;
#[cfg(feature = "game")]
pub mod plugin;
pub mod policy;
pub mod prelude;
pub mod random;
#[cfg(feature = "game")]
pub mod rollout;
pub mod telemetry;
mod tensor_file;
#[cfg(all(feature = "game", feature = "learner"))]
pub mod training;
pub mod transition;
#[cfg(feature = "watch")]
pub mod watch;

pub use tensor_file::FileError;

/// The README's code is compiled with the documentation's.
#[cfg(all(doctest, feature = "watch", feature = "learner"))]
#[doc = include_str!("../README.md")]
struct Readme;

//! Multi-agent deep deterministic policy gradient (MADDPG) in pure Rust: a learner and the policies it trains.
//!
//! This crate does not depend on a game engine. [`bevy_maddpg`](https://docs.rs/bevy_maddpg) uses it to train the
//! agents of a Bevy game, and any other program can use it directly.
//!
//! # Train
//!
//! A [`Learner`](learner::Learner) stores joint transitions and updates the policies of all agents. A joint transition
//! covers one decision of all agents of an arena:
//!
//! ```
//! # #[cfg(feature = "learner")] {
//! use maddpg::{
//!     learner::{Device, Learner, LearnerConfig},
//!     policy::{AgentSpec, ArenaSpec},
//!     transition::{SlotState, TransitionBlock},
//! };
//!
//! // Two agents share one policy. Each observes 3 numbers and acts with 1.
//! let agent = AgentSpec::new("walker", 3, 1);
//! let spec = ArenaSpec::new(vec![agent; 2]);
//! let config = LearnerConfig { learning_starts: 64, ..LearnerConfig::default() };
//! let mut learner = Learner::new(config, spec, Device::cpu(), 0)?;
//!
//! let rows = 64;
//! learner.remember(&TransitionBlock {
//!     observations: vec![0.5; rows * 6],
//!     actions: vec![0.1; rows * 2],
//!     rewards: vec![1.0; rows * 2],
//!     next_observations: vec![0.4; rows * 6],
//!     discounts: vec![1.0; rows],
//!     slots: vec![SlotState::PRESENT; rows * 2],
//!     ..TransitionBlock::default()
//! });
//! let statistics = learner.update(true)?;
//! assert!(statistics.critic_loss.is_finite());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`LearnerThread`](learner::LearnerThread) runs a learner on its own thread while the simulation goes on.
//!
//! # Act
//!
//! A [`PolicySnapshot`](policy::PolicySnapshot) holds the trained policies. It is immutable, is saved as one
//! `.safetensors` file, and needs neither the learner nor a tensor library to act. If your program only acts with
//! trained policies, build without the feature `learner`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `learner` | yes | training on the CPU |
//! | `onnx` | no | writing policies as ONNX models for other engines |
//! | `cuda` | no | training on an NVIDIA GPU, through [candle](https://github.com/huggingface/candle) |
//! | `metal` | no | training on the GPU of a Mac, through candle; never tested |
//!
//! # Determinism
//!
//! On the CPU, the same seed, binary and order of calls give the same weights, bit for bit, on processors with the same vector
//! instructions (AVX-512, AVX2, NEON).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod atomic_file;
pub mod exploration;
mod folder_lock;
#[cfg_attr(
    not(feature = "learner"),
    expect(dead_code, unused_imports, reason = "only the learner needs the rest")
)]
mod kernels;
#[cfg(feature = "learner")]
#[cfg_attr(docsrs, doc(cfg(feature = "learner")))]
pub mod learner;
#[cfg_attr(
    not(feature = "learner"),
    expect(dead_code, unused_imports, reason = "only the learner needs the rest")
)]
pub mod policy;
pub mod random;
mod tensor_file;
pub mod transition;

pub use atomic_file::write_atomically;
pub use folder_lock::FolderLock;
pub use tensor_file::FileError;

/// Whether this crate is compiled with optimization. Without optimization, an update takes hundreds of times as long.
pub const IS_OPTIMIZED: bool = cfg!(not(unoptimized));

/// Compiles the README's code together with the documentation's.
#[cfg(all(doctest, feature = "learner"))]
#[doc = include_str!("../README.md")]
struct Readme;

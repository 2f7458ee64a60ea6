//! The policy: what an agent acts with. Plain `f32` weights, no training library.
//!
//! | item | what it is |
//! |---|---|
//! | [`ArenaSpec`], [`AgentSpec`] | sizes of the agents of an arena, slot by slot |
//! | [`Network`], [`NetworkShape`] | a multi-layer perceptron: sizes and parameters |
//! | [`Normalizer`] | scaling of observations |
//! | [`Policy`] | one behavior's normalizer and network |
//! | [`PolicySnapshot`] | the policies of all slots at one moment, immutable, with a version |
//! | [`PolicySlot`] | where the newest snapshot is to be had, without waiting |
//! | [`PolicySnapshot::save`], [`PolicySnapshot::load`] | the policy file |

mod file;
mod forward;
mod network;
mod normalizer;
mod slot;
mod snapshot;
mod spec;

pub use file::PolicyError;
#[cfg(feature = "learner")]
pub(crate) use forward::{Activations, NORM_EPSILON, PackedNetwork, forward};
pub use network::{Layer, Network, NetworkShape};
pub use normalizer::Normalizer;
pub use slot::PolicySlot;
pub use snapshot::{Policy, PolicySnapshot, Scratch};
pub use spec::{AgentSpec, ArenaSpec, PolicyGroup, SpecError};

//! The policy: what an agent acts with. Plain `f32` weights, no training library.
//!
//! | item | what it is |
//! |---|---|
//! | [`ArenaSpec`], [`AgentSpec`] | sizes of the agents of an arena, slot by slot |
//! | [`Network`], [`NetworkShape`] | a multi-layer perceptron and its forward pass |
//! | [`Normalizer`] | scaling of observations |
//! | [`Policy`] | one behavior's normalizer and network |
//! | [`PolicySnapshot`] | the policies of all slots at one moment, immutable, with a version |
//! | [`PolicySlot`] | where the newest snapshot is to be had, without waiting |
//! | [`PolicySnapshot::save`], [`PolicySnapshot::load`] | the policy file |

mod file;
mod network;
mod normalizer;
mod slot;
mod snapshot;
mod spec;

pub use file::PolicyError;
pub use network::{Activations, Layer, Network, NetworkShape, relu};
pub use normalizer::Normalizer;
pub use slot::PolicySlot;
pub use snapshot::{Policy, PolicySnapshot, Scratch};
pub use spec::{AgentSpec, ArenaSpec, PolicyGroup, SpecError};

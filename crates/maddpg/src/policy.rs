//! Policies, which choose the actions of agents. They consist of plain `f32` weights and need no training library.
//!
//! | item | what it is |
//! |---|---|
//! | [`ArenaSpec`], [`AgentSpec`] | the agents of an arena and their sizes, slot by slot |
//! | [`ActionSpace`] | what an agent can do: numbers, and choices in branches |
//! | [`Network`], [`NetworkShape`] | a multi-layer perceptron: its parameters and its sizes |
//! | [`ImageSpec`], [`Convolution`], [`Encoder`] | an image in an observation, and the convolutional layers that process it |
//! | [`Normalizer`] | the scaling of observations |
//! | [`Policy`] | one behavior's normalizer and network |
//! | [`PolicySnapshot`] | the policies of all slots at one moment of training: immutable, with a version |
//! | [`LatestPolicy`] | the newest snapshot, shared between learner and game without blocking |
//! | [`PolicySnapshot::save`], [`PolicySnapshot::load`] | writing and reading policy files |
//! | `Policy::to_onnx`, `OnnxFlavor` | writing ONNX models for other engines, with the feature `onnx` |

mod action_space;
pub(crate) mod choices;
mod encoder;
mod file;
mod forward;
mod image;
mod latest;
mod network;
mod normalizer;
#[cfg(feature = "onnx")]
mod onnx;
mod snapshot;
mod spec;

pub use action_space::{ActionSpace, Branch};
pub use encoder::{Convolution, ConvolutionLayer, Encoder};
pub use file::PolicyError;
#[cfg(any(feature = "gpu", test))]
pub(crate) use forward::NORM_EPSILON;
pub(crate) use forward::{Activations, PackedNetwork, forward};
pub use image::ImageSpec;
pub use latest::LatestPolicy;
pub use network::{Layer, Network, NetworkShape};
pub use normalizer::Normalizer;
#[cfg(feature = "onnx")]
#[cfg_attr(docsrs, doc(cfg(feature = "onnx")))]
pub use onnx::{OnnxFlavor, OnnxTensor, UnknownFlavor};
pub use snapshot::{Policy, PolicySnapshot, Scratch};
pub use spec::{AgentSpec, ArenaSpec, PolicyGroup, SpecError};

//! The arithmetic of small networks on the CPU: row-major `f32`, on the calling thread, without allocation.
//!
//! Every kernel is written once over [`pulp::Simd`] and compiled for AVX-512, AVX2 with FMA, NEON and plain code; which
//! one runs is chosen at run time, so a portable build loses nothing. What a network needs right after a product (its
//! bias, its ReLU, the derivative of that) is done while the numbers are still in registers.

mod elementwise;
#[cfg(feature = "learner")]
mod gradient;
#[cfg(test)]
mod instruction_set;
mod packed;
mod product;
mod tile;

#[cfg(feature = "learner")]
pub(crate) use elementwise::{add_products, add_rows, dot, move_towards};
pub(crate) use elementwise::{normalize, relu, tanh};
#[cfg(feature = "learner")]
pub(crate) use gradient::weight_gradient;
pub(crate) use packed::PackedMatrix;
pub(crate) use product::{Finish, multiply};

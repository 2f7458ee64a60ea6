//! Kernels for small networks on the CPU: row-major `f32`, run on the calling thread, without allocation.
//!
//! Every kernel is written once, generic over [`pulp::Simd`], and compiled for AVX-512, AVX2 with FMA, NEON and scalar
//! code. The best one is chosen at run time, so a portable build loses no speed. The operations around a matrix product
//! (bias, ReLU, derivative of the ReLU) are fused into it, while the numbers are still in registers.

mod elementwise;
mod gradient;
#[cfg(test)]
mod instruction_set;
mod packed;
mod patches;
mod product;
mod tile;

pub(crate) use elementwise::{add_products, add_rows, dot, move_towards, relu_derivative};
pub(crate) use elementwise::{normalize, relu, tanh};
pub(crate) use gradient::weight_gradient;
pub(crate) use packed::PackedMatrix;
pub(crate) use patches::{Window, gather_patches, scatter_patches};
pub(crate) use product::{Finish, multiply};

//! The derive macros of `bevy_maddpg`. Use them from `bevy_maddpg::typed` or from its prelude, which also describe the traits.

mod action;
mod attribute;
mod fields;
mod observation;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Turns an enum or a struct into an action: an enum into a branch with one choice per variant, a struct into what its fields
/// are.
///
/// - A field of type `f32` with `#[action(range = 0.0..=90.0)]` has this range instead of -1 to 1.
/// - The fields of a variant are numbers that count only if the variant is chosen.
#[proc_macro_derive(AgentAction, attributes(action))]
pub fn derive_agent_action(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    action::derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Turns a struct into named numbers, and an enum without fields into one number per variant.
///
/// - A field of type `f32` with `#[observation(range = 0.0..=100.0)]` is scaled from this range to -1 to 1, and clamped.
/// - A field with `#[observation(skip)]` is left out.
#[proc_macro_derive(AgentObservation, attributes(observation))]
pub fn derive_agent_observation(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    observation::derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

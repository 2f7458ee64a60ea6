//! The game's own types as observations and actions.
//!
//! Derive [`AgentObservation`] for what an agent senses and [`AgentAction`] for what it can do. The crate takes sizes and names from
//! the types. It stores the names in the policy file, and compares them when an agent uses a policy.
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::{headless, prelude::*};
//!
//! #[derive(AgentAction, Debug, PartialEq)]
//! enum Step {
//!     Left,
//!     Right,
//! }
//!
//! #[derive(AgentAction)]
//! struct Hunt {
//!     step: Step,
//!     throw: bool,
//!     #[action(range = 0.0..=90.0)]
//!     angle: f32,
//! }
//!
//! #[derive(AgentObservation)]
//! struct View {
//!     cell: f32,
//!     #[observation(range = 0.0..=100.0)]
//!     health: f32,
//! }
//!
//! #[derive(Component, Default)]
//! struct Cell(i32);
//!
//! fn spawn(mut commands: Commands) {
//!     let arena = commands.spawn(Arena::with_time_limit(50)).id();
//!     commands.spawn((Agent::of::<View, Hunt>("hunter"), InArena::new(arena), Cell::default()));
//! }
//!
//! /// Who stands at the left end cannot go left.
//! fn sense(mut hunters: Query<(&Cell, &mut Observation, &mut ActionMask)>) {
//!     for (cell, mut observation, mut mask) in &mut hunters {
//!         observation.write_view(&View { cell: cell.0 as f32, health: 80.0 });
//!         if cell.0 == 0 {
//!             mask.forbid("step", Step::Left);
//!         }
//!     }
//! }
//!
//! fn act(mut hunters: Query<(&Chosen<Hunt>, &mut Cell)>) {
//!     for (chosen, mut cell) in &mut hunters {
//!         // A step is made once, not as long as the action is kept.
//!         let Some(action) = chosen.get().filter(|_| chosen.is_new()) else { continue };
//!         cell.0 += if action.step == Step::Right { 1 } else { -1 };
//!         if action.throw {
//!             // The angle is from 0 to 90.
//!             assert!((0.0..=90.0).contains(&action.angle));
//!         }
//!     }
//! }
//!
//! let mut app = headless::app(5);
//! app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()))
//!     .add_systems(Startup, spawn)
//!     .add_systems(Observe, sense)
//!     .add_systems(FixedUpdate, act);
//! headless::start(&mut app);
//! app.update();
//! let cell = app.world_mut().query::<&Cell>().single(app.world()).unwrap();
//! assert_eq!(cell.0, 1);
//! ```
//!
//! | Rust type | as an action | as an observation |
//! |---|---|---|
//! | `f32` | a number from -1 to 1, or in the `range` of its field | the number; with a `range`, scaled from it to -1 to 1 |
//! | `bool` | a branch with the choices `no` and `yes` | 0 or 1 |
//! | `Vec2`, `Vec3` | two or three numbers | two or three numbers |
//! | `[T; N]` | `N` times what `T` is | `N` times what `T` is |
//! | `Option<T>` | not possible | 1 and then what `T` is; zeros if it is `None` |
//! | an enum with a derive | a branch with one choice per variant; the fields of a variant are numbers that matter only if it is chosen | one number per variant: 1 for the value's variant, 0 for the others |
//! | a struct with a derive | its fields, in order | its fields, in order |

mod action;
mod chosen;
mod observation;

pub use action::{ActionReader, ActionWriter, AgentAction, Choice};
pub use bevy_maddpg_derive::{AgentAction, AgentObservation};
pub use chosen::{Chosen, Decode, TypedAgent};
pub(crate) use chosen::{add, run_decode};
pub use observation::AgentObservation;

/// The name of a part: `name.part`, or `part` alone if `name` is empty. Use it if you implement the traits yourself.
pub fn join(name: &str, part: &str) -> String {
    if name.is_empty() { part.into() } else { format!("{name}.{part}") }
}

/// Scales a number from -1 to 1 to `from..=to`. Use it if you implement the traits yourself.
pub fn to_range(number: f32, from: f32, to: f32) -> f32 {
    let share = 0.5 * (number.clamp(-1.0, 1.0) + 1.0);
    from + share * (to - from)
}

/// Scales a number from `from..=to` to -1 to 1 and clamps it. Without the clamp, rare large values would shrink the usual ones when the
/// learner normalizes observations. Use it if you implement the traits yourself.
pub fn from_range(number: f32, from: f32, to: f32) -> f32 {
    (2.0 * (number - from) / (to - from) - 1.0).clamp(-1.0, 1.0)
}

/// Code that must not compile. Each example has one mistake.
///
/// A range of an action that starts with its larger number:
/// ```compile_fail,E0080
/// #[derive(bevy_maddpg::prelude::AgentAction)]
/// struct Aim {
///     #[action(range = 90.0..=0.0)]
///     angle: f32,
/// }
/// ```
///
/// And one of an observation:
/// ```compile_fail,E0080
/// #[derive(bevy_maddpg::prelude::AgentObservation)]
/// struct View {
///     #[observation(range = 1.0..=1.0)]
///     health: f32,
/// }
/// ```
///
/// A field of a type that is not an action:
/// ```compile_fail,E0277
/// #[derive(bevy_maddpg::prelude::AgentAction)]
/// struct Say {
///     text: String,
/// }
/// ```
///
/// A field of a type that is not an observation:
/// ```compile_fail,E0277
/// #[derive(bevy_maddpg::prelude::AgentObservation)]
/// struct View {
///     ammunition: u64,
/// }
/// ```
///
/// An unknown key:
/// ```compile_fail
/// #[derive(bevy_maddpg::prelude::AgentAction)]
/// struct Aim {
///     #[action(rnage = 0.0..=90.0)]
///     angle: f32,
/// }
/// ```
///
/// A choice that is not one of the types that can name one:
/// ```compile_fail,E0277
/// fn forbid(mask: &mut bevy_maddpg::prelude::ActionMask) {
///     mask.forbid("step", 1.5);
/// }
/// ```
#[cfg(doctest)]
struct DoesNotCompile;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_scaled_to_their_range_and_back() {
        assert_eq!([-1.0, 0.0, 1.0].map(|number| to_range(number, 10.0, 30.0)), [10.0, 20.0, 30.0]);
        assert_eq!(
            [10.0, 20.0, 30.0, 99.0].map(|number| from_range(number, 10.0, 30.0)),
            [-1.0, 0.0, 1.0, 1.0]
        );
        assert_eq!((join("", "a"), join("a", "b")), ("a".into(), "a.b".into()));
    }
}

use bevy::math::{Vec2, Vec3};

use super::join;
use crate::agent::Observation;

/// A type of the game that says what an agent senses. Usually you derive this trait; see the [module](super).
///
/// ```
/// use bevy::math::Vec2;
/// use bevy_maddpg::prelude::*;
///
/// #[derive(AgentObservation)]
/// enum Mood {
///     Calm,
///     Angry,
/// }
///
/// #[derive(AgentObservation)]
/// struct View {
///     position: Vec2,
///     enemy: Option<Vec2>,
///     mood: Mood,
///     #[observation(range = 0.0..=100.0)]
///     health: f32,
/// }
///
/// let mut names = Vec::new();
/// View::names("", &mut names);
/// assert_eq!(View::SIZE, names.len());
/// assert_eq!(names[2..7], ["enemy.present", "enemy.x", "enemy.y", "mood.calm", "mood.angry"]);
/// let mut numbers = Vec::new();
/// View { position: Vec2::ZERO, enemy: None, mood: Mood::Angry, health: 75.0 }.write(&mut numbers);
/// assert_eq!(numbers, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.5]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an observation",
    note = "derive `AgentObservation` for it, or use `f32`, `bool`, `Vec2`, `Vec3`, or an array or option of these"
)]
pub trait AgentObservation: Send + Sync + 'static {
    /// How many numbers it has.
    const SIZE: usize;

    /// Appends the names of its numbers to `out`. They start with `name`, which is empty for the whole observation.
    fn names(name: &str, out: &mut Vec<String>);

    /// Appends its numbers to `out`.
    fn write(&self, out: &mut Vec<f32>);
}

impl Observation {
    /// Writes the current observation from a value of the game's own type, otherwise as [`write`](Self::write) does.
    pub fn write_view<V: AgentObservation>(&mut self, view: &V) {
        self.write_with(V::SIZE, |frame| view.write(frame));
    }
}

impl AgentObservation for f32 {
    const SIZE: usize = 1;

    fn names(name: &str, out: &mut Vec<String>) {
        out.push(if name.is_empty() { "number" } else { name }.into());
    }

    fn write(&self, out: &mut Vec<f32>) {
        out.push(*self);
    }
}

impl AgentObservation for bool {
    const SIZE: usize = 1;

    fn names(name: &str, out: &mut Vec<String>) {
        f32::names(name, out);
    }

    fn write(&self, out: &mut Vec<f32>) {
        out.push(f32::from(*self));
    }
}

impl<T: AgentObservation, const N: usize> AgentObservation for [T; N] {
    const SIZE: usize = N * T::SIZE;

    fn names(name: &str, out: &mut Vec<String>) {
        (0..N).for_each(|index| T::names(&join(name, &index.to_string()), out));
    }

    fn write(&self, out: &mut Vec<f32>) {
        self.iter().for_each(|part| part.write(out));
    }
}

impl<T: AgentObservation> AgentObservation for Option<T> {
    const SIZE: usize = 1 + T::SIZE;

    fn names(name: &str, out: &mut Vec<String>) {
        out.push(join(name, "present"));
        T::names(name, out);
    }

    fn write(&self, out: &mut Vec<f32>) {
        match self {
            Some(part) => {
                out.push(1.0);
                part.write(out);
            }
            None => out.resize(out.len() + Self::SIZE, 0.0),
        }
    }
}

impl AgentObservation for Vec2 {
    const SIZE: usize = 2;

    fn names(name: &str, out: &mut Vec<String>) {
        out.extend(["x", "y"].map(|axis| join(name, axis)));
    }

    fn write(&self, out: &mut Vec<f32>) {
        out.extend(self.to_array());
    }
}

impl AgentObservation for Vec3 {
    const SIZE: usize = 3;

    fn names(name: &str, out: &mut Vec<String>) {
        out.extend(["x", "y", "z"].map(|axis| join(name, axis)));
    }

    fn write(&self, out: &mut Vec<f32>) {
        out.extend(self.to_array());
    }
}

use bevy::math::{Vec2, Vec3};

use super::join;
use crate::policy::{ActionSpace, Branch};

/// A type of the game that says what an agent can do. Usually you derive this trait; see the [module](super).
///
/// ```
/// use bevy_maddpg::prelude::*;
///
/// #[derive(AgentAction, Debug, Clone, PartialEq)]
/// enum Spell {
///     Wait,
///     Heal,
///     Fireball {
///         #[action(range = -180.0..=180.0)]
///         direction: f32,
///     },
/// }
///
/// let space = Spell::space();
/// assert_eq!(space.names(), ["spell.fireball.direction", "spell: wait", "spell: heal", "spell: fireball"]);
/// let action = Spell::Fireball { direction: 90.0 }.to_action();
/// assert_eq!(action, [0.5, 0.0, 0.0, 1.0]);
/// assert_eq!(Spell::from_action(&action), Some(Spell::Fireball { direction: 90.0 }));
/// // An agent that does nothing has made no choice.
/// assert_eq!(Spell::from_action(&[0.0; 4]), None);
/// ```
///
/// The fields of a variant must be numbers, since a choice cannot depend on another choice:
///
/// ```compile_fail,E0080
/// use bevy_maddpg::prelude::*;
///
/// #[derive(AgentAction)]
/// enum Spell {
///     Wait,
///     Heal { myself: bool },
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action",
    note = "derive `AgentAction` for it, or use `f32`, `bool`, `Vec2`, `Vec3` or an array of these"
)]
pub trait AgentAction: Sized + Send + Sync + 'static {
    /// How many numbers it has.
    const NUMBERS: usize;
    /// How many branches it has.
    const BRANCHES: usize;

    /// Adds its numbers and branches to `space`. Their names start with `name`, which is empty for the whole action.
    fn describe(name: &str, space: &mut ActionSpace);

    /// Reads its numbers and choices. `None` if a choice is missing.
    fn read(reader: &mut ActionReader) -> Option<Self>;

    /// Writes its numbers and choices.
    fn write(&self, writer: &mut ActionWriter);

    /// The action space of the whole action.
    fn space() -> ActionSpace {
        let mut space = ActionSpace::default();
        Self::describe("", &mut space);
        space
    }

    /// Reads an action from this vector. `None` if a choice is missing, as in the zeros of an agent that does nothing, or if the
    /// vector is too short.
    fn from_action(action: &[f32]) -> Option<Self> {
        let (numbers, choices) = action.split_at_checked(Self::NUMBERS)?;
        Self::read(&mut ActionReader { numbers, choices })
    }

    /// The action as a vector, for example for an [`ActionOverride`](crate::agent::ActionOverride).
    fn to_action(&self) -> Vec<f32> {
        let mut writer = ActionWriter::default();
        self.write(&mut writer);
        [writer.numbers, writer.choices].concat()
    }
}

/// Reads an action: its numbers and its choices, in the order in which [`AgentAction::describe`] adds them.
///
/// If a type cannot derive [`AgentAction`], implement the trait by hand:
///
/// ```
/// use bevy::math::Dir2;
/// use bevy_maddpg::{
///     policy::ActionSpace,
///     prelude::*,
///     typed::{ActionReader, ActionWriter, join},
/// };
///
/// /// A direction, as two numbers of which only the ratio counts.
/// #[derive(Debug, PartialEq)]
/// struct Aim(Dir2);
///
/// impl AgentAction for Aim {
///     const NUMBERS: usize = 2;
///     const BRANCHES: usize = 0;
///
///     fn describe(name: &str, space: &mut ActionSpace) {
///         space.push_number(join(name, "x"));
///         space.push_number(join(name, "y"));
///     }
///
///     fn read(reader: &mut ActionReader) -> Option<Self> {
///         let direction = Dir2::from_xy(reader.number(), reader.number());
///         Some(Self(direction.unwrap_or(Dir2::X)))
///     }
///
///     fn write(&self, writer: &mut ActionWriter) {
///         writer.number(self.0.x);
///         writer.number(self.0.y);
///     }
/// }
///
/// assert_eq!(Aim::from_action(&[0.0, -0.3]), Some(Aim(Dir2::NEG_Y)));
/// assert_eq!(Aim(Dir2::NEG_Y).to_action(), [0.0, -1.0]);
/// ```
#[derive(Debug)]
pub struct ActionReader<'a> {
    numbers: &'a [f32],
    choices: &'a [f32],
}

impl ActionReader<'_> {
    /// The next number; 0 if there is none left.
    pub fn number(&mut self) -> f32 {
        let (number, rest) = self.numbers.split_first().unwrap_or((&0.0, &[]));
        self.numbers = rest;
        *number
    }

    /// The choice in the next branch, which has `count` choices. `None` if no choice was made in it.
    pub fn choice(&mut self, count: usize) -> Option<usize> {
        let (choices, rest) = self.choices.split_at_checked(count)?;
        self.choices = rest;
        choices.iter().position(|number| *number == 1.0)
    }
}

/// Writes an action: its numbers and its choices, in the order in which [`AgentAction::describe`] adds them. See
/// [`ActionReader`].
#[derive(Debug, Default)]
pub struct ActionWriter {
    numbers: Vec<f32>,
    choices: Vec<f32>,
}

impl ActionWriter {
    /// Writes a number, clamped to -1 to 1.
    pub fn number(&mut self, number: f32) {
        self.numbers.push(number.clamp(-1.0, 1.0));
    }

    /// Writes `count` zeros. Use it for the numbers of choices that were not made.
    pub fn zeros(&mut self, count: usize) {
        self.numbers.resize(self.numbers.len() + count, 0.0);
    }

    /// Writes the choice made in a branch with `count` choices.
    pub fn choice(&mut self, choice: usize, count: usize) {
        self.choices.extend((0..count).map(|other| f32::from(other == choice)));
    }
}

/// What can name a choice of a branch in [`ActionMask::forbid`](crate::agent::ActionMask::forbid): a value of an enum that derives
/// [`AgentAction`], a `bool`, the name of the choice, or its index.
///
/// ```
/// use bevy_maddpg::{prelude::*, typed::Choice};
///
/// #[derive(AgentAction)]
/// enum Step {
///     Left,
///     Right,
/// }
///
/// let space = Step::space();
/// let branch = &space.branches()[0];
/// assert_eq!((Step::Right.place(branch), "right".place(branch), 1.place(branch)), (Some(1), Some(1), Some(1)));
/// assert_eq!(("up".place(branch), true.place(branch)), (None, None));
/// ```
pub trait Choice {
    /// The index of the choice in this branch. `None` if the branch has no such choice.
    fn place(&self, branch: &Branch) -> Option<usize>;
}

impl Choice for &str {
    fn place(&self, branch: &Branch) -> Option<usize> {
        branch.choices.iter().position(|choice| choice == self)
    }
}

impl Choice for usize {
    fn place(&self, _: &Branch) -> Option<usize> {
        Some(*self)
    }
}

impl Choice for bool {
    fn place(&self, branch: &Branch) -> Option<usize> {
        BOOL[usize::from(*self)].place(branch)
    }
}

impl AgentAction for f32 {
    const NUMBERS: usize = 1;
    const BRANCHES: usize = 0;

    fn describe(name: &str, space: &mut ActionSpace) {
        space.push_number(if name.is_empty() { "number" } else { name });
    }

    fn read(reader: &mut ActionReader) -> Option<Self> {
        Some(reader.number())
    }

    fn write(&self, writer: &mut ActionWriter) {
        writer.number(*self);
    }
}

/// The choices of a `bool`.
const BOOL: [&str; 2] = ["no", "yes"];

impl AgentAction for bool {
    const NUMBERS: usize = 0;
    const BRANCHES: usize = 1;

    fn describe(name: &str, space: &mut ActionSpace) {
        space.push_branch(if name.is_empty() { "choice" } else { name }, BOOL);
    }

    fn read(reader: &mut ActionReader) -> Option<Self> {
        Some(reader.choice(2)? == 1)
    }

    fn write(&self, writer: &mut ActionWriter) {
        writer.choice(usize::from(*self), 2);
    }
}

impl<T: AgentAction, const N: usize> AgentAction for [T; N] {
    const NUMBERS: usize = N * T::NUMBERS;
    const BRANCHES: usize = N * T::BRANCHES;

    fn describe(name: &str, space: &mut ActionSpace) {
        (0..N).for_each(|index| T::describe(&join(name, &index.to_string()), space));
    }

    fn read(reader: &mut ActionReader) -> Option<Self> {
        let parts: [Option<T>; N] = std::array::from_fn(|_| T::read(reader));
        let is_whole = parts.iter().all(Option::is_some);
        is_whole.then(|| parts.map(|part| part.expect("every part was read")))
    }

    fn write(&self, writer: &mut ActionWriter) {
        self.iter().for_each(|part| part.write(writer));
    }
}

impl AgentAction for Vec2 {
    const NUMBERS: usize = 2;
    const BRANCHES: usize = 0;

    fn describe(name: &str, space: &mut ActionSpace) {
        ["x", "y"].iter().for_each(|axis| space.push_number(join(name, axis)));
    }

    fn read(reader: &mut ActionReader) -> Option<Self> {
        Some(Self::new(reader.number(), reader.number()))
    }

    fn write(&self, writer: &mut ActionWriter) {
        self.to_array().iter().for_each(|number| writer.number(*number));
    }
}

impl AgentAction for Vec3 {
    const NUMBERS: usize = 3;
    const BRANCHES: usize = 0;

    fn describe(name: &str, space: &mut ActionSpace) {
        ["x", "y", "z"].iter().for_each(|axis| space.push_number(join(name, axis)));
    }

    fn read(reader: &mut ActionReader) -> Option<Self> {
        Some(Self::new(reader.number(), reader.number(), reader.number()))
    }

    fn write(&self, writer: &mut ActionWriter) {
        self.to_array().iter().for_each(|number| writer.number(*number));
    }
}

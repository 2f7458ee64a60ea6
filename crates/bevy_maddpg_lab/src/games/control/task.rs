//! The tasks and their numbers.

use std::{fmt, str::FromStr};

/// A control task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// A cart should come to the middle of its rail.
    Cart,
    /// A pendulum with a weak motor should swing up and stay up.
    Pendulum,
    /// A pole on a cart should stay upright.
    CartpoleBalance,
    /// An arm with one joint should point at a fixed target.
    FixedReacherSingle,
    /// An arm with one joint should point at a random target.
    ReacherSingle,
    /// An arm with two joints should come to a fixed target.
    FixedReacherDouble,
    /// An arm with three joints should come to a fixed target.
    FixedReacher,
    /// An arm with three joints should come to a random target.
    Reacher,
    /// A hanging pole on a cart should swing up and stay up.
    Cartpole,
    /// Two poles side by side on a cart should stay upright.
    CartpoleParallelDouble,
    /// Two poles on top of each other on a cart should stay upright.
    CartpoleSerialDouble,
    /// A car should drive fast along a random closed track.
    Car,
    /// A planar cheetah should run.
    Cheetah,
    /// A planar cheetah without springs should run.
    HardCheetah,
    /// A planar walker on two legs should walk.
    Walker,
    /// A planar hopper on one leg should stand.
    Hopper,
    /// Three poles on top of each other on a cart should stay upright.
    CartpoleSerialTriple,
    /// An arm with seven joints in space should come to a fixed target.
    Reacher3dFixedTarget,
    /// An arm with three joints should hit a ball to a random target.
    Canada2d,
    /// An arm with two fingers should lift a ball to a target.
    Gripper,
}

/// The numbers of a task.
struct Numbers {
    name: &'static str,
    observation: usize,
    action: usize,
    /// Milliseconds of a control step.
    control: u32,
    /// Control steps of a decision.
    repeat: u32,
    /// Milliseconds that the planner looks ahead.
    horizon: u32,
    /// Milliseconds for which the planner holds an action.
    hold: u32,
}

/// Seconds of an episode.
const EPISODE_SECONDS: u32 = 10;

impl Task {
    /// Every task, from easy to hard.
    pub const ALL: &[Self] = &[
        Self::Cart,
        Self::Pendulum,
        Self::CartpoleBalance,
        Self::FixedReacherSingle,
        Self::ReacherSingle,
        Self::FixedReacherDouble,
        Self::FixedReacher,
        Self::Reacher,
        Self::Cartpole,
        Self::CartpoleParallelDouble,
        Self::CartpoleSerialDouble,
        Self::Car,
        Self::Cheetah,
        Self::HardCheetah,
        Self::Walker,
        Self::Hopper,
        Self::CartpoleSerialTriple,
        Self::Reacher3dFixedTarget,
        Self::Canada2d,
        Self::Gripper,
    ];

    fn numbers(self) -> Numbers {
        let of = |name, [observation, action]: [usize; 2], [control, repeat, horizon, hold]: [u32; 4]| {
            Numbers { name, observation, action, control, repeat, horizon, hold }
        };
        match self {
            Self::Cart => of("cart", [2, 1], [10, 2, 1000, 100]),
            Self::Pendulum => of("pendulum", [3, 1], [20, 2, 1600, 100]),
            Self::CartpoleBalance => of("cartpole_balance", [5, 1], [10, 2, 1000, 100]),
            Self::FixedReacherSingle => of("fixed_reacher_single", [5, 1], [20, 2, 600, 100]),
            Self::ReacherSingle => of("reacher_single", [5, 1], [20, 2, 600, 100]),
            Self::FixedReacherDouble => of("fixed_reacher_double", [8, 2], [20, 2, 600, 100]),
            Self::FixedReacher => of("fixed_reacher", [11, 3], [20, 2, 600, 100]),
            Self::Reacher => of("reacher", [11, 3], [20, 2, 600, 100]),
            Self::Cartpole => of("cartpole", [5, 1], [10, 2, 1000, 100]),
            Self::CartpoleParallelDouble => of("cartpole_parallel_double", [8, 1], [10, 2, 1000, 50]),
            Self::CartpoleSerialDouble => of("cartpole_serial_double", [8, 1], [10, 2, 1000, 50]),
            Self::Car => of("car", [17, 2], [50, 2, 2000, 200]),
            Self::Cheetah => of("cheetah", [18, 6], [10, 2, 500, 50]),
            Self::HardCheetah => of("hard_cheetah", [18, 6], [10, 2, 500, 50]),
            Self::Walker => of("walker", [18, 6], [25, 2, 800, 100]),
            Self::Hopper => of("hopper", [16, 4], [20, 2, 800, 100]),
            Self::CartpoleSerialTriple => of("cartpole_serial_triple", [11, 1], [10, 2, 800, 50]),
            Self::Reacher3dFixedTarget => of("reacher3d_fixed_target", [17, 7], [20, 2, 600, 100]),
            Self::Canada2d => of("canada2d", [17, 3], [20, 2, 800, 100]),
            Self::Gripper => of("gripper", [20, 5], [20, 2, 800, 100]),
        }
    }

    /// The name, in snake_case.
    pub fn name(self) -> &'static str {
        self.numbers().name
    }

    /// The task in one sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Cart => "A cart should come to the middle of its rail.",
            Self::Pendulum => "A pendulum with a weak motor should swing up and stay up.",
            Self::CartpoleBalance => "A pole on a cart should stay upright.",
            Self::FixedReacherSingle => "An arm with one joint should point at a fixed target.",
            Self::ReacherSingle => "An arm with one joint should point at a random target.",
            Self::FixedReacherDouble => "An arm with two joints should come to a fixed target.",
            Self::FixedReacher => "An arm with three joints should come to a fixed target.",
            Self::Reacher => "An arm with three joints should come to a random target.",
            Self::Cartpole => "A hanging pole on a cart should swing up and stay up.",
            Self::CartpoleParallelDouble => "Two poles side by side on a cart should stay upright.",
            Self::CartpoleSerialDouble => "Two poles on top of each other on a cart should stay upright.",
            Self::Car => "A car should drive fast along a random closed track.",
            Self::Cheetah => "A planar cheetah should run.",
            Self::HardCheetah => "A planar cheetah without springs should run.",
            Self::Walker => "A planar walker on two legs should walk.",
            Self::Hopper => "A planar hopper on one leg should stand.",
            Self::CartpoleSerialTriple => "Three poles on top of each other on a cart should stay upright.",
            Self::Reacher3dFixedTarget => "An arm with seven joints in space should come to a fixed target.",
            Self::Canada2d => "An arm with three joints should hit a ball to a random target.",
            Self::Gripper => "An arm with two fingers should lift a ball to a target.",
        }
    }

    /// How many numbers an observation has.
    pub fn observation_size(self) -> usize {
        self.numbers().observation
    }

    /// How many numbers an action has.
    pub fn action_size(self) -> usize {
        self.numbers().action
    }

    /// Seconds of one control step.
    pub fn control_seconds(self) -> f64 {
        f64::from(self.numbers().control) / 1000.0
    }

    /// Control steps for which a policy holds an action.
    pub fn action_repeat(self) -> u32 {
        self.numbers().repeat
    }

    /// Decisions of an episode.
    pub fn decisions(self) -> u32 {
        self.control_steps() / self.action_repeat()
    }

    /// Control steps of an episode.
    pub fn control_steps(self) -> u32 {
        1000 * EPISODE_SECONDS / self.numbers().control
    }

    /// Control steps that the planner looks ahead.
    pub(super) fn horizon_steps(self) -> usize {
        let numbers = self.numbers();
        (numbers.horizon / numbers.control) as usize
    }

    /// Control steps for which the planner holds an action.
    pub(super) fn hold_steps(self) -> usize {
        let numbers = self.numbers();
        (numbers.hold / numbers.control) as usize
    }

    /// Whether the control suite rewards only success, where this crate also rewards coming closer.
    pub fn is_sparse_in_the_suite(self) -> bool {
        matches!(
            self,
            Self::Pendulum
                | Self::FixedReacherSingle
                | Self::ReacherSingle
                | Self::FixedReacherDouble
                | Self::FixedReacher
                | Self::Reacher
                | Self::Hopper
        )
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(name: &str) -> Result<Self, UnknownTask> {
        Self::ALL.iter().copied().find(|task| task.name() == name).ok_or_else(|| UnknownTask(name.into()))
    }
}

/// No task has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no control task {0:?}; there are {list}", list = names())]
pub struct UnknownTask(pub String);

/// All names.
fn names() -> String {
    Task::ALL.iter().map(|task| task.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_tasks() {
        for task in Task::ALL {
            assert_eq!(task.name().parse(), Ok(*task));
        }
        let error = "chess".parse::<Task>().unwrap_err().to_string();
        assert!(error.contains("\"chess\"") && error.contains("cart, pendulum"), "{error}");
    }

    #[test]
    fn times_are_whole_steps() {
        for task in Task::ALL {
            let numbers = task.numbers();
            assert_eq!(numbers.horizon % numbers.control, 0, "{task}");
            assert_eq!(numbers.hold % numbers.control, 0, "{task}");
            assert_eq!(task.control_steps() % task.action_repeat(), 0, "{task}");
        }
    }
}

//! When a run ends.

use super::{ProgressGoal, Run, run_state::Earlier};
use crate::statistics::RunStatistics;

/// When training stops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) seconds: Option<f64>,
    pub(super) decisions: Option<u64>,
    pub(super) until_solved: bool,
}

impl Run {
    /// The limits that the options set.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            seconds: self.options.max_minutes.map(|minutes| minutes * 60.0),
            decisions: self.options.max_decisions,
            until_solved: self.options.until_solved,
        }
    }
}

impl Limits {
    /// Whether there is none.
    pub(super) fn is_endless(&self) -> bool {
        self.seconds.is_none() && self.decisions.is_none() && !self.until_solved
    }

    /// Whether the run has reached one of them.
    pub(super) fn reached(&self, statistics: &RunStatistics, decisions: u64) -> bool {
        self.seconds.is_some_and(|seconds| statistics.seconds() >= seconds)
            || self.decisions.is_some_and(|limit| decisions >= limit)
            || (self.until_solved && statistics.board().solved().is_some())
    }

    /// The limit that a resumed run has reached before it goes on, in words.
    pub(super) fn reached_by(&self, earlier: &Earlier) -> Option<String> {
        let (seconds, decisions) = (earlier.seconds(), earlier.decisions());
        if self.decisions.is_some_and(|limit| decisions >= limit) {
            return Some(format!("the run has already made {decisions} joint decisions (--max-decisions)"));
        }
        if self.seconds.is_some_and(|limit| seconds >= limit) {
            return Some(format!(
                "the run has already trained for {:.2} minutes (--max-minutes)",
                seconds / 60.0
            ));
        }
        let is_solved = earlier.state.as_ref().is_some_and(|state| state.board.is_solved());
        (self.until_solved && is_solved)
            .then(|| "the run has already solved the game (--until-solved)".into())
    }

    /// What the progress of the run is measured by. `bar` is the score that solves the game.
    pub(super) fn goal(&self, bar: Option<f32>) -> ProgressGoal {
        match (self.seconds, self.decisions, bar) {
            (Some(seconds), None, _) => ProgressGoal::Seconds(seconds),
            (_, Some(decisions), _) => ProgressGoal::Decisions(decisions),
            (_, _, Some(bar)) if self.until_solved => ProgressGoal::Solved(bar),
            _ => ProgressGoal::Endless,
        }
    }
}

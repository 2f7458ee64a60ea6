//! Progress of a headless run on standard error: a bar in a terminal, plain lines otherwise.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::eprintln_line;
use crate::{
    format::{clock, count},
    statistics::RunStatus,
};

/// Time between two drawings of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What ends the run. Sets the length of the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ProgressGoal {
    /// This many seconds of wall-clock time.
    Seconds(f64),
    /// This many joint decisions of all arenas.
    Decisions(u64),
    /// A mean score of 100 episodes of at least this. Shown without a bar, because a score says little about the time
    /// that is left.
    Solved(f32),
    /// Nothing: the run continues until someone stops it.
    Endless,
}

/// Shows the progress of a headless run on standard error.
#[derive(Debug)]
pub struct ProgressLine {
    goal: ProgressGoal,
    bar: ProgressBar,
    /// Prints a plain line.
    print: fn(&str),
    last_shown: Option<Instant>,
}

impl ProgressLine {
    /// A progress line that starts with `name`, such as the game's, and is full when `goal` is reached.
    pub fn new(name: &str, goal: ProgressGoal) -> Self {
        Self::on(ProgressDrawTarget::stderr(), eprintln_line, name, goal)
    }

    fn on(target: ProgressDrawTarget, print: fn(&str), name: &str, goal: ProgressGoal) -> Self {
        let length = match goal {
            ProgressGoal::Seconds(seconds) => Some((seconds * 1e3) as u64),
            ProgressGoal::Decisions(decisions) => Some(decisions),
            ProgressGoal::Solved(_) | ProgressGoal::Endless => None,
        };
        let template = match length {
            Some(_) => "{prefix} {bar:24.cyan/dim} {msg}",
            None => "{prefix} {spinner:.cyan} {msg}",
        };
        let bar = ProgressBar::with_draw_target(length, target);
        let style = ProgressStyle::with_template(template).expect("both templates are well formed");
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_prefix(name.to_owned());
        Self { goal, bar, print, last_shown: None }
    }

    /// Shows `status` unless one was shown a moment ago, so it can be called as often as you like.
    pub fn update(&mut self, status: &RunStatus) {
        let every = if self.bar.is_hidden() { LINE_EVERY } else { DRAW_EVERY };
        if self.last_shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.show(status);
    }

    /// Prints `text` on a separate line, above the bar in a terminal.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| (self.print)(text));
    }

    /// Shows the final status and leaves it on the screen.
    pub fn finish(&mut self, status: &RunStatus) {
        self.show(status);
        self.bar.abandon();
    }

    fn show(&mut self, status: &RunStatus) {
        self.last_shown = Some(Instant::now());
        let (score, work) = (score(status, self.goal), work(status));
        if self.bar.is_hidden() {
            (self.print)(&format!("{} {score}, {work}", self.bar.prefix()));
            return;
        }
        // Two lines, because one would wrap in a terminal of 80 columns.
        self.bar.set_message(format!("{score}\n  {work}"));
        match self.goal {
            ProgressGoal::Seconds(_) => self.bar.set_position((status.seconds * 1e3) as u64),
            ProgressGoal::Decisions(_) => self.bar.set_position(status.decisions),
            ProgressGoal::Solved(_) | ProgressGoal::Endless => self.bar.tick(),
        }
    }
}

/// The time and the score of the run.
fn score(status: &RunStatus, goal: ProgressGoal) -> String {
    let time = clock(status.seconds);
    let time = match goal {
        ProgressGoal::Seconds(seconds) => format!("{time} of {}", clock(seconds)),
        ProgressGoal::Decisions(decisions) if status.decisions > 0 => {
            let left = decisions.saturating_sub(status.decisions) as f64;
            let left = status.seconds * left / status.decisions as f64;
            format!("{time}, {} left", clock(left))
        }
        _ => time,
    };
    let bar = match goal {
        ProgressGoal::Solved(bar) => format!(" of {bar}"),
        _ => String::new(),
    };
    let number = |score: Option<f32>| score.map_or("-".to_owned(), |score| format!("{score:.3}"));
    let (score, best) = (number(status.score_100), number(status.best_score_100));
    let without_noise = match status.score_without_noise {
        Some(score) => format!(", without noise {score:.3}"),
        None => String::new(),
    };
    format!("{time} | score {score}{bar}, best {best}{without_noise}")
}

/// The work done by the run, and its rates.
fn work(status: &RunStatus) -> String {
    format!(
        "{} episodes, {} decisions, {} agent decisions/s, {:.0} updates/s, policy {}",
        count(status.episodes as f64),
        count(status.decisions as f64),
        count(status.agent_decisions_per_second),
        status.updates_per_second,
        status.policy_version,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> RunStatus {
        let mut status = RunStatus::default();
        (status.seconds, status.decisions, status.episodes) = (75.0, 1_250_000, 4_321);
        (status.score_100, status.best_score_100) = (Some(0.25), None);
        (status.agent_decisions_per_second, status.updates_per_second) = (12_345.0, 99.6);
        status.policy_version = 7;
        status
    }

    fn hidden(goal: ProgressGoal) -> ProgressLine {
        ProgressLine::on(ProgressDrawTarget::hidden(), |_| (), "tennis", goal)
    }

    #[test]
    fn a_line_has_the_time_and_the_score_for_each_goal() {
        let lines = [
            (ProgressGoal::Seconds(90.0), "00:01:15 of 00:01:30 | score 0.250, best -"),
            (ProgressGoal::Decisions(2_500_000), "00:01:15, 00:01:15 left | score 0.250, best -"),
            (ProgressGoal::Solved(0.5), "00:01:15 | score 0.250 of 0.5, best -"),
            (ProgressGoal::Endless, "00:01:15 | score 0.250, best -"),
        ];
        for (goal, line) in lines {
            assert_eq!(score(&status(), goal), line);
        }
        let evaluated = RunStatus { score_without_noise: Some(2.7), ..status() };
        assert!(score(&evaluated, ProgressGoal::Endless).ends_with("best -, without noise 2.700"));
        let start = score(&RunStatus::default(), ProgressGoal::Decisions(10));
        assert_eq!(start, "00:00:00 | score -, best -");
    }

    #[test]
    fn the_work_done_is_counted_with_its_rates() {
        let work = work(&status());
        assert_eq!(work, "4.32k episodes, 1.25M decisions, 12.3k agent decisions/s, 100 updates/s, policy 7");
    }

    #[test]
    fn every_goal_has_a_well_formed_bar() {
        for goal in [
            ProgressGoal::Seconds(90.0),
            ProgressGoal::Decisions(2_000_000),
            ProgressGoal::Solved(0.5),
            ProgressGoal::Endless,
        ] {
            let mut line = hidden(goal);
            line.update(&status());
            line.note("solved");
            line.finish(&status());
        }
    }

    #[test]
    fn updates_are_drawn_no_more_often_than_needed() {
        let mut line = hidden(ProgressGoal::Endless);
        line.update(&status());
        let shown = line.last_shown;
        line.update(&status());
        assert_eq!(line.last_shown, shown);
    }
}

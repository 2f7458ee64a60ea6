//! How a headless run is doing, on standard error: a bar in a terminal, plain lines elsewhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar is drawn again after this.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Plain lines come this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What the run goes towards: the length of the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProgressGoal {
    /// So many seconds of wall-clock time.
    Seconds(f64),
    /// So many joint decisions of all arenas.
    Decisions(u64),
    /// A mean score of 100 episodes of this or more, however long it takes; shown without a bar, for a
    /// score says little about the time that is left.
    Solved(f32),
    /// Nothing: until someone stops it.
    Endless,
}

/// Where the run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProgressStatus {
    /// Seconds since the run started.
    pub seconds: f64,
    /// Joint decisions of all arenas.
    pub decisions: u64,
    /// Episodes finished.
    pub episodes: u64,
    /// Mean score of the last 100 episodes.
    pub score_100: Option<f32>,
    /// The best such mean.
    pub best_score_100: Option<f32>,
    /// Decisions of single agents per second of wall-clock time.
    pub agent_decisions_per_second: f64,
    /// Updates of the learner per second of wall-clock time.
    pub updates_per_second: f64,
    /// Version of the newest policy.
    pub policy_version: u64,
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
    /// A line that starts with `name`, such as the example's, and is at its end at `goal`.
    pub fn new(name: &str, goal: ProgressGoal) -> Self {
        Self::on(ProgressDrawTarget::stderr(), print_line, name, goal)
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

    /// Shows `status`, where the last one shown is old enough: call it as often as you like.
    pub fn update(&mut self, status: &ProgressStatus) {
        let every = if self.bar.is_hidden() { LINE_EVERY } else { DRAW_EVERY };
        if self.last_shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.show(status);
    }

    /// Prints a line of its own: above the bar in a terminal.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| (self.print)(text));
    }

    /// Shows the last status and leaves it there.
    pub fn finish(&mut self, status: &ProgressStatus) {
        self.show(status);
        self.bar.abandon();
    }

    fn show(&mut self, status: &ProgressStatus) {
        self.last_shown = Some(Instant::now());
        let (score, work) = (score(status, self.goal), work(status));
        if self.bar.is_hidden() {
            (self.print)(&format!("{} {score}, {work}", self.bar.prefix()));
            return;
        }
        // Two lines: one would wrap in a terminal of 80 columns.
        self.bar.set_message(format!("{score}\n  {work}"));
        match self.goal {
            ProgressGoal::Seconds(_) => self.bar.set_position((status.seconds * 1e3) as u64),
            ProgressGoal::Decisions(_) => self.bar.set_position(status.decisions),
            ProgressGoal::Solved(_) | ProgressGoal::Endless => self.bar.tick(),
        }
    }
}

/// Standard error may be closed; training goes on without it.
fn print_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How far the run is: its time and its score.
fn score(status: &ProgressStatus, goal: ProgressGoal) -> String {
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
    format!("{time} | score {score}{bar}, best {best}")
}

/// What the run has done, and how fast.
fn work(status: &ProgressStatus) -> String {
    format!(
        "{} episodes, {} decisions, {} agent decisions/s, {:.0} updates/s, policy {}",
        status.episodes,
        count(status.decisions as f64),
        count(status.agent_decisions_per_second),
        status.updates_per_second,
        status.policy_version,
    )
}

/// Three digits or more and a suffix: 950, 12.3k, 1.25M.
fn count(number: f64) -> String {
    match number {
        1e6.. => format!("{:.2}M", number / 1e6),
        1e4.. => format!("{:.1}k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

/// Hours, minutes and seconds.
fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> ProgressStatus {
        ProgressStatus {
            seconds: 75.0,
            decisions: 1_250_000,
            episodes: 4_321,
            score_100: Some(0.25),
            best_score_100: None,
            agent_decisions_per_second: 12_345.0,
            updates_per_second: 99.6,
            policy_version: 7,
        }
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
        let start = score(&ProgressStatus::default(), ProgressGoal::Decisions(10));
        assert_eq!(start, "00:00:00 | score -, best -");
    }

    #[test]
    fn the_work_done_is_counted_with_its_rates() {
        let work = work(&status());
        assert_eq!(work, "4321 episodes, 1.25M decisions, 12.3k agent decisions/s, 100 updates/s, policy 7");
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

    #[test]
    fn a_clock_counts_past_the_day() {
        assert_eq!(clock(75.9), "00:01:15");
        assert_eq!(clock(100_000.0), "27:46:40");
    }
}

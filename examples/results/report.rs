use std::{fs, path::Path};

use super::{Failure, competition, cooperation, pendulum, runs::Runs, tell, tennis};

const INTRODUCTION: &str = "\
# Results

`cargo run --example results` produces everything on this page: it trains, then writes the tables and plots. Each
training run is a single command in lockstep, so the same build gives the same policy bit by bit. The commands for
seed 1 are listed below the tables for cooperation, pendulum and tennis. `--short` takes minutes and fails if learning
is broken.

- **default** is what the example does without further options: the preset `matd3` with the few settings that each
  game overrides (`Scenario::adapt`, `pendulum::adapt`, `tennis::adapt`). In the cooperative worlds it trains for a
  fifth to two fifths of the other methods' decisions, in the competitive worlds for the same number.
- **maddpg_2017** is MADDPG with the settings of the paper's published code: learning rates 0.01, tau 0.01, gamma
  0.95, batch 1,024, an update every 100 decisions, 2 x 64 ReLU, penalty 0.001, gradient norm 0.5, 25,000 episodes of
  25 steps. It differs from that code in two ways: exploration is this crate's (Gaussian noise on continuous actions),
  and 64 arenas run in parallel.
- **ddpg_2017** uses the same settings, but each critic sees only its own agent. The paper calls this DDPG.
- Returns and measures come from 1,000 episodes without exploration noise (20,000 for the pendulum, 100 for tennis,
  200 for each match between separately trained teams). They are means over the seeds, followed by 95% confidence
  intervals in brackets (Student's t over the seeds). In matches, the variances over the seeds of both teams are added.
- *Recalled* numbers are quoted from memory of the paper (arXiv 1706.02275) and were not checked against it. The
  paper's worlds differ from mpe2's, which this project reproduces, so use random play as the common baseline.
- Decisions are joint decisions: one step of one arena. Seconds are wall-clock time on a shared machine with
  two virtual cores, each of which runs a training; other work on the machine makes them longer.
";

/// Runs the trainings that are missing, then writes `results.md` and its images to `out`.
pub(crate) fn write(runs: &Runs, out: &Path, seeds: u64) -> Result<(), Failure> {
    let images = out.join("images");
    fs::create_dir_all(&images)?;
    let sections = [
        ("Cooperation", cooperation::section(runs, &images, seeds)?),
        ("Competition", competition::section(runs, &images, seeds)?),
        ("Pendulum", pendulum::section(runs)?),
        ("Tennis from few samples", tennis::section(runs)?),
    ];
    let sections = sections.map(|(title, section)| format!("## {title}\n\n{section}"));
    let file = out.join("results.md");
    fs::write(&file, format!("{INTRODUCTION}\n{}", sections.join("\n").trim_end().to_owned() + "\n"))?;
    tell(&format!("wrote {}", file.display()));
    Ok(())
}

use std::{fs, path::Path};

use super::{Failure, competition, cooperation, pendulum, runs::Runs, tell, tennis};

const INTRODUCTION: &str = "\
# Results

Made by `cargo run --example results`, all of it: trainings, tables, pictures. Every training is a command line in lockstep
and gives the same policy, bit by bit, on the same build; two of them are named under each table. `--short` is a form of
minutes that fails where learning is broken.

- **default** is what the example does if nothing else is asked for: the preset `matd3` with the few settings that the game
  names (`Scenario::adapt`, `pendulum::adapt`, `tennis::adapt`), in a fifth
  to two fifths of the others' decisions where agents cooperate, in as many where they compete.
- **maddpg_2017** is MADDPG with the settings of the paper's published code: learning rates 0.01, tau 0.01, gamma 0.95, batch
  1,024, an update every 100 decisions, 2 x 64 ReLU, penalty 0.001, gradient norm 0.5, 25,000 episodes of 25 steps. Not
  theirs: the exploration is this crate's (Gaussian noise on continuous actions), and 64 arenas play at once.
- **ddpg_2017** is the same with critics that see their own agent alone, which the paper calls DDPG.
- Returns and measures are of 1,000 episodes without noise (20,000 swings of the pendulum), as means over the seeds with 95% bootstrap intervals over the
  seeds in brackets. Five seeds make coarse intervals.
- *Recalled* numbers are the paper's (arXiv 1706.02275) from memory, not checked against its print. Its worlds differ from
  mpe2's, which ours replay: random play is the common measure.
- Decisions are joint decisions: one step of one arena. Seconds are wall-clock, on two virtual cores of a shared machine: work
  beside a training lengthens them.
";

/// Makes what is missing, and writes `results.md` and its pictures to `out`.
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
    tell(&format!("written: {}", file.display()));
    Ok(())
}

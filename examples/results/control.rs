//! The twenty control tasks: the default settings and those of the DDPG paper, beside random actions and the planner.

use std::{fmt::Write, fs, path::Path};

use bevy_maddpg::learner::Preset;
use bevy_maddpg_lab::games::control::{self, Yardstick};

use super::{
    Failure,
    estimate::{Estimate, median},
    method::Method,
    runs::{Run, Runs, Training},
    task::Task,
    tell,
};

const INTRODUCTION: &str = "\
# Results of the control tasks

`cargo run --example results -- --control` produces this page; `--tasks` and `--seeds` choose a part of it. [Control tasks](control.md) says how
tasks, scores and the planner are made.

- Each training is a single command in lockstep, so the same build gives the same policy bit by bit.
- **default** is the preset `matd3` with the settings of `control::adapt`, the same for all tasks; **ddpg_2015** has the settings of the DDPG
  paper and makes the same number of decisions.
- Scores are means of 20 episodes without exploration. A row has the mean over the seeds and its 95% confidence interval (Student's t, wide
  with few seeds), and the least mean of a seed. *Normalized* is the mean of the seeds where 0 is random play (200 episodes) and 1 is the planner
  (one episode, unless `yardstick.csv` says more); *paper* is what the DDPG paper reports, with other models, rewards and another planner; *bar*
  is the goal that was set before anything was trained.
- Seconds are wall-clock time, the median of the seeds, with a training on each core of the machine.
";

/// Noise-free episodes that a policy is evaluated on.
const EPISODES: u32 = 20;

/// A task, the goal that was set for its normalized score, and the joint decisions of a training.
const TASKS: [(control::Task, f64, u64); 20] = {
    use control::Task::*;
    [
        (Cart, 0.95, 160_000),
        (Pendulum, 0.95, 480_000),
        (CartpoleBalance, 0.98, 320_000),
        (FixedReacherSingle, 0.95, 320_000),
        (ReacherSingle, 0.95, 320_000),
        (FixedReacherDouble, 0.95, 320_000),
        (FixedReacher, 0.95, 400_000),
        (Reacher, 0.90, 480_000),
        (Cartpole, 1.00, 640_000),
        (CartpoleParallelDouble, 0.90, 480_000),
        (CartpoleSerialDouble, 0.80, 560_000),
        (Car, 0.90, 192_000),
        (Cheetah, 1.00, 480_000),
        (HardCheetah, 1.00, 480_000),
        (Walker, 1.00, 240_000),
        (Hopper, 0.90, 240_000),
        (CartpoleSerialTriple, 0.70, 560_000),
        (Reacher3dFixedTarget, 0.80, 240_000),
        (Canada2d, 0.50, 320_000),
        (Gripper, 0.50, 320_000),
    ]
};

/// The normalized scores that the paper reports for observations of positions and speeds, the mean and the best of its runs (arXiv 1509.02971,
/// table 1). For driving it has only raw scores.
fn paper(task: control::Task) -> Option<[f64; 2]> {
    use control::Task::*;
    Some(match task {
        Cart => [0.938, 1.336],
        Pendulum => [0.946, 1.021],
        CartpoleBalance => [0.951, 1.000],
        FixedReacherSingle => [0.954, 1.000],
        ReacherSingle => [0.981, 1.102],
        FixedReacherDouble => [0.924, 0.996],
        FixedReacher => [0.849, 1.021],
        Reacher => [0.720, 0.987],
        Cartpole => [0.844, 1.115],
        CartpoleParallelDouble => [0.549, 0.900],
        CartpoleSerialDouble => [0.272, 0.719],
        Cheetah => [0.903, 1.206],
        HardCheetah => [1.311, 1.990],
        Walker => [0.705, 1.573],
        Hopper => [0.676, 0.936],
        CartpoleSerialTriple => [0.736, 0.946],
        Reacher3dFixedTarget => [0.585, 0.943],
        Canada2d => [0.400, 0.978],
        Gripper => [0.655, 0.972],
        Car => return None,
    })
}

/// The default settings first, since those of the paper take many times as long.
const PRESETS: [Preset; 2] = [Preset::Matd3, Preset::Ddpg2015];

const fn method(preset: Preset, decisions: u64) -> Method {
    Method { episodes: EPISODES, ..Method::new(preset, decisions) }
}

/// Runs the trainings that are missing, of those `tasks` that were chosen or of all. After each, writes `control-results.md` to `out`
/// with all that are finished.
pub(crate) fn write(runs: &Runs, out: &Path, tasks: &[control::Task], seeds: u64) -> Result<(), Failure> {
    let mut trainings = Vec::new();
    for preset in PRESETS {
        for (task, _, decisions) in TASKS {
            if tasks.is_empty() || tasks.contains(&task) {
                let (task, method) = (Task::Control(task), method(preset, decisions));
                trainings.extend((1..=seeds).map(|seed| Training { task, method, seed }));
            }
        }
    }
    let file = out.join("control-results.md");
    fs::create_dir_all(out)?;
    runs.train(trainings, || report(runs, &file, seeds))?;
    report(runs, &file, seeds)?;
    tell(&format!("wrote {}", file.display()));
    Ok(())
}

fn report(runs: &Runs, file: &Path, seeds: u64) -> Result<(), Failure> {
    let mut text = format!(
        "{INTRODUCTION}\n| task | method | score | least seed | normalized | paper: mean, best | bar | random | planner | seeds | joint decisions \
         | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for (task, bar, decisions) in TASKS {
        for preset in PRESETS {
            let method = method(preset, decisions);
            let finished = runs.finished(Task::Control(task), method, seeds)?;
            if !finished.is_empty() {
                writeln!(text, "{}", row(task, method, bar, &finished))?;
            }
        }
    }
    let command = Task::Control(control::Task::Walker).command();
    let arguments = method(Preset::Matd3, 240_000).arguments(1).join(" ");
    writeln!(text, "\n```sh\n{command} {arguments}\n```")?;
    fs::write(file, text)?;
    Ok(())
}

/// The row of a method.
fn row(task: control::Task, method: Method, bar: f64, finished: &[Run]) -> String {
    let scores: Vec<f64> = finished.iter().map(|run| f64::from(run.evaluation.mean)).collect();
    let seconds: Vec<f64> = finished.iter().map(|run| run.summary.seconds).collect();
    let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let score = Estimate::of(&scores);
    let [normalized, random, planner] = match Yardstick::of(task) {
        Some(Yardstick { random, planner }) => {
            let (random, planner) = (random.mean, planner.mean);
            let normalized = (score.mean - f64::from(random)) / f64::from(planner - random);
            [format!("{normalized:.2}"), format!("{random:.0}"), format!("{planner:.0}")]
        }
        None => Default::default(),
    };
    let paper = paper(task).map_or_else(String::new, |[mean, best]| format!("{mean:.2}, {best:.2}"));
    format!(
        "| `{task}` | {} | {} | {least:.0} | {normalized} | {paper} | {bar:.2} | {random} | {planner} | {} | {} | {:.0} |",
        method.label(),
        score.cell(0),
        finished.len(),
        finished[0].summary.decisions,
        median(&seconds),
    )
}

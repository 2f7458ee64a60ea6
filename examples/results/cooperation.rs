//! The cooperative particle worlds: returns, the paper's measures, decisions and time.

use std::{fmt::Write, path::Path};

use bevy_maddpg_lab::{
    experiment::{Compared, draw_comparison, evaluate_random},
    games::particle::Scenario,
};

use super::{
    Failure,
    estimate::{Estimate, median},
    method::Method,
    runs::{EPISODES, Run, Runs, reached},
    task::Task,
};

/// A cooperative world and the paper's results for it.
struct World {
    scenario: Scenario,
    /// Joint decisions that the default method trains for.
    decisions: u64,
    measures: &'static [&'static str],
    /// The paper's rows as recalled: method, measures.
    paper: &'static [(&'static str, &'static [&'static str])],
    note: &'static str,
}

const WORLDS: [World; 2] = [
    World {
        scenario: Scenario::Spread,
        decisions: Method::DEFAULT.decisions,
        measures: &["distance", "collisions", "occupied_landmarks"],
        paper: &[("MADDPG", &["1.767", "0.209", ""]), ("DDPG", &["1.858", "0.375", ""])],
        note: "The return is the mean over the three agents. `distance` is the sum over landmarks of the distance to \
               the nearest agent, averaged over the steps. `collisions` is the number of overlapping pairs, summed \
               over the 25 steps (the paper does not document how it counts them). `occupied_landmarks` is how many \
               of the three landmarks have an agent closer than 0.1 at the end. The paper's world has other sizes \
               and discrete moves, so its numbers are only a rough guide.",
    },
    World {
        scenario: Scenario::SpeakerListener,
        decisions: 250_000,
        measures: &["target_reached", "last_distance", "distance"],
        paper: &[("MADDPG", &["0.840", "0.133", ""]), ("DDPG", &["0.320", "0.456", ""])],
        note: "`target_reached` is the share of episodes that end with the listener overlapping its goal (closer \
               than 0.115). `last_distance` is the listener's distance from the goal at the end, `distance` the same \
               averaged over the steps. The paper does not say how close counts as reached.",
    },
];

/// The cooperation section of the report; its images go to `images`.
pub(crate) fn section(runs: &Runs, images: &Path, seeds: u64) -> Result<String, Failure> {
    let mut text = String::new();
    for world in &WORLDS {
        let World { scenario, decisions, measures, paper, note } = world;
        let task = Task::Particle(*scenario);
        let default = Method { decisions: *decisions, ..Method::DEFAULT };
        let methods = [Method::DDPG_2017, Method::MADDPG_2017, default];
        writeln!(text, "### {scenario}\n\n{note}\n")?;
        writeln!(text, "| method | return | {} | decisions | seconds |", measures.join(" | "))?;
        writeln!(text, "|---|---|{}---|---|", "---|".repeat(measures.len()))?;
        if let Some(random) = evaluate_random(&*task.game(), EPISODES, 0, || false) {
            let cells: Vec<_> =
                measures.iter().map(|name| format!("{:.3}", random.measures[*name])).collect();
            writeln!(text, "| random | {:.2} | {} | | |", random.mean, cells.join(" | "))?;
        }
        for (method, cells) in *paper {
            writeln!(text, "| {method} in the paper (recalled) | | {} | 625,000 | |", cells.join(" | "))?;
        }
        let mut trained = Vec::new();
        for method in methods {
            let finished = runs.seeds(task, method, seeds)?;
            let cells = measures.iter().map(|name| {
                let values: Vec<f64> = finished.iter().map(|run| run.measure(name)).collect();
                Estimate::of(&values).cell(3)
            });
            writeln!(
                text,
                "| {} | {} | {} | {} | {:.0} |",
                method.label(),
                returns(&finished).cell(2),
                cells.collect::<Vec<_>>().join(" | "),
                finished[0].summary.decisions,
                median(&finished.iter().map(|run| run.summary.seconds).collect::<Vec<_>>()),
            )?;
            trained.push((method, finished));
        }
        writeln!(text)?;
        let file = format!("results-{scenario}.png");
        let curves = trained.iter().map(|(method, finished)| {
            let runs = finished.iter().map(Run::curve).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Failure>(Compared { label: method.label(), runs })
        });
        let curves: Vec<_> = curves.collect::<Result<_, _>>()?;
        judge(&mut text, &trained, &curves)?;
        draw_comparison(images.join(&file), &curves, scenario.name())?;
        writeln!(text, "![Learning curves of {scenario}](images/{file})\n")?;
        writeln!(text, "```sh")?;
        for method in methods {
            writeln!(text, "{} {}", task.command(), method.arguments(1).join(" "))?;
        }
        writeln!(text, "```\n")?;
    }
    Ok(text)
}

fn returns(runs: &[Run]) -> Estimate {
    Estimate::of(&runs.iter().map(|run| f64::from(run.evaluation.mean)).collect::<Vec<_>>())
}

/// Adds whether the default (the last method) is better than each other method, and how soon it is as good.
fn judge(text: &mut String, trained: &[(Method, Vec<Run>)], curves: &[Compared]) -> Result<(), Failure> {
    let (Some(((_, ours), others)), Some(curves)) = (trained.split_last(), curves.last()) else {
        return Ok(());
    };
    let our_return = returns(ours);
    let worst = ours.iter().map(|run| run.evaluation.mean).fold(f32::INFINITY, f32::min);
    writeln!(text, "The default's worst return over the seeds is {worst:.2}.")?;
    for (method, theirs) in others {
        let their_return = returns(theirs);
        let verdict = our_return.compared_with(&their_return);
        write!(text, "The default compared with {}: {verdict}.", method.label())?;
        let reached = curves.runs.iter().filter_map(|curve| reached(curve, their_return.mean));
        let steps: Vec<f64> = reached.map(|decisions| decisions as f64).collect();
        let share = |part: f64, whole: f64| 100.0 * part / whole;
        if steps.len() == ours.len() {
            let seconds: Vec<f64> = ours
                .iter()
                .zip(&steps)
                .map(|(run, steps)| run.summary.seconds * steps / run.summary.decisions as f64)
                .collect();
            let their_seconds = median(&theirs.iter().map(|run| run.summary.seconds).collect::<Vec<_>>());
            writeln!(
                text,
                " The default's training episodes, with exploration, first reach that method's final mean return after \
                 {:.0} joint decisions (median; worst {:.0}): {:.1}% of that method's decisions and {:.0}% of its \
                 time.",
                median(&steps),
                steps.iter().copied().fold(0.0, f64::max),
                share(median(&steps), theirs[0].summary.decisions as f64),
                share(median(&seconds), their_seconds),
            )?;
        } else {
            let (count, all) = (steps.len(), ours.len());
            writeln!(
                text,
                " In training, with exploration, {count} of {all} seeds reach that method's final mean return."
            )?;
        }
    }
    writeln!(text)?;
    Ok(())
}

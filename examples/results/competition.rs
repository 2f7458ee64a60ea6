//! The competitive particle worlds: matches between separately trained teams, and, as in the paper, teams that were
//! trained against each other by different algorithms.

use std::{fmt::Write, path::Path};

use bevy_maddpg::policy::PolicySnapshot;
use bevy_maddpg_lab::{
    experiment::{Compared, Evaluation, draw_comparison, evaluate},
    games::particle::Scenario,
};

use super::{
    Failure,
    estimate::Estimate,
    method::Method,
    runs::{Run, Runs},
    task::Task,
};

/// Episodes of each match between two trainings.
const EPISODES: u32 = 200;

/// The default method with as many decisions as the others.
const DEFAULT: Method = Method { decisions: Method::MADDPG_2017.decisions, ..Method::DEFAULT };

/// The methods compared; the default is last.
const METHODS: [Method; 3] = [Method::DDPG_2017, Method::MADDPG_2017, DEFAULT];

/// A competitive world and the paper's results for it.
struct World {
    scenario: Scenario,
    /// Behaviors of the two teams.
    behaviors: [&'static [&'static str]; 2],
    measures: &'static [&'static str],
    /// The paper's table as recalled: algorithm of the second team, of the first team, measures. Empty if the paper has
    /// none.
    paper: &'static [(&'static str, &'static str, &'static str)],
    note: &'static str,
}

const WORLDS: [World; 4] = [
    World {
        scenario: Scenario::Tag,
        behaviors: [&["predator"], &["prey"]],
        measures: &["touches"],
        paper: &[
            ("MADDPG", "MADDPG", "11.0"),
            ("MADDPG", "DDPG", "16.1"),
            ("DDPG", "MADDPG", "10.3"),
            ("DDPG", "DDPG", "9.4"),
        ],
        note: "`touches` is the number of predators that touch the prey, summed over the 25 steps.",
    },
    World {
        scenario: Scenario::Adversary,
        behaviors: [&["adversary"], &["agent"]],
        measures: &["agents_success", "adversary_success"],
        paper: &[
            ("MADDPG", "MADDPG", "0.392, 0.944"),
            ("MADDPG", "DDPG", "0.590, 0.689"),
            ("DDPG", "MADDPG", "0.328, 0.922"),
            ("DDPG", "DDPG", "0.386, 0.747"),
        ],
        note: "`agents_success` and `adversary_success` are the shares of episodes that end with the nearest agent, \
               or the adversary, closer than 0.16 to the goal. The paper's numbers are in the order adversary, \
               agents.",
    },
    World {
        scenario: Scenario::Push,
        behaviors: [&["adversary"], &["agent"]],
        measures: &["agent_last_distance"],
        paper: &[],
        note: "`agent_last_distance` is the agent's distance from its goal at the end of an episode. For this world, \
               the paper has only a normalized bar chart.",
    },
    World {
        scenario: Scenario::Crypto,
        behaviors: [&["eve"], &["bob", "alice"]],
        measures: &["bob_success", "eve_success"],
        paper: &[
            ("MADDPG", "MADDPG", "0.521, 0.965"),
            ("MADDPG", "DDPG", "0.643, 0.653"),
            ("DDPG", "MADDPG", "0.444, 0.968"),
        ],
        note: "`bob_success` and `eve_success` are the shares of steps in which Bob's, or Eve's, output is closer to \
               the message sent than to the other message. The paper's numbers are in the order Eve, Bob. An Eve \
               that knows nothing loses least (12.5 per episode) by saying the mean of both messages, so any return \
               of Alice and Bob above 12.5 comes from mistakes of the Eves they played against.",
    },
];

/// The competition section of the report; its images go to `images`.
pub(crate) fn section(runs: &Runs, images: &Path, seeds: u64) -> Result<String, Failure> {
    let mut text = String::new();
    for world in &WORLDS {
        writeln!(text, "### {}\n\n{}\n", world.scenario, world.note)?;
        cross_play(&mut text, runs, world, seeds)?;
        if !world.paper.is_empty() {
            trained_together(&mut text, runs, world, seeds)?;
        }
        let curves = METHODS.map(|method| {
            let runs = runs.seeds(Task::Particle(world.scenario), method, seeds)?;
            let runs = runs.iter().map(Run::curve).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Failure>(Compared { label: method.label(), runs })
        });
        let curves: Vec<_> = curves.into_iter().collect::<Result<_, _>>()?;
        let file = format!("results-{}.png", world.scenario);
        draw_comparison(images.join(&file), &curves, world.scenario.name())?;
        writeln!(
            text,
            "![Learning curves of {}: each method against itself](images/{file})\n",
            world.scenario
        )?;
    }
    Ok(text)
}

/// The matches of every training's first team against every training's second team. Where both come from the same training, they have
/// learned against each other, so these matches count nowhere.
struct Matches {
    /// Evaluations, indexed by method of the first team, method of the second team, seed of the first, seed of the
    /// second.
    played: Vec<Vec<Vec<Vec<Evaluation>>>>,
}

impl Matches {
    fn play(scenario: Scenario, policies: &[Vec<PolicySnapshot>]) -> Result<Self, Failure> {
        let game = Task::Particle(scenario).game();
        let teams = scenario.teams();
        let match_of = |first: &PolicySnapshot, second: &PolicySnapshot| {
            let policy = first.with_slots_of(second, &teams[1].slots)?;
            let evaluation = evaluate(&*game, &policy, EPISODES, 0, || false);
            evaluation.ok_or_else(|| Failure::from("no episode was played"))
        };
        let all = |first: &[PolicySnapshot], second: &[PolicySnapshot]| {
            let row = |one| second.iter().map(|other| match_of(one, other)).collect::<Result<Vec<_>, _>>();
            first.iter().map(row).collect::<Result<Vec<_>, _>>()
        };
        let against = |first: &Vec<PolicySnapshot>| {
            policies.iter().map(|second| all(first, second)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { played: policies.iter().map(against).collect::<Result<_, _>>()? })
    }

    /// The mean of a measure for first teams of method `first` against second teams of method `second`.
    fn measure(&self, first: usize, second: usize, name: &str) -> Estimate {
        Estimate::of_matrices(&[self.matrix(0, first, second, name)])
    }

    /// The measure `name` in all matches between teams of method `own` in place `team` (0 first, 1 second) and opponents of another
    /// method: a row per seed of `own`, a column per seed of `other`.
    fn matrix(&self, team: usize, own: usize, other: usize, name: &str) -> Vec<Vec<Option<f64>>> {
        let seeds = self.played[own][own].len();
        let value = |mine: usize, theirs: usize| {
            let (first, second) = if team == 0 { (own, other) } else { (other, own) };
            let (row, column) = if team == 0 { (mine, theirs) } else { (theirs, mine) };
            f64::from(self.played[first][second][row][column].measures[name])
        };
        let counts = |mine, theirs| own != other || mine != theirs;
        let row = |mine| (0..seeds).map(|theirs| counts(mine, theirs).then(|| value(mine, theirs))).collect();
        (0..seeds).map(row).collect()
    }

    /// The mean of the measure `name` for teams of method `own` in place `team` (0 first, 1 second) against the
    /// opposing teams of all methods, each of which has the same weight.
    fn against_all(&self, team: usize, own: usize, name: &str) -> Estimate {
        let matrices: Vec<_> =
            (0..self.played.len()).map(|other| self.matrix(team, own, other, name)).collect();
        Estimate::of_matrices(&matrices)
    }
}

/// Adds the tables of matches between separately trained teams.
fn cross_play(text: &mut String, runs: &Runs, world: &World, seeds: u64) -> Result<(), Failure> {
    let World { scenario, measures, .. } = world;
    let teams = scenario.teams();
    let policies = METHODS.map(|method| {
        let finished = runs.seeds(Task::Particle(*scenario), method, seeds)?;
        finished.iter().map(Run::policy).collect::<Result<Vec<_>, _>>()
    });
    let policies: Vec<_> = policies.into_iter().collect::<Result<_, _>>()?;
    let matches = Matches::play(*scenario, &policies)?;

    writeln!(text, "Mean return of each team against the opposing teams of all methods and seeds:\n")?;
    writeln!(text, "| method | {} | {} |\n|---|---|---|", teams[0].name, teams[1].name)?;
    let overall = [0, 1].map(|team| {
        let name = format!("{}_return", teams[team].name);
        METHODS.iter().enumerate().map(|(own, _)| matches.against_all(team, own, &name)).collect::<Vec<_>>()
    });
    for (index, method) in METHODS.iter().enumerate() {
        let cells = [0, 1].map(|team| overall[team][index].cell(2));
        writeln!(text, "| {} | {} |", method.label(), cells.join(" | "))?;
    }
    writeln!(text)?;
    let ours = METHODS.len() - 1;
    for (team, name) in teams.iter().map(|team| team.name).enumerate() {
        for (other, method) in METHODS[..ours].iter().enumerate() {
            let verdict = overall[team][ours].compared_with(&overall[team][other]);
            writeln!(text, "- {name}, default compared with {}: {verdict}.", method.label())?;
        }
    }
    writeln!(text, "\nMatches between separately trained teams ({}):\n", measures.join(", "))?;
    writeln!(
        text,
        "| {} trained by | {} |\n|---|{}",
        teams[0].name,
        METHODS.map(|method| format!("{} trained by {}", teams[1].name, method.label())).join(" | "),
        "---|".repeat(METHODS.len())
    )?;
    for (first, method) in METHODS.iter().enumerate() {
        let cells = (0..METHODS.len()).map(|second| {
            let cell = |name: &&str| matches.measure(first, second, name).cell(2);
            measures.iter().map(cell).collect::<Vec<_>>().join("; ")
        });
        writeln!(text, "| {} | {} |", method.label(), cells.collect::<Vec<_>>().join(" | "))?;
    }
    writeln!(text)?;
    Ok(())
}

/// Adds the table of teams that were trained against each other, each by its own algorithm.
fn trained_together(text: &mut String, runs: &Runs, world: &World, seeds: u64) -> Result<(), Failure> {
    let World { scenario, behaviors, measures, paper, .. } = world;
    let teams = scenario.teams();
    let mixed = |independent| Method { independent, ..Method::MADDPG_2017 };
    writeln!(text, "Teams trained against each other, as in the paper:\n")?;
    writeln!(
        text,
        "| {} trained by | {} trained by | {} | paper (recalled) |\n|---|---|{}---|",
        teams[1].name,
        teams[0].name,
        measures.join(" | "),
        "---|".repeat(measures.len())
    )?;
    for (second, first, method) in [
        ("MADDPG", "MADDPG", Method::MADDPG_2017),
        ("MADDPG", "DDPG", mixed(behaviors[0])),
        ("DDPG", "MADDPG", mixed(behaviors[1])),
        ("DDPG", "DDPG", Method::DDPG_2017),
    ] {
        let finished = runs.seeds(Task::Particle(*scenario), method, seeds)?;
        let cells = measures.iter().map(|name| {
            Estimate::of(&finished.iter().map(|run| run.measure(name)).collect::<Vec<_>>()).cell(2)
        });
        let recalled = paper.iter().find(|row| (row.0, row.1) == (second, first)).map_or("", |row| row.2);
        let cells = cells.collect::<Vec<_>>().join(" | ");
        writeln!(text, "| {second} | {first} | {cells} | {recalled} |")?;
    }
    writeln!(text)?;
    Ok(())
}

//! The particle worlds of two teams: what separately trained teams do to each other, and teams that were trained against
//! each other by different algorithms, as the paper has it.

use std::{fmt::Write, path::Path};

use bevy_maddpg::{
    experiment::{Compared, Evaluation, draw_comparison, evaluate},
    games::particle::Scenario,
    policy::PolicySnapshot,
};

use super::{
    Failure,
    bootstrap::Interval,
    method::Method,
    runs::{Run, Runs},
    task::Task,
};

/// Episodes that each pair of trainings plays.
const EPISODES: u32 = 200;

/// The default, in as many decisions as the others.
const DEFAULT: Method = Method { decisions: Method::MADDPG_2017.decisions, ..Method::DEFAULT };

/// Those that meet; the last is ours.
const METHODS: [Method; 3] = [Method::DDPG_2017, Method::MADDPG_2017, DEFAULT];

/// A competitive world and what the paper says of it.
struct World {
    scenario: Scenario,
    /// Behaviors of the two teams.
    behaviors: [&'static [&'static str]; 2],
    measures: &'static [&'static str],
    /// The paper's table, as recalled: second team by, first team by, measures. Empty where it has none.
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
        note: "`touches`: predators that touch the prey, summed over the 25 steps.",
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
        note: "`agents_success`, `adversary_success`: share of the episodes at whose end the nearest agent, or the \
               adversary, is closer to the goal than 0.16. The paper's numbers: adversary, agents.",
    },
    World {
        scenario: Scenario::Push,
        behaviors: [&["adversary"], &["agent"]],
        measures: &["agent_last_distance"],
        paper: &[],
        note: "`agent_last_distance`: of the agent from its goal at the end of an episode. The paper has only a normalized \
               bar chart of this world.",
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
        note: "`bob_success`, `eve_success`: share of the steps in which what is said is nearer to the message than to the \
               other message. The paper's numbers: Eve, Bob. An Eve that knows nothing loses least, 12.5 an episode, by \
               saying the mean of both messages: what Alice and Bob get beyond that is other Eves' mistakes.",
    },
];

/// The section of the report; its pictures go to `images`.
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

/// What every training's second team gets against every training's first team.
struct Matches {
    /// By method of the first team and of the second: evaluations by seed of the first and of the second.
    played: Vec<Vec<Vec<Vec<Evaluation>>>>,
}

impl Matches {
    fn play(scenario: Scenario, policies: &[Vec<PolicySnapshot>]) -> Result<Self, Failure> {
        let experiment = Task::Particle(scenario).experiment();
        let teams = scenario.teams();
        let match_of = |first: &PolicySnapshot, second: &PolicySnapshot| {
            let policy = first.with_slots_of(second, &teams[1].slots)?;
            let evaluation = evaluate(&experiment, &policy, EPISODES, 0, || false);
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

    /// A measure of `first` against `second`, by their methods' indices.
    fn measure(&self, first: usize, second: usize, name: &str) -> Interval {
        let values = self.played[first][second].iter();
        let values =
            values.map(|row| row.iter().map(|match_of| f64::from(match_of.measures[name])).collect());
        Interval::of_matrix(&values.collect::<Vec<_>>())
    }

    /// The mean return of a team of method `own` against the other teams of all methods, rows by its own seeds.
    fn against_all(&self, team: usize, own: usize, name: &str) -> Interval {
        let methods = self.played.len();
        let seeds = self.played[own][own].len();
        let value = |mine: usize, other: usize, theirs: usize| {
            let (first, second) = if team == 0 { (own, other) } else { (other, own) };
            let (row, column) = if team == 0 { (mine, theirs) } else { (theirs, mine) };
            f64::from(self.played[first][second][row][column].measures[name])
        };
        let row = |mine| {
            let others = (0..methods).flat_map(|other| (0..seeds).map(move |theirs| (other, theirs)));
            others.map(|(other, theirs)| value(mine, other, theirs)).collect()
        };
        Interval::of_matrix(&(0..seeds).map(row).collect::<Vec<_>>())
    }
}

/// Teams of separate trainings play each other.
fn cross_play(text: &mut String, runs: &Runs, world: &World, seeds: u64) -> Result<(), Failure> {
    let World { scenario, measures, .. } = world;
    let teams = scenario.teams();
    let policies = METHODS.map(|method| {
        let finished = runs.seeds(Task::Particle(*scenario), method, seeds)?;
        finished.iter().map(Run::policy).collect::<Result<Vec<_>, _>>()
    });
    let policies: Vec<_> = policies.into_iter().collect::<Result<_, _>>()?;
    let matches = Matches::play(*scenario, &policies)?;

    writeln!(text, "Mean return of a team against the other teams of all methods and seeds:\n")?;
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
            let (own, theirs) = (&overall[team][ours], &overall[team][other]);
            let verdict = match (own.is_above(theirs), theirs.is_above(own)) {
                (true, _) => "better, the intervals apart",
                (_, true) => "worse, the intervals apart",
                _ if own.mean > theirs.mean => "better, but the intervals overlap",
                _ => "not better; the intervals overlap",
            };
            writeln!(text, "- {name} by default against those by {}: {verdict}.", method.label())?;
        }
    }
    writeln!(text, "\nEach pairing of separate trainings, {}:\n", measures.join(", "))?;
    writeln!(
        text,
        "| {} by | {} |\n|---|{}",
        teams[0].name,
        METHODS.map(|method| format!("{} by {}", teams[1].name, method.label())).join(" | "),
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

/// Teams that were trained against each other, each by its own algorithm.
fn trained_together(text: &mut String, runs: &Runs, world: &World, seeds: u64) -> Result<(), Failure> {
    let World { scenario, behaviors, measures, paper, .. } = world;
    let teams = scenario.teams();
    let mixed = |independent| Method { independent, ..Method::MADDPG_2017 };
    writeln!(text, "Trained against each other, as in the paper:\n")?;
    writeln!(
        text,
        "| {} by | {} by | {} | the paper's (recalled) |\n|---|---|{}---|",
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
            Interval::of(&finished.iter().map(|run| run.measure(name)).collect::<Vec<_>>()).cell(2)
        });
        let recalled = paper.iter().find(|row| (row.0, row.1) == (second, first)).map_or("", |row| row.2);
        let cells = cells.collect::<Vec<_>>().join(" | ");
        writeln!(text, "| {second} | {first} | {cells} | {recalled} |")?;
    }
    writeln!(text)?;
    Ok(())
}

//! Runs the particle example as a program: every scenario trains and reports its teams and measures in the summary.

mod example_program;

use std::path::Path;

use bevy_maddpg::{
    learner::{Preset, TrainingConfig},
    policy::PolicySnapshot,
};
use bevy_maddpg_lab::{catalog::Particle, experiment::evaluate_random, games::particle::Scenario};

use example_program::{run, summary};

/// The discount factor of the run in the folder `out`.
fn gamma(out: &str) -> f32 {
    TrainingConfig::from_file(Preset::default(), Path::new(out).join("config.toml")).unwrap().learner.gamma
}

#[test]
fn every_scenario_trains_and_reports_its_measures() {
    let folder = tempfile::tempdir().unwrap();
    for scenario in Scenario::ALL {
        let out = folder.path().join(scenario.name());
        let out = out.to_str().unwrap();
        let limits = ["--max-decisions", "8000", "--evaluate", "4", "--out", out];
        let summary = summary(&run("particle", &[&["--scenario", scenario.name()][..], &limits].concat()));
        assert_eq!(summary.game, scenario.name());
        assert!(summary.updates > 0 && !summary.solved);
        let evaluation = summary.evaluation.unwrap();
        let teams = Some(scenario.teams()).filter(|teams| teams.len() > 1).unwrap_or_default();
        let mut names: Vec<_> = teams.iter().map(|team| format!("{}_return", team.name)).collect();
        names.extend(scenario.measures().iter().map(|measure| measure.name.to_owned()));
        names.sort_unstable();
        assert_eq!(summary.measures.keys().cloned().collect::<Vec<_>>(), names);
        assert_eq!(evaluation.measures.keys().cloned().collect::<Vec<_>>(), names);
        let policy = PolicySnapshot::load(Path::new(out).join("policy.safetensors")).unwrap();
        assert_eq!(policy.spec(), &scenario.spec());
        let mut config = Preset::default().config();
        scenario.adapt(&mut config);
        assert_eq!(gamma(out), config.learner.gamma, "the default preset with the scenario's own settings");
    }
    let out = folder.path().join("maddpg");
    let out = out.to_str().unwrap();
    summary(&run("particle", &["--preset", "maddpg", "--max-decisions", "100", "--out", out]));
    assert_eq!(gamma(out), Preset::Maddpg.config().learner.gamma, "other presets are not adapted");
    let tag = folder.path().join("simple_tag/policy.safetensors");
    let tag = tag.to_str().unwrap();
    let evaluated =
        summary(&run("particle", &["--scenario", "simple_tag", "--policy", tag, "--evaluate", "8"]));
    let evaluation = evaluated.evaluation.unwrap();
    let touches = evaluation.measures["touches"];
    assert!((evaluation.measures["predators_return"] - 10.0 * touches).abs() < 1e-3, "{evaluation:?}");
    assert!((evaluation.mean - evaluation.measures["predators_return"]).abs() < 1e-3, "predators are scored");

    let other = run("particle", &["--scenario", "simple_push", "--policy", tag]);
    assert!(!other.status.success());
    assert!(String::from_utf8(other.stderr).unwrap().contains("another game"));
}

#[test]
fn unknown_scenario_is_rejected_with_a_list_of_known_ones() {
    let output = run("particle", &["--scenario", "simple"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(text.contains("`simple`") && text.contains("simple_spread, simple_tag"), "{text}");
}

#[test]
fn a_game_without_a_solved_score_cannot_run_until_it_is_solved() {
    let output = run("particle", &["--until-solved"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("--max-decisions"), "{text}");
}

#[test]
fn random_play_scores_the_same_as_in_mpe2() {
    let game = Particle::new(Scenario::Spread);
    // In mpe2, random play has a mean return of -25.4 per agent.
    let random = evaluate_random(&game, 1_000, 3, || false).unwrap();
    assert!((random.mean + 25.4).abs() < 1.0, "{}", random.mean);
    assert_ne!(evaluate_random(&game, 10, 3, || false), evaluate_random(&game, 10, 4, || false));
}

//! Runs the hunt example as a program: both teams train, scripts play, and the summary has the measures.

mod example_program;

use std::path::Path;

use bevy_maddpg::policy::PolicySnapshot;
use bevy_maddpg_lab::games::hunt;

use example_program::{run, summary};

const MEASURES: [&str; 5] = ["catch_all_seconds", "catches", "hunters_return", "prey_return", "survivors"];

#[test]
fn both_teams_train_and_then_play_against_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let limits = ["--max-decisions", "15000", "--evaluate", "4", "--out", out.to_str().unwrap()];
    let trained = summary(&run("hunt", &limits));
    assert_eq!(trained.game, "hunt");
    assert!(trained.updates > 0 && !trained.solved);
    assert_eq!(trained.measures.keys().collect::<Vec<_>>(), MEASURES);
    let evaluation = trained.evaluation.unwrap();
    assert_eq!(evaluation.measures.keys().collect::<Vec<_>>(), MEASURES);
    let policy = out.join("policy.safetensors");
    assert_eq!(PolicySnapshot::load(&policy).unwrap().spec(), &hunt::spec());

    let changed = run("hunt", &["--resume", out.to_str().unwrap(), "--prey", "fleeing"]);
    assert!(!changed.status.success());
    let errors = String::from_utf8(changed.stderr).unwrap();
    assert!(errors.contains("`--prey learned`") && errors.contains("`--prey fleeing`"), "{errors}");

    let policy = policy.to_str().unwrap();
    let play = |teams: &[&str]| {
        let options = ["--policy", policy, "--evaluate", "16"];
        summary(&run("hunt", &[&options[..], teams].concat())).evaluation.unwrap()
    };
    let against = play(&["--prey", "fleeing"]);
    assert_eq!(against.episodes, 16);
    let scripts = play(&["--hunters", "greedy", "--prey", "fleeing"]);
    let measures = &scripts.measures;
    assert!(measures["catches"] > 3.0, "{measures:?}");
    assert!((measures["catches"] + measures["survivors"] - 6.0).abs() < 1e-3, "{measures:?}");
    assert!((1.0..=20.01).contains(&measures["catch_all_seconds"]), "{measures:?}");
    assert!((scripts.mean - measures["hunters_return"]).abs() < 1e-3, "hunters are scored");
    assert_eq!(scripts, play(&["--hunters", "greedy", "--prey", "fleeing"]), "scripts repeat themselves");
}

#[test]
fn a_team_learns_against_a_script_and_its_episodes_count() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let options = ["--hunters", "greedy", "--max-decisions", "15000", "--evaluate", "4"];
    let trained = summary(&run("hunt", &[&options[..], &["--out", out.to_str().unwrap()]].concat()));
    assert!(trained.updates > 0);
    assert!(trained.measures["catches"] > 1.0, "{:?}", trained.measures);
    assert!(Path::new(&trained.policy).exists());
}

#[test]
fn an_unknown_player_is_rejected_with_a_list_of_known_ones() {
    for (option, known) in [("--hunters", "learned, greedy"), ("--prey", "learned, fleeing")] {
        let output = run("hunt", &[option, "clever"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(text.contains("'clever'") && text.contains(option) && text.contains(known), "{text}");
    }
}

#[test]
fn the_sides_are_the_two_teams() {
    let output = run("hunt", &["--human", "left"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("hunters, prey"), "{text}");
}

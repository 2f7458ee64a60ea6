//! Runs the tennis example as a program: output files and errors.

mod example_program;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use bevy_maddpg::policy::PolicySnapshot;

use example_program::summary;

fn run(arguments: &[&str]) -> Output {
    example_program::run("tennis", arguments)
}

/// Asserts that the program fails with exactly one readable error message, and returns it.
fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} is accepted: {text}");
    assert!(output.stdout.is_empty(), "no summary for a rejected run");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
    let errors = text.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "exactly one error message: {text}");
    text
}

fn shipped_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/policies/tennis.safetensors")
}

#[test]
fn short_run_writes_all_its_files_and_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out_text = out.to_str().unwrap();
    let output = run(&["--seed", "3", "--max-decisions", "12000", "--evaluate", "2", "--out", out_text]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let summary = summary(&output);
    assert_eq!((summary.game.as_str(), summary.seed, summary.preset.as_str()), ("tennis", 3, "matd3"));
    assert!(summary.decisions >= 12_000 && summary.decisions < 12_200 && summary.updates > 0);
    assert_eq!(summary.evaluation.as_ref().map(|evaluation| evaluation.episodes), Some(2));
    assert_eq!(
        summary,
        serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap()
    );
    let policy = PolicySnapshot::load(out.join("policy.safetensors")).unwrap();
    assert_eq!((policy.seed(), policy.updates()), (3, summary.updates));
    for file in ["checkpoint.safetensors", "config.toml", "curve.png", "metrics.csv"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 100, "{file}");
    }
    let names = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().any(|name| name.contains("tfevents")));

    assert!(refusal(&["--out", out_text]).contains("already holds a run"));
    let resumed = run(&["--resume", out_text, "--max-decisions", "14000"]);
    let resumed_summary = self::summary(&resumed);
    assert!(
        resumed_summary.decisions >= 14_000 && resumed_summary.decisions < 14_200,
        "resuming continues the count"
    );
    assert!(resumed_summary.updates >= summary.updates);
}

#[test]
fn lockstep_gives_the_same_policy_file_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let policy = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let limits = ["--lockstep", "--arenas", "16", "--max-decisions", "12000", "--seed", seed];
        let output = run(&[&limits[..], &["--out", out.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(summary(&output).updates > 300);
        fs::read(out.join("policy.safetensors")).unwrap()
    };
    let first = policy("first", "5");
    assert!(first == policy("second", "5"), "the same seed gives the same bytes");
    assert!(first != policy("other", "6"), "another seed gives another policy");
}

#[test]
fn the_shipped_policy_plays_well() {
    let policy = shipped_policy();
    let output = run(&["--policy", policy.to_str().unwrap(), "--evaluate", "20"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let evaluation = summary(&output).evaluation.unwrap();
    assert_eq!(evaluation.episodes, 20);
    assert!(evaluation.mean >= 2.6 && evaluation.min >= 2.0, "{evaluation:?}");
}

#[test]
fn unusable_policy_file_is_rejected_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.safetensors");
    let path_text = path.to_str().unwrap();
    assert!(refusal(&["--policy", path_text]).contains("mine.safetensors"), "missing");
    let content = fs::read(shipped_policy()).unwrap();
    let flip = |position: usize| {
        let mut damaged = content.clone();
        damaged[position] ^= 0x10;
        damaged
    };
    for (damage, bytes) in [
        ("empty", Vec::new()),
        ("text", b"not a policy".to_vec()),
        ("truncated", content[..content.len() - 100].to_vec()),
        ("one bit flipped in the weights", flip(content.len() - 50)),
        ("one bit flipped in the header", flip(30)),
    ] {
        fs::write(&path, bytes).unwrap();
        let text = refusal(&["--policy", path_text]);
        assert!(text.contains("mine.safetensors"), "{damage}: {text}");
    }
    // A policy for agents with another observation size.
    let mut spec = bevy_maddpg_lab::games::tennis::spec(bevy_maddpg_lab::games::tennis::Rules::Rally);
    spec.slots.iter_mut().for_each(|agent| agent.observation_size = 7);
    PolicySnapshot::zeros(&spec.groups(true).unwrap()).unwrap().save(&path).unwrap();
    let text = refusal(&["--policy", path_text]);
    assert!(text.contains("another game") && text.contains("observes 7 numbers"), "{text}");
}

#[test]
fn invalid_options_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mine.toml");
    let config_text = config.to_str().unwrap();
    for (text, expected) in [
        ("[learner]\ngama = 0.9", "gama"),
        ("[learner]\ngamma = 2.0", "`learner.gamma` is 2, expected a number from 0 to 1"),
        ("[learner]\nbatch_size = \"many\"", "batch_size"),
        ("[learner", "mine.toml"),
    ] {
        fs::write(&config, text).unwrap();
        let refused = refusal(&["--config", config_text]);
        assert!(refused.contains(expected) && refused.contains("mine.toml"), "{refused}");
    }
    assert!(refusal(&["--config", "/nowhere/mine.toml"]).contains("/nowhere/mine.toml"));
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let under_a_file = file.join("run");
    assert!(refusal(&["--out", under_a_file.to_str().unwrap()]).contains("file/run"));
    if !cfg!(feature = "cuda") {
        assert!(refusal(&["--device", "cuda"]).contains("--features cuda"));
    }
    assert!(refusal(&["--resume", folder.path().to_str().unwrap()]).contains("checkpoint.safetensors"));
    assert!(refusal(&["--preset", "sac"]).contains("maddpg_2017"));
    assert!(refusal(&["--arenas", "0"]).contains("--arenas"));
    assert!(refusal(&["--human", "north"]).contains("left, right"));
}

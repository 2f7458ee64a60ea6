//! A run that was killed or stopped goes on as one run: one clock, one numbering, its own seed and settings.

mod example_program;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use bevy_maddpg_lab::experiment::Summary;
use example_program::{example, run, summary};

/// The columns `decisions`, `seconds` and `episode` of the episodes in `metrics.csv`, up to a row that is not whole.
fn episodes(folder: &Path) -> Vec<(u64, f64, u64)> {
    let mut rows = csv::Reader::from_path(folder.join("metrics.csv")).unwrap();
    let rows = rows.deserialize::<BTreeMap<String, String>>().map_while(Result::ok);
    let rows = rows.filter(|row| row["kind"] == "episode");
    rows.map(|row| {
        (row["decisions"].parse().unwrap(), row["seconds"].parse().unwrap(), row["episode"].parse().unwrap())
    })
    .collect()
}

fn assert_is_one_run(folder: &Path) {
    let rows = episodes(folder);
    let text = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("episode,")).count();
    assert!(!rows.is_empty() && rows.len() == lines, "every row is whole: {} of {lines}", rows.len());
    for pair in rows.windows(2) {
        assert!(pair[0].0 <= pair[1].0, "decisions fall back: {pair:?}");
        assert!(pair[0].1 <= pair[1].1, "the clock falls back: {pair:?}");
        assert!(pair[0].2 < pair[1].2, "an episode is numbered twice: {pair:?}");
    }
}

/// All files of a folder with their content.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A finished run of 12,000 joint decisions with seed 5 in 16 arenas.
fn short_run(folder: &Path) -> Summary {
    let out = folder.to_str().unwrap();
    summary(&run("tennis", &["--seed", "5", "--arenas", "16", "--max-decisions", "12000", "--out", out]))
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let out = folder.to_str().unwrap();
    let mut child = example("tennis")
        .args(["--headless", "--seed", "7", "--arenas", "8", "--checkpoint-every", "0.2", "--out", out])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.join("metrics.csv").exists() || episodes(&folder).len() < 200 {
        assert!(Instant::now() < deadline, "the run did not start in time");
        sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = episodes(&folder).last().unwrap().0;
    let limit = (before + 20_000).to_string();
    let resumed = run("tennis", &["--resume", out, "--max-decisions", &limit]);
    let summary = summary(&resumed);
    assert_eq!(summary.seed, 7, "{}", errors(&resumed));
    assert!(summary.decisions >= before + 20_000 && summary.decisions < before + 21_000);
    assert!(summary.agent_decisions_per_second < 5e6, "{}", summary.agent_decisions_per_second);
    assert_is_one_run(&folder);
    assert!(episodes(&folder).len() > 250);
}

/// The particle world is evaluated during training from the start, since it has no score that counts as solved.
#[test]
fn a_killed_run_in_lockstep_ends_with_the_same_bits() {
    let parent = tempfile::tempdir().unwrap();
    let part = 20_000;
    let config = parent.path().join("fast.toml");
    fs::write(&config, "[learner]\nupdates_per_decision = 0.125").unwrap();
    let arguments = |out: &str| {
        let words = "--headless --lockstep --save-replay --seed 3 --arenas 16 --max-decisions 70000 --checkpoint-decisions";
        let paths = [part.to_string(), "--out".into(), out.into(), "--config".into()];
        let words = words.split(' ').map(String::from).chain(paths);
        words.chain([String::from(config.to_str().unwrap())]).collect::<Vec<_>>()
    };
    let [whole, killed] = ["whole", "killed"].map(|name| parent.path().join(name));
    summary(&example("particle").args(arguments(whole.to_str().unwrap())).output().unwrap());
    let mut child = example("particle")
        .args(arguments(killed.to_str().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    // In the middle of the third part.
    let third = 2 * part + part / 4;
    while !killed.join("metrics.csv").exists() || episodes(&killed).last().is_none_or(|last| last.0 < third) {
        assert!(Instant::now() < deadline, "the run is too slow");
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("summary.json").exists(), "the run was killed too late");
    let resumed = run("particle", &["--resume", killed.to_str().unwrap(), "--max-decisions", "70000"]);
    summary(&resumed);
    assert!(errors(&resumed).contains("resuming after 4"), "{}", errors(&resumed));
    assert_is_one_run(&killed);
    let of = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    for name in ["policy-last.safetensors", "policy.safetensors", "evaluations.csv"] {
        assert!(of(&whole, name) == of(&killed, name), "{name} differs");
    }
    let rows = String::from_utf8(of(&killed, "evaluations.csv")).unwrap();
    assert!(rows.lines().any(|row| row.starts_with("50000,")), "of the third part: {rows}");
    assert!(rows.lines().any(|row| row.starts_with("70000,")), "of the last policy: {rows}");
    let decisions = |folder| {
        episodes(folder).into_iter().map(|(decisions, _, episode)| (decisions, episode)).collect::<Vec<_>>()
    };
    assert!(decisions(&whole) == decisions(&killed), "the episodes differ");
}

#[test]
fn a_run_that_has_reached_its_limit_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    short_run(&folder);
    let before = content(&folder);
    let output = run("tennis", &["--resume", folder.to_str().unwrap(), "--max-decisions", "10000"]);
    assert!(output.status.success());
    assert!(errors(&output).contains("has already made 12"), "{}", errors(&output));
    assert_eq!(content(&folder), before);
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_starts_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    short_run(&folder);
    for file in ["checkpoint", "policy", "policy-last"] {
        fs::remove_file(folder.join(format!("{file}.safetensors"))).unwrap();
    }
    let out = folder.to_str().unwrap();
    let refused = run("tennis", &["--out", out]);
    assert!(errors(&refused).contains("--resume"), "{}", errors(&refused));
    let again = run("tennis", &["--resume", out, "--max-decisions", "4000"]);
    assert!(errors(&again).contains("starts from the beginning"), "{}", errors(&again));
    let summary = summary(&again);
    assert_eq!(summary.seed, 5);
    assert!((4_000..4_200).contains(&summary.decisions));
    assert_is_one_run(&folder);
}

#[test]
fn settings_that_may_change_count_and_are_told() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    short_run(&folder);
    let config = folder.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("batch_size = 256", "batch_size = 128")).unwrap();
    let out = folder.to_str().unwrap();
    let output = run("tennis", &["--resume", out, "--max-decisions", "13000"]);
    assert!(errors(&output).contains("learner.batch_size = 128 (before: 256)"), "{}", errors(&output));
    summary(&output);
    let again = run("tennis", &["--resume", out, "--max-decisions", "14000"]);
    assert!(!errors(&again).contains("batch_size"), "the checkpoint has the new setting: {}", errors(&again));

    let text = fs::read_to_string(&config).unwrap();
    let hidden = text.lines().position(|line| line.starts_with("actor_hidden")).unwrap();
    let wider: String = text
        .lines()
        .enumerate()
        .filter(|(line, _)| *line <= hidden || *line > hidden + 3 || !text.contains("actor_hidden = [\n"))
        .map(
            |(line, words)| {
                if line == hidden { "actor_hidden = [32]\n".into() } else { format!("{words}\n") }
            },
        )
        .collect();
    fs::write(&config, wider).unwrap();
    let before = content(&folder);
    let refused = run("tennis", &["--resume", out]);
    let message = errors(&refused);
    assert!(!refused.status.success() && message.contains("learner.actor_hidden"), "{message}");
    assert_eq!(content(&folder), before);
}

#[test]
fn what_is_no_run_is_refused_by_name_and_a_checkpoint_stands_for_its_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    short_run(&folder);
    let checkpoint = folder.join("checkpoint.safetensors");
    let resumed = run("tennis", &["--resume", checkpoint.to_str().unwrap(), "--max-decisions", "13000"]);
    assert!(summary(&resumed).decisions >= 13_000);

    let refuse = |arguments: &[&str], words: &[&str]| {
        let output = run("tennis", arguments);
        let message = errors(&output);
        assert!(!output.status.success(), "{message}");
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    };
    let missing = parent.path().join("missing");
    refuse(&["--resume", missing.to_str().unwrap()], &["missing", "does not exist"]);
    refuse(&["--resume", parent.path().to_str().unwrap()], &["holds no run"]);
    let out = folder.to_str().unwrap();
    refuse(&["--resume", out, "--seed", "1"], &["--seed", "--resume"]);
    let other = run("pendulum", &["--resume", out]);
    assert!(errors(&other).contains("is of the game `tennis`"), "{}", errors(&other));
    fs::write(folder.join("run.json"), "{").unwrap();
    refuse(&["--resume", out], &["run.json"]);
}

#[test]
fn a_run_that_was_stopped_while_its_result_was_chosen_is_finished() {
    for is_killed in [true, false] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        short_run(&folder);
        let path = folder.join("summary.json");
        if is_killed {
            // A process that is killed there has written its last checkpoint, but neither its result nor the summary.
            for name in ["summary.json", "policy.safetensors", "curve.png"] {
                fs::remove_file(folder.join(name)).unwrap();
            }
        } else {
            // At Ctrl-C it has written the summary as well, which says so.
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(r#""finished": true"#), "{text}");
            fs::write(&path, text.replace(r#""finished": true"#, r#""finished": false"#)).unwrap();
        }
        let resume = ["--resume", folder.to_str().unwrap(), "--max-decisions", "12000", "--evaluate", "5"];
        let output = run("tennis", &resume);
        let finished = summary(&output);
        assert!(errors(&output).contains("stopped before its result was chosen"), "{}", errors(&output));
        assert_eq!(finished.evaluation.unwrap().episodes, 5);
        assert!(finished.finished && finished.decisions < 13_000, "{}", finished.decisions);
        assert!(folder.join("policy.safetensors").exists() && folder.join("curve.png").exists());
        assert_is_one_run(&folder);
        // Now there is nothing left to do.
        let output = run("tennis", &resume);
        assert!(output.status.success() && errors(&output).contains("nothing to do"), "{}", errors(&output));
    }
}

//! Signals stop a run as their senders expect, and two processes never write to one folder.
#![cfg(unix)]

mod example_program;

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use bevy_maddpg::policy::PolicySnapshot;
use example_program::{example, run, summary};

/// Waits until the run in this folder has written a checkpoint.
fn wait_for_checkpoint(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.join("checkpoint.safetensors").exists() {
        assert!(Instant::now() < deadline, "the run did not start in time");
        sleep(Duration::from_millis(20));
    }
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let child = example("tennis")
        .args(["--headless", "--max-minutes", "5", "--out", folder.to_str().unwrap()])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_checkpoint(folder);
    child
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The signals that this process ignores, as bits.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.map_or(0, |bits| u64::from_str_radix(bits.trim(), 16).unwrap())
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_signal_ends_a_run_in_order_and_its_exit_code_tells_which() {
    let ignored = ignored();
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        // A test in the background of a script inherits an ignored SIGINT, and so does the program.
        if ignored & 1 << (code - 128 - 1) != 0 {
            continue;
        }
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let child = start(&folder, &[]);
        sleep(Duration::from_millis(300));
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}: {}", errors(&output));
        assert!(errors(&output).contains("stopping"), "{}", errors(&output));
        assert!(PolicySnapshot::load(folder.join("policy.safetensors")).is_ok());
        assert!(folder.join("summary.json").exists());
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    // As `nohup` does, and the shell with `&` in a script.
    let program = example("tennis");
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(["--headless", "--max-decisions", "60000", "--out", folder.to_str().unwrap()])
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().unwrap();
    wait_for_checkpoint(&folder);
    send(&child, "-HUP");
    let output = child.wait_with_output().unwrap();
    assert!(summary(&output).decisions >= 60_000);
    assert!(!errors(&output).contains("stopping"), "{}", errors(&output));
}

#[test]
fn a_second_process_in_the_same_folder_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let child = start(&folder, &[]);
    let second = run("tennis", &["--resume", folder.to_str().unwrap()]);
    assert!(!second.status.success());
    assert!(errors(&second).contains("another process"), "{}", errors(&second));
    send(&child, "-TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told_and_training_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let child = start(&folder, &["--checkpoint-every", "0.2"]);
    // A folder in the place of the file: it cannot be replaced.
    let path = folder.join("checkpoint.safetensors");
    fs::remove_file(&path).unwrap();
    while fs::create_dir(&path).is_err() {
        let _ = fs::remove_file(&path);
    }
    fs::write(path.join("in the way"), "").unwrap();
    sleep(Duration::from_secs(2));
    fs::remove_dir_all(&path).unwrap();
    wait_for_checkpoint(&folder);
    sleep(Duration::from_millis(500));
    send(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(143), "{text}");
    assert!(text.contains("the checkpoint could not be written") && text.contains("written again"), "{text}");
}

/// As on a full disk: no file may grow beyond a limit.
#[test]
fn a_run_that_cannot_write_any_more_says_so_and_keeps_its_last_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let program = example("tennis");
    // A checkpoint has 300 kB, and `metrics.csv` grows by 90 bytes an episode.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(["--headless", "--max-minutes", "5", "--checkpoint-every", "0.5", "--out"])
        .arg(&folder)
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("error: cannot write"), "{}", errors(&output));
    assert!(PolicySnapshot::load(folder.join("policy.safetensors")).is_ok());
    let resumed = run("tennis", &["--resume", folder.to_str().unwrap(), "--max-minutes", "0.01"]);
    assert!(resumed.status.success(), "{}", errors(&resumed));
}

#[test]
fn the_signals_of_a_terminal_that_is_closed_count_once() {
    if ignored() & 1 != 0 {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let child = start(&folder, &[]);
    send(&child, "-HUP");
    send(&child, "-HUP");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(129));
    assert!(folder.join("summary.json").exists(), "it has saved everything: {}", errors(&output));
}

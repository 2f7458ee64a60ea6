//! Runs an example as a program; `cargo test` builds the examples next to the tests.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use bevy_maddpg_lab::experiment::Summary;

/// A command that runs the example `name` without a display.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let mut command =
        Command::new(folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    command.env("RUST_BACKTRACE", "1").env_remove("DISPLAY").stdin(Stdio::null());
    command
}

/// Runs the example without a window and returns its output.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    example(name).arg("--headless").args(arguments).output().unwrap()
}

/// The summary of a successful run, which must be the only line on standard output.
pub fn summary(output: &Output) -> Summary {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "standard output should hold only the summary: {text}");
    serde_json::from_str(text.trim()).unwrap()
}

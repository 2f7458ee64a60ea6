//! An example as a program, as `cargo test` builds it beside the tests.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use bevy_maddpg::experiment::Summary;

/// The example `name`, without a display.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let mut command =
        Command::new(folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    command.env("RUST_BACKTRACE", "1").env_remove("DISPLAY").stdin(Stdio::null());
    command
}

/// What the example does without a window.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    example(name).arg("--headless").args(arguments).output().unwrap()
}

/// The summary of a run that succeeds: all that is on standard output.
pub fn summary(output: &Output) -> Summary {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "nothing but the summary on standard output: {text}");
    serde_json::from_str(text.trim()).unwrap()
}

//! The control tasks as a program: a body learns, a planner plays, and mistakes are answered.

mod example_program;

use std::process::Output;

use bevy_maddpg_lab::{experiment::Evaluation, games::control::Task};
use example_program::{example, run, summary};

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn evaluation(arguments: &[&str]) -> Evaluation {
    summary(&run("control", arguments)).evaluation.unwrap()
}

#[test]
fn a_cart_learns_to_go_to_the_middle_and_to_stay_there() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("run");
    let arguments = ["--task", "cart", "--lockstep", "--max-decisions", "60000", "--evaluate", "20"];
    let learned = evaluation(&[&arguments[..], &["--out", out.to_str().unwrap()]].concat());
    assert!(learned.mean > 900.0, "{learned:?}");
    assert!(learned.normalized.is_some_and(|normalized| normalized > 0.9), "{learned:?}");
}

#[test]
fn the_planner_plays_without_a_policy() {
    let planned = evaluation(&["--task", "car", "--planner", "--arenas", "2", "--evaluate", "2"]);
    // It plays as well as where it was measured as the yardstick, with 420 on the start drawn there.
    assert!(planned.min > 350.0, "random actions score 19: {planned:?}");
}

#[test]
fn the_tasks_are_listed_and_a_wrong_name_is_answered_with_them() {
    let list = example("control").args(["--task", "list"]).output().unwrap();
    assert!(list.status.success());
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), Task::ALL.len());
    let output = run("control", &["--task", "cheeta"]);
    assert!(!output.status.success());
    for task in Task::ALL {
        assert!(list.contains(task.name()), "{task}");
        assert!(errors(&output).contains(task.name()), "{task}: {}", errors(&output));
    }
}

#[test]
fn a_policy_that_learned_from_pictures_sees_and_one_without_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("run");
    let out = out.to_str().unwrap();
    let task = ["--task", "cartpole_balance", "--pixels"];
    let short = ["--lockstep", "--max-decisions", "2500", "--evaluate", "1", "--out", out];
    let trained = run("control", &[&task[..], &short].concat());
    assert!(trained.status.success(), "{}", errors(&trained));
    let policy = format!("{out}/policy.safetensors");
    let play = ["--policy", &policy, "--evaluate", "1"];
    assert!(evaluation(&[&task[..], &play].concat()).mean > 0.0);
    let output = run("control", &[&task[..2], &play].concat());
    assert!(!output.status.success());
    assert!(
        errors(&output).contains("observes 4608 numbers with an image of 48 x 32 pixels"),
        "{}",
        errors(&output)
    );
    let output = run("control", &["--task", "walker", "--pixels", "--max-decisions", "100"]);
    assert!(!output.status.success());
    assert!(errors(&output).contains("choose one of: cart, pendulum"), "{}", errors(&output));
}

#[test]
fn a_policy_of_another_task_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("run");
    let out = out.to_str().unwrap();
    let trained = run(
        "control",
        &["--task", "cart", "--lockstep", "--max-decisions", "500", "--evaluate", "1", "--out", out],
    );
    assert!(trained.status.success(), "{}", errors(&trained));
    let policy = format!("{out}/policy.safetensors");
    let output = run("control", &["--task", "walker", "--policy", &policy, "--evaluate", "1"]);
    assert!(!output.status.success());
    assert!(errors(&output).contains("cart") && errors(&output).contains("walker"), "{}", errors(&output));
}

/// The shipped policies and a score that each reaches in every one of four episodes.
const SHIPPED: [(&str, f32); 18] = [
    ("cart", 900.0),
    ("pendulum", 350.0),
    ("cartpole_balance", 990.0),
    ("fixed_reacher_single", 900.0),
    ("reacher_single", 800.0),
    ("fixed_reacher_double", 900.0),
    ("fixed_reacher", 850.0),
    ("reacher", 500.0),
    ("cartpole", 800.0),
    ("cartpole_parallel_double", 600.0),
    ("walker", 850.0),
    ("cheetah", 750.0),
    ("hopper", 800.0),
    ("car", 380.0),
    ("cartpole_serial_double", 800.0),
    ("reacher3d_fixed_target", 800.0),
    ("cartpole_serial_triple", 250.0),
    ("canada2d", 100.0),
];

#[test]
fn the_shipped_policies_master_their_tasks() {
    for (task, least) in SHIPPED {
        let policy = format!("{}/assets/policies/control/{task}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let played = evaluation(&["--task", task, "--policy", &policy, "--evaluate", "4"]);
        assert!(played.min > least, "{task}: {played:?}");
    }
}

#[test]
fn the_shipped_policy_that_sees_swings_up_its_pole() {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/policies/control/cartpole-pixels.safetensors");
    let played = evaluation(&["--task", "cartpole", "--pixels", "--policy", policy, "--evaluate", "4"]);
    assert!(played.min > 700.0, "{played:?}");
}

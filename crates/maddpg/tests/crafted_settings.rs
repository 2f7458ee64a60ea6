//! Configuration files from strangers: whatever they contain, reading one does not panic. What is accepted passes the check and is the
//! same after it was written and read again. `CRAFTED_SETTINGS=1000000` sets the number of cases.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
};

use maddpg::{
    learner::{Preset, TrainingConfig},
    random::{Random, stream},
};
use rand::RngExt;

/// What people and broken programs write in the place of a value.
const VALUES: [&str; 24] = [
    "0",
    "1",
    "-1",
    "1e6",
    "1e308",
    "-1e400",
    "inf",
    "-inf",
    "nan",
    "0.5",
    "1e-320",
    "true",
    "\"many\"",
    "[]",
    "[1, 2]",
    "[0]",
    "[1e9]",
    "{}",
    "4000000000",
    "18446744073709551615",
    "99999999999999999999",
    "'''",
    "2026-11-27",
    "[[1]]",
];

fn pick<'a>(random: &mut Random, values: &[&'a str]) -> &'a str {
    values[random.random_range(0..values.len())]
}

/// A whole configuration with a few changes.
fn craft(whole: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    for _ in 0..random.random_range(1..4) {
        let line = random.random_range(0..lines.len());
        match random.random_range(0..8) {
            0..4 => {
                if let Some((key, _)) = lines[line].split_once('=') {
                    lines[line] = format!("{key}= {}", pick(random, &VALUES));
                }
            }
            4 => _ = lines.remove(line),
            5 => {
                let copy = lines[line].clone();
                lines.insert(random.random_range(0..lines.len()), copy);
            }
            6 => {
                let at = random.random_range(0..=lines[line].len());
                let at = (0..=at).rev().find(|at| lines[line].is_char_boundary(*at)).unwrap_or(0);
                lines[line].insert_str(
                    at,
                    pick(random, &["\u{feff}", "\0", "=", "\"", "[", "]", "#", "é", " ", "."]),
                );
            }
            _ => lines.truncate(line.max(1)),
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n")
}

#[test]
fn crafted_settings_are_refused_or_sound() {
    let cases = env::var("CRAFTED_SETTINGS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3_000);
    let wholes = Preset::ALL.map(|preset| (preset, preset.config().to_toml().unwrap()));
    let mut accepted = 0;
    for case in 0..cases {
        let mut random = stream(1, "crafted settings", case);
        let (preset, whole) = &wholes[random.random_range(0..wholes.len())];
        let text = craft(whole, &mut random);
        let read = catch_unwind(AssertUnwindSafe(|| TrainingConfig::from_toml(*preset, &text)));
        let read = read.unwrap_or_else(|_| panic!("case {case} panics:\n{text}"));
        match read {
            Ok(config) => {
                accepted += 1;
                config
                    .check()
                    .unwrap_or_else(|error| panic!("case {case} is accepted, but {error}:\n{text}"));
                let again = TrainingConfig::from_toml(*preset, &config.to_toml().unwrap()).unwrap();
                assert_eq!(again, config, "case {case}:\n{text}");
            }
            Err(error) => assert!(!error.to_string().is_empty(), "case {case}"),
        }
    }
    assert!(accepted > cases / 50 && accepted < cases, "{accepted} of {cases} are accepted");
}

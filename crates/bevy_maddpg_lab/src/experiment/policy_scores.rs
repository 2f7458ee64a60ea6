//! `evaluations.csv`: one row per policy that was evaluated during training.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use bevy_maddpg::write_atomically;

use super::OutputError;
use crate::statistics::PolicyScore;

/// The first line.
const HEADER: &str = "decisions,policy_version,episodes,mean,min";

/// Adds a row. Creates the file if there is none.
pub(super) fn append(path: &Path, score: &PolicyScore) -> Result<(), OutputError> {
    let PolicyScore { decisions, policy_version, episodes, mean, min } = score;
    let is_new = !path.exists();
    let mut text = if is_new { format!("{HEADER}\n") } else { String::new() };
    text += &format!("{decisions},{policy_version},{episodes},{mean},{min}\n");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(OutputError::io("write", path))
}

/// The score of the policy with this version, from the last row with it.
pub(super) fn of(path: &Path, version: u64) -> Option<PolicyScore> {
    let rows = csv::Reader::from_path(path).ok()?.into_deserialize();
    rows.flatten().filter(|score: &PolicyScore| score.policy_version == version).last()
}

/// Removes the rows of policies that were taken after `decisions`, which a resumed run has not reached again, except those of the
/// policy with the version `best`, which is still there.
pub(super) fn cut(path: &Path, decisions: u64, best: Option<u64>) -> Result<(), OutputError> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(()) };
    let is_kept = |line: &&str| {
        let mut cells = line.split(',').map(|cell| cell.parse::<u64>().ok());
        let (at, version) = (cells.next().flatten(), cells.next().flatten());
        at.is_none_or(|at| at <= decisions) || (version.is_some() && version == best)
    };
    let kept: String = text.split_inclusive('\n').filter(is_kept).collect();
    if kept == text {
        return Ok(());
    }
    write_atomically(path, kept.as_bytes()).map_err(OutputError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_added_and_those_after_a_checkpoint_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluations.csv");
        for decisions in [10, 20, 30, 40] {
            let score = PolicyScore {
                decisions,
                policy_version: decisions / 10,
                mean: 1.5,
                ..PolicyScore::default()
            };
            append(&path, &score).unwrap();
        }
        assert_eq!(of(&path, 3).unwrap().decisions, 30);
        cut(&path, 20, Some(4)).unwrap();
        assert_eq!(of(&path, 3), None);
        assert_eq!(of(&path, 4).unwrap().decisions, 40, "the best policy is not forgotten");
        cut(&path, 20, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEADER}\n10,1,0,1.5,0\n20,2,0,1.5,0\n"));
        assert!(cut(&folder.path().join("none.csv"), 1, None).is_ok());
    }
}

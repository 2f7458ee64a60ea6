//! The past policies of self-play, which are kept in the run's folder, so that a resumed run goes on with them.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bevy::prelude::*;
use bevy_maddpg::{
    policy::PolicySnapshot,
    self_play::{RivalKind, SelfPlay},
    write_atomically,
};

use super::{ExperimentError, eprintln_line, output_error::OutputError};

/// Keeps the past policies in `folder`, one file each, named after the joint decisions after which it was taken. If the run is
/// resumed after `resumed` joint decisions, loads those taken until then. Does nothing for games without self-play.
pub(super) fn add(app: &mut App, folder: PathBuf, resumed: Option<u64>) -> Result<(), ExperimentError> {
    let Some(mut play) = app.world_mut().get_resource_mut::<SelfPlay>() else { return Ok(()) };
    if let Some(last) = resumed {
        let ratings = ratings(&folder);
        for (decisions, path) in files(&folder).into_iter().filter(|(decisions, _)| *decisions <= last) {
            let rating = ratings.get(&decisions).copied();
            play.add_past(Arc::new(PolicySnapshot::load(&path)?), decisions, rating);
        }
    }
    fs::create_dir_all(&folder).map_err(OutputError::io("create", &folder))?;
    app.add_systems(Last, move |play: Res<SelfPlay>, mut kept: Local<Vec<u64>>| {
        if play.is_changed()
            && let Err(error) = keep(&play, &folder, &mut kept)
        {
            eprintln_line(&error.to_string());
        }
    });
    Ok(())
}

/// Writes the past policies that are new, and removes the files of those that were dropped.
fn keep(play: &SelfPlay, folder: &Path, kept: &mut Vec<u64>) -> Result<(), Box<dyn std::error::Error>> {
    let past: Vec<u64> = play.pool().rivals().iter().filter_map(|rival| rival.decisions).collect();
    if past == *kept {
        return Ok(());
    }
    for rival in play.pool().rivals() {
        if let (Some(decisions), RivalKind::Policy(policy)) = (rival.decisions, &rival.kind)
            && !kept.contains(&decisions)
        {
            policy.save(file(folder, decisions))?;
        }
    }
    for (_, path) in files(folder).into_iter().filter(|(decisions, _)| !past.contains(decisions)) {
        fs::remove_file(path)?;
    }
    let mut text = String::from("decisions,rating\n");
    for rival in play.pool().rivals() {
        if let (Some(decisions), Some(rating)) = (rival.decisions, rival.rating) {
            text += &format!("{decisions},{rating:.1}\n");
        }
    }
    write_atomically(&folder.join(RATINGS), text.as_bytes())?;
    *kept = past;
    Ok(())
}

/// The file with the ratings of the past policies.
const RATINGS: &str = "ratings.csv";

/// The ratings of the past policies, by joint decisions, as far as they can be read.
fn ratings(folder: &Path) -> HashMap<u64, f32> {
    let text = fs::read_to_string(folder.join(RATINGS)).unwrap_or_default();
    let row = |line: &str| {
        let (decisions, rating) = line.split_once(',')?;
        Some((decisions.parse().ok()?, rating.parse().ok().filter(|rating: &f32| rating.is_finite())?))
    };
    text.lines().filter_map(row).collect()
}

fn file(folder: &Path, decisions: u64) -> PathBuf {
    folder.join(format!("{decisions}.safetensors"))
}

/// The files of past policies, oldest first.
fn files(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries
        .filter_map(|path| {
            let decisions = path.file_name()?.to_str()?.strip_suffix(".safetensors")?.parse().ok()?;
            Some((decisions, path))
        })
        .collect();
    files.sort_unstable();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::{
        policy::{AgentSpec, ArenaSpec},
        self_play::SelfPlayPlugin,
    };

    /// The past policies of a run in this folder, after adding one per number.
    fn run(folder: &Path, resumed: Option<u64>, new: &[u64]) -> Vec<u64> {
        let groups = ArenaSpec::new(vec![AgentSpec::new("a", 1, 1)]).groups(true).unwrap();
        let policy = Arc::new(PolicySnapshot::zeros(&groups).unwrap());
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin { snapshots: 3, ..SelfPlayPlugin::default() });
        add(&mut app, folder.into(), resumed).unwrap();
        for decisions in new {
            app.world_mut().resource_mut::<SelfPlay>().add_past(
                policy.clone(),
                *decisions,
                Some(*decisions as f32),
            );
            app.update();
        }
        let rivals = app.world().resource::<SelfPlay>().pool().rivals();
        assert!(rivals.iter().all(|rival| rival.rating == rival.decisions.map(|decisions| decisions as f32)));
        rivals.iter().filter_map(|rival| rival.decisions).collect()
    }

    #[test]
    fn a_resumed_run_goes_on_with_its_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rivals");
        let first = run(&path, None, &[10, 20, 30, 40]);
        assert_eq!(first.len(), 3);
        let kept: Vec<u64> = files(&path).into_iter().map(|(decisions, _)| decisions).collect();
        assert_eq!(kept, first, "files of dropped policies are removed");
        assert_eq!(run(&path, Some(40), &[]), first);
        assert_eq!(run(&path, Some(40), &[50]).last(), Some(&50));
        assert!(!run(&path, Some(45), &[]).contains(&50), "the run has not reached it again");
    }

    #[test]
    fn a_damaged_past_policy_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("40.safetensors"), b"no policy").unwrap();
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin::default());
        let error = add(&mut app, folder.path().into(), Some(40)).unwrap_err().to_string();
        assert!(error.contains("40.safetensors"), "{error}");
    }
}

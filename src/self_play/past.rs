//! The past policies of self-play as files. A training that is continued loads them again.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Pool, RivalKind, SelfPlay};
use crate::{
    policy::{PolicyError, PolicySnapshot},
    write_atomically,
};

/// A past policy of self-play, without the policy itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PastPolicy {
    /// The number of joint decisions after which it was the newest policy.
    pub decisions: u64,
    /// Its [rating](Pool::rating) at that time; `None` if it is not known.
    pub rating: Option<f32>,
}

/// A folder with the past policies of self-play and their ratings. Each policy has its own file, whose name is the number of joint
/// decisions after which the policy was taken. [`Autosave`](crate::training::Autosave) keeps such a folder by itself. Use this type if
/// your game saves its training in another way.
#[derive(Debug, Clone)]
pub struct PastPolicies {
    folder: PathBuf,
    /// The policies that the folder has, each as its number of joint decisions.
    kept: Vec<u64>,
}

impl PastPolicies {
    /// The past policies in this folder, which [`save`](Self::save) creates if it does not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), kept: Vec::new() }
    }

    /// Adds to self-play the policies that were taken within the first `decisions` joint decisions. Use it if the training continues from
    /// there, so that later policies do not belong to it.
    ///
    /// # Errors
    /// The first file that is damaged or that is not a policy. Then no policy is added.
    pub fn load(&mut self, play: &mut SelfPlay, decisions: u64) -> Result<(), PolicyError> {
        let ratings = ratings(&self.folder);
        let files = files(&self.folder).into_iter().filter(|(taken, _)| *taken <= decisions);
        let past =
            files.map(|(taken, _)| PastPolicy { decisions: taken, rating: ratings.get(&taken).copied() });
        self.add(play, &past.collect::<Vec<_>>())
    }

    /// Adds these `past` policies to self-play, except those whose files are missing. Use it if the training continues from a checkpoint
    /// after `decisions` joint decisions, with the list that [`Pool::past`] gave when the checkpoint was written.
    ///
    /// # Errors
    /// The first file that is damaged or that is not a policy. Then no policy is added.
    pub fn load_these(
        &mut self,
        play: &mut SelfPlay,
        past: &[PastPolicy],
        decisions: u64,
    ) -> Result<(), PolicyError> {
        self.add(play, past)?;
        play.go_on(decisions);
        Ok(())
    }

    fn add(&mut self, play: &mut SelfPlay, past: &[PastPolicy]) -> Result<(), PolicyError> {
        let files = files(&self.folder);
        let there = past.iter().filter_map(|past| {
            let (_, path) = files.iter().find(|(taken, _)| *taken == past.decisions)?;
            Some((past, path))
        });
        let policies = there.map(|(past, path)| Ok((past, Arc::new(PolicySnapshot::load(path)?))));
        // Adds all of them, or none if one cannot be read.
        for (past, policy) in policies.collect::<Result<Vec<_>, PolicyError>>()? {
            play.add_past(policy, past.decisions, past.rating);
            self.kept.push(past.decisions);
        }
        Ok(())
    }

    /// Whether there are files of past policies.
    #[cfg(feature = "learner")]
    pub(crate) fn are_there(&self) -> bool {
        !files(&self.folder).is_empty()
    }

    /// Whether the folder and the pool contain different past policies, so that [`save`](Self::save) would change the folder.
    pub fn is_stale(&self, pool: &Pool) -> bool {
        !pool.rivals().iter().filter_map(|rival| rival.decisions).eq(self.kept.iter().copied())
    }

    /// Writes the past policies that are new, and removes the files of those that the pool has dropped. It keeps the files of the `needed`
    /// policies, with which the training would continue from its last checkpoint.
    ///
    /// # Errors
    /// Which file or folder could not be written or removed, and why.
    pub fn save(&mut self, pool: &Pool, needed: &[PastPolicy]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let past: Vec<u64> = pool.rivals().iter().filter_map(|rival| rival.decisions).collect();
        let create = |error| format!("cannot create `{}`: {error}", self.folder.display());
        fs::create_dir_all(&self.folder).map_err(create)?;
        for rival in pool.rivals() {
            if let (Some(decisions), RivalKind::Policy(policy)) = (rival.decisions, &rival.kind)
                && !self.kept.contains(&decisions)
            {
                policy.save(file(&self.folder, decisions))?;
            }
        }
        let is_needed =
            |taken: &u64| past.contains(taken) || needed.iter().any(|past| past.decisions == *taken);
        for (_, path) in files(&self.folder).into_iter().filter(|(taken, _)| !is_needed(taken)) {
            let remove = |error| format!("cannot remove `{}`: {error}", path.display());
            fs::remove_file(&path).map_err(remove)?;
        }
        let mut text = String::from("decisions,rating\n");
        for rival in pool.rivals() {
            if let (Some(decisions), Some(rating)) = (rival.decisions, rival.rating) {
                text += &format!("{decisions},{rating:.1}\n");
            }
        }
        let path = self.folder.join(RATINGS);
        let write = |error| format!("cannot write `{}`: {error}", path.display());
        write_atomically(&path, text.as_bytes()).map_err(write)?;
        self.kept = past;
        Ok(())
    }
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
    use bevy::app::App;

    use super::*;
    use crate::{
        policy::{AgentSpec, ArenaSpec},
        self_play::SelfPlayPlugin,
    };

    /// The past policies of a training in this folder that is continued after `decisions` joint decisions, after adding one per number.
    fn train(folder: &Path, decisions: u64, new: &[u64]) -> Vec<u64> {
        train_and_keep(folder, decisions, new, &[])
    }

    /// The same, without removing the files that are `needed`.
    fn train_and_keep(folder: &Path, decisions: u64, new: &[u64], needed: &[PastPolicy]) -> Vec<u64> {
        let groups = ArenaSpec::new(vec![AgentSpec::new("a", 1, 1)]).groups(true).unwrap();
        let policy = Arc::new(PolicySnapshot::zeros(&groups).unwrap());
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin { snapshots: 3, ..SelfPlayPlugin::default() });
        let mut play = app.world_mut().resource_mut::<SelfPlay>();
        let mut past = PastPolicies::new(folder);
        past.load(&mut play, decisions).unwrap();
        for &decisions in new {
            play.add_past(policy.clone(), decisions, Some(decisions as f32));
            assert!(past.is_stale(play.pool()));
            past.save(play.pool(), needed).unwrap();
            assert!(!past.is_stale(play.pool()));
        }
        let rivals = play.pool().rivals();
        assert!(rivals.iter().all(|rival| rival.rating == rival.decisions.map(|decisions| decisions as f32)));
        rivals.iter().filter_map(|rival| rival.decisions).collect()
    }

    #[test]
    fn a_continued_training_goes_on_with_its_past() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("past");
        let first = train(&folder, 0, &[10, 20, 30, 40]);
        assert_eq!(first.len(), 3);
        let kept: Vec<u64> = files(&folder).into_iter().map(|(decisions, _)| decisions).collect();
        assert_eq!(kept, first, "files of dropped policies are removed");
        assert_eq!(train(&folder, 40, &[]), first);
        assert_eq!(train(&folder, 40, &[50]).last(), Some(&50));
        assert!(!train(&folder, 45, &[]).contains(&50), "the training has not reached it again");
    }

    #[test]
    fn a_training_continues_with_the_past_policies_of_its_checkpoint() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("past");
        train(&folder, 0, &[10, 20, 30]);
        let past =
            [10, 20, 30].map(|decisions| PastPolicy { decisions, rating: Some(1.0 + decisions as f32) });
        let later = train_and_keep(&folder, 30, &[40, 50], &past);
        assert!(!past.iter().all(|past| later.contains(&past.decisions)), "some were dropped: {later:?}");
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin { snapshots: 3, ..SelfPlayPlugin::default() });
        let mut play = app.world_mut().resource_mut::<SelfPlay>();
        PastPolicies::new(&folder).load_these(&mut play, &past, 35).unwrap();
        assert_eq!(play.pool().past(), past);
    }

    #[test]
    fn a_damaged_past_policy_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("40.safetensors"), b"no policy").unwrap();
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin::default());
        let mut play = app.world_mut().resource_mut::<SelfPlay>();
        let error = PastPolicies::new(folder.path()).load(&mut play, 40).unwrap_err().to_string();
        assert!(error.contains("40.safetensors"), "{error}");
    }
}

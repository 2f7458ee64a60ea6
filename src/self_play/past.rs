//! The past policies of self-play as files, so that a training that is continued goes on with them.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Pool, RivalKind, SelfPlay};
use crate::{
    policy::{PolicyError, PolicySnapshot},
    write_atomically,
};

/// A folder with the past policies of self-play: one file each, named after the joint decisions after which it was taken, and their
/// ratings. [`Autosave`](crate::training::Autosave) keeps one; a game that saves its training itself can keep its own.
#[derive(Debug, Clone)]
pub struct PastPolicies {
    folder: PathBuf,
    /// Those that are there, by joint decisions.
    kept: Vec<u64>,
}

impl PastPolicies {
    /// Those in a folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), kept: Vec::new() }
    }

    /// Adds those to self-play that were taken within the first `decisions` joint decisions; later ones do not belong to a training that
    /// goes on from there.
    ///
    /// # Errors
    /// The first file that is damaged or that is not a policy.
    pub fn load(&mut self, play: &mut SelfPlay, decisions: u64) -> Result<(), PolicyError> {
        self.load_if(play, |taken| taken <= decisions)
    }

    /// Adds those that were taken after these numbers of joint decisions, as far as they are there. The training goes on after
    /// `decisions`.
    #[cfg(feature = "learner")]
    pub(crate) fn load_these(
        &mut self,
        play: &mut SelfPlay,
        taken: &[u64],
        decisions: u64,
    ) -> Result<(), PolicyError> {
        self.load_if(play, |number| taken.contains(&number))?;
        play.go_on(decisions);
        Ok(())
    }

    fn load_if(&mut self, play: &mut SelfPlay, is_wanted: impl Fn(u64) -> bool) -> Result<(), PolicyError> {
        let ratings = ratings(&self.folder);
        let wanted = files(&self.folder).into_iter().filter(|(taken, _)| is_wanted(*taken));
        let policies = wanted.map(|(taken, path)| Ok((taken, Arc::new(PolicySnapshot::load(path)?))));
        // All of them or none.
        for (taken, policy) in policies.collect::<Result<Vec<_>, PolicyError>>()? {
            play.add_past(policy, taken, ratings.get(&taken).copied());
            self.kept.push(taken);
        }
        Ok(())
    }

    /// Whether the folder lacks something that is in the pool, or the other way round.
    pub fn is_stale(&self, pool: &Pool) -> bool {
        !pool.rivals().iter().filter_map(|rival| rival.decisions).eq(self.kept.iter().copied())
    }

    /// Writes the past policies that are new, and removes the files of those that were dropped.
    ///
    /// # Errors
    /// What could not be written or removed.
    pub fn save(&mut self, pool: &Pool) -> Result<(), Box<dyn Error + Send + Sync>> {
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
        for (_, path) in files(&self.folder).into_iter().filter(|(decisions, _)| !past.contains(decisions)) {
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
            past.save(play.pool()).unwrap();
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

//! The past policies of self-play, which are kept in the run's folder, so that a resumed run goes on with them.

use std::path::PathBuf;

use bevy::prelude::*;
use bevy_maddpg::self_play::{PastPolicies, PastPolicy, SelfPlay};

use super::{
    ExperimentError, eprintln_line,
    run_state::{Earlier, RunState},
};

/// The past policies in the folder of the run.
#[derive(Resource, Debug)]
pub(super) struct SavedRivals {
    past: PastPolicies,
    /// Those that the checkpoint requested last names, and those that the one before it names. The learner writes checkpoints in the
    /// background, so that the one on the disk may be either. Their files stay, whatever self-play drops.
    named: [Vec<PastPolicy>; 2],
}

impl SavedRivals {
    /// Keeps the files that a checkpoint with this state, which is requested now, will name.
    /// If the one before `has_failed`, an older one is on the disk.
    pub(super) fn keep_those_of(&mut self, state: &RunState, has_failed: bool) {
        let [last, before] = &mut self.named;
        let replaced = std::mem::replace(last, state.past.clone().unwrap_or_default());
        if !has_failed {
            *before = replaced;
        }
    }
}

/// The system in [`Last`] that saves past policies, before a checkpoint names them.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RivalSystems;

/// Keeps the past policies in `folder`. A resumed run goes on with those that the checkpoint of its `earlier` part names. Does nothing for
/// games without self-play.
pub(super) fn add(app: &mut App, folder: PathBuf, earlier: Option<&Earlier>) -> Result<(), ExperimentError> {
    let Some(mut play) = app.world_mut().get_resource_mut::<SelfPlay>() else { return Ok(()) };
    let mut past = PastPolicies::new(folder);
    let decisions = earlier.map_or(0, Earlier::decisions);
    match earlier.and_then(|earlier| earlier.state.as_ref()?.past.as_deref()) {
        Some(taken) => past.load_these(&mut play, taken, decisions)?,
        None => past.load(&mut play, decisions)?,
    }
    let named = [play.pool().past(), Vec::new()];
    app.insert_resource(SavedRivals { past, named }).add_systems(Last, save.in_set(RivalSystems));
    Ok(())
}

/// Saves past policies that are new, and removes those that nobody needs any more.
fn save(play: Res<SelfPlay>, mut rivals: ResMut<SavedRivals>) {
    if play.is_changed() && rivals.past.is_stale(play.pool()) {
        let needed = rivals.named.concat();
        if let Err(error) = rivals.past.save(play.pool(), &needed) {
            eprintln_line(&error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use bevy_maddpg::{
        policy::{AgentSpec, ArenaSpec, PolicySnapshot},
        self_play::SelfPlayPlugin,
    };

    use super::*;
    use crate::statistics::{ScoreBoard, Thinning};

    /// An app with self-play that keeps two past policies in this folder.
    fn app(folder: &Path, earlier: Option<&Earlier>) -> App {
        let mut app = App::new();
        app.add_plugins(SelfPlayPlugin { snapshots: 2, ..SelfPlayPlugin::default() });
        add(&mut app, folder.into(), earlier).unwrap();
        app
    }

    /// Takes a past policy and saves it.
    fn take(app: &mut App, decisions: u64) {
        let groups = ArenaSpec::new(vec![AgentSpec::new("a", 1, 1)]).groups(true).unwrap();
        let policy = Arc::new(PolicySnapshot::zeros(&groups).unwrap());
        app.world_mut().resource_mut::<SelfPlay>().add_past(policy, decisions, None);
        app.world_mut().run_schedule(Last);
    }

    fn taken(app: &App) -> Vec<u64> {
        app.world().resource::<SelfPlay>().pool().past().iter().map(|past| past.decisions).collect()
    }

    /// The state in a checkpoint that is requested now.
    fn checkpoint(app: &mut App) -> RunState {
        let state = RunState {
            seconds: 1.0,
            decisions: 30,
            board: ScoreBoard::new(None).save(),
            episodes: Thinning::new(1),
            reports: Thinning::new(1),
            lesson: None,
            lesson_scores: Vec::new(),
            past: Some(app.world().resource::<SelfPlay>().pool().past()),
        };
        app.world_mut().resource_mut::<SavedRivals>().keep_those_of(&state, false);
        state
    }

    #[test]
    fn a_killed_run_finds_all_past_policies_that_its_checkpoint_names() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("rivals");
        let mut trained = app(&folder, None);
        [10, 20].into_iter().for_each(|decisions| take(&mut trained, decisions));
        let state = checkpoint(&mut trained);
        let named = taken(&trained);
        assert_eq!(named, [10, 20]);
        // The next checkpoint is requested, but the process is killed before it is written.
        [30, 40].into_iter().for_each(|decisions| take(&mut trained, decisions));
        checkpoint(&mut trained);
        take(&mut trained, 50);
        assert!(!taken(&trained).contains(&20), "{:?}", taken(&trained));

        let earlier = Earlier { state: Some(state), transitions: 30, updates: 1 };
        let mut resumed = app(&folder, Some(&earlier));
        assert_eq!(taken(&resumed), named, "not those that were taken later");
        take(&mut resumed, 35);
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
        let files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        for name in ["10", "20", "35"] {
            assert!(files.contains(&format!("{name}.safetensors")), "{name} is not in {files:?}");
        }
        assert!(!files.contains(&"50.safetensors".into()), "nobody needs it: {files:?}");
    }
}

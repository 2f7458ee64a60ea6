use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bevy::prelude::*;

use super::{Autosave, Training};
use crate::{
    problems::warn,
    rollout::Arenas,
    self_play::{PastPolicies, SelfPlay},
};

/// The past policies of self-play in the folder of [`Autosave`]. A separate thread writes them, so that no frame waits for a disk.
#[derive(Debug)]
pub(super) struct SavedPast {
    state: State,
    /// The time after which a save that failed is tried again, and when it failed.
    retry: Duration,
    failed: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// The first learner has not started yet.
    New(PastPolicies),
    /// The folder is as it was at the last save.
    Saved(PastPolicies),
    Saving(JoinHandle<(PastPolicies, Result<(), String>)>),
    /// They cannot be loaded, or they belong to another training, so the files stay as they are.
    Unreadable,
}

impl SavedPast {
    pub(super) fn new(autosave: &Autosave) -> Self {
        Self { state: State::New(PastPolicies::new(autosave.past())), retry: autosave.every, failed: None }
    }

    /// Waits for the thread that is saving.
    fn join(&mut self) {
        if !matches!(self.state, State::Saving(_)) {
            return;
        }
        let State::Saving(thread) = std::mem::replace(&mut self.state, State::Unreadable) else { return };
        let Ok((past, result)) = thread.join() else { return };
        self.state = State::Saved(past);
        self.failed = result.is_err().then(Instant::now);
        if let Err(error) = result {
            warn(&format!("the past policies of self-play could not be saved: {error}"));
        }
    }

    /// Starts to save the changes.
    fn save(&mut self, play: &SelfPlay) {
        if let State::Saving(thread) = &self.state
            && thread.is_finished()
        {
            self.join();
        }
        let State::Saved(past) = &self.state else { return };
        if !past.is_stale(play.pool()) || self.failed.is_some_and(|failed| failed.elapsed() < self.retry) {
            return;
        }
        let (mut past, pool) = (past.clone(), play.pool().clone());
        let thread = thread::Builder::new().name("past policies".into()).spawn(move || {
            let result = past.save(&pool, &[]).map_err(|error| error.to_string());
            (past, result)
        });
        match thread {
            Ok(thread) => self.state = State::Saving(thread),
            Err(error) => {
                warn(&format!("the past policies of self-play could not be saved: {error}"));
                self.failed = Some(Instant::now());
            }
        }
    }

    /// Saves the changes, and waits until they are written.
    fn finish(&mut self, play: &SelfPlay) {
        self.join();
        // This is the last try, even if an earlier one has just failed.
        self.failed = None;
        self.save(play);
        self.join();
    }
}

impl Drop for SavedPast {
    fn drop(&mut self) {
        self.join();
    }
}

/// Loads the past policies in the folder as soon as a learner has started, if the folder has a checkpoint of the kind of arenas that plays
/// against them. Without a checkpoint, the training starts from nothing and must not play against the policies of another training.
pub(super) fn load(mut training: ResMut<Training>, arenas: Res<Arenas>, play: Option<ResMut<SelfPlay>>) {
    let Some(SavedPast { state: State::New(past), .. }) = &training.past else { return };
    let (Some(mut play), Some(kind)) = (play, arenas.kind_with_teams()) else { return };
    if training.threads().next().is_none() {
        return;
    }
    let mut past = past.clone();
    let Some(autosave) = &training.plugin.autosave else { return };
    let continues = autosave.checkpoint(kind.name()).exists();
    let are_of_another = !continues && autosave.has_checkpoint() && past.are_there();
    let folder = autosave.past();
    let Some(saved) = &mut training.past else { return };
    saved.state = match if continues { past.load(&mut play, u64::MAX) } else { Ok(()) } {
        Ok(()) if are_of_another => {
            warn(&format!(
                "`{}` has past policies of self-play, but there is no checkpoint of `{}` beside it, so they belong to another training. They are \
                 neither used nor replaced, and this training saves none; move them to another folder to save those of this training",
                folder.display(),
                kind.name()
            ));
            State::Unreadable
        }
        Ok(()) => State::Saved(past),
        Err(error) => {
            warn(&format!(
                "a past policy of self-play cannot be loaded: {error}. Self-play continues without past policies and saves none; remove the file \
                 and start again to use the others"
            ));
            State::Unreadable
        }
    };
}

/// Saves the past policies when there are new ones.
pub(super) fn save(play: Option<Res<SelfPlay>>, mut training: ResMut<Training>) {
    if let (Some(play), Some(saved)) = (play, &mut training.past) {
        saved.save(&play);
    }
}

/// Saves the past policies that are not saved yet when the app exits.
pub(super) fn save_at_exit(
    mut exits: MessageReader<AppExit>,
    play: Option<Res<SelfPlay>>,
    mut training: ResMut<Training>,
) {
    if exits.read().next().is_none() {
        return;
    }
    if let (Some(play), Some(saved)) = (play, &mut training.past) {
        saved.finish(&play);
    }
}

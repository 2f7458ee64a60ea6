use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bevy::prelude::*;

use super::Training;
use crate::{
    problems::warn,
    rollout::RolloutClock,
    self_play::{PastPolicies, SelfPlay},
};

/// The past policies of self-play in the folder of [`Autosave`](super::Autosave). A thread of their own writes them, so that no frame
/// waits for a disk.
#[derive(Resource, Debug)]
pub(super) struct SavedPast {
    state: State,
    /// The time after which a save that failed is tried again, and when it failed.
    retry: Duration,
    failed: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Before the learner starts.
    New(PastPolicies),
    /// The folder is as it was at the last save.
    Saved(PastPolicies),
    Saving(JoinHandle<(PastPolicies, Result<(), String>)>),
    /// They cannot be loaded, so those on the disk stay as they are.
    Unreadable,
}

impl SavedPast {
    pub(super) fn new(past: PastPolicies, retry: Duration) -> Self {
        Self { state: State::New(past), retry, failed: None }
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
}

/// Goes on with the past policies of the training that the learner continues, as soon as it has started.
pub(super) fn load(
    training: Res<Training>,
    clock: Res<RolloutClock>,
    play: Option<ResMut<SelfPlay>>,
    mut saved: ResMut<SavedPast>,
) {
    let (Some(mut play), State::New(past)) = (play, &saved.state) else { return };
    if training.latest_policy().is_none() {
        return;
    }
    saved.state = match past.load(&mut play, clock.decisions) {
        Ok(()) => State::Saved(past.clone()),
        Err(error) => {
            warn(&format!(
                "self-play goes on without its past policies, and does not save new ones: {error}; to start without this one, remove it"
            ));
            State::Unreadable
        }
    };
}

/// Saves the past policies when there are new ones.
pub(super) fn save(play: Option<Res<SelfPlay>>, mut saved: ResMut<SavedPast>) {
    let Some(play) = play else { return };
    if let State::Saving(thread) = &saved.state
        && thread.is_finished()
    {
        saved.join();
    }
    let State::Saved(past) = &saved.state else { return };
    if !past.is_stale(play.pool()) || saved.failed.is_some_and(|failed| failed.elapsed() < saved.retry) {
        return;
    }
    let (mut past, pool) = (past.clone(), play.pool().clone());
    let thread = thread::Builder::new().name("past policies".into()).spawn(move || {
        let result = past.save(&pool).map_err(|error| error.to_string());
        (past, result)
    });
    match thread {
        Ok(thread) => saved.state = State::Saving(thread),
        Err(_) => saved.failed = Some(Instant::now()),
    }
}

/// Saves the past policies that are not saved yet when the app exits.
pub(super) fn save_at_exit(
    mut exits: MessageReader<AppExit>,
    play: Option<Res<SelfPlay>>,
    mut saved: ResMut<SavedPast>,
) {
    if exits.read().next().is_none() {
        return;
    }
    saved.join();
    if let (Some(play), State::Saved(past)) = (play, &mut saved.state)
        && past.is_stale(play.pool())
        && let Err(error) = past.save(play.pool())
    {
        warn(&format!("the past policies of self-play could not be saved: {error}"));
    }
}

use std::{fs, io::ErrorKind};

use bevy::prelude::*;

use super::Training;
use crate::{
    parameters::{Curriculum, LessonStarted},
    problems::warn,
    rollout::RolloutClock,
    write_atomically,
};

/// Goes on with the lesson of the training that the learner continues, as soon as it has started.
pub(super) fn load(
    training: Res<Training>,
    clock: Res<RolloutClock>,
    curriculum: Option<ResMut<Curriculum>>,
    mut is_loaded: Local<bool>,
) {
    let Some(mut curriculum) = curriculum.filter(|_| !*is_loaded && training.latest_policy().is_some())
    else {
        return;
    };
    *is_loaded = true;
    let Some(autosave) = training.plugin.autosave.as_ref().filter(|_| clock.decisions > 0) else { return };
    let path = autosave.lesson();
    match fs::read_to_string(&path) {
        Ok(name) if curriculum.resume(name.trim()) => {}
        Ok(name) => warn(&format!(
            "`{}` names the lesson `{}`, which the curriculum does not have: the first lesson starts",
            path.display(),
            name.trim()
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => warn(&format!("cannot read `{}`: {error}; the first lesson starts", path.display())),
    }
}

/// Saves which lesson has started.
pub(super) fn save(started: On<LessonStarted>, training: Res<Training>) {
    let Some(autosave) = &training.plugin.autosave else { return };
    let path = autosave.lesson();
    if let Err(error) = write_atomically(&path, started.name.as_bytes()) {
        warn(&format!("cannot write `{}`: {error}", path.display()));
    }
}

//! What [`Autosave`](super::Autosave) notes in a checkpoint besides the state of the learner.

use std::{collections::HashSet, fmt};

use bevy::{ecs::system::SystemParam, prelude::*};

use super::Training;
use crate::{parameters::Curriculum, problems::warn, rollout::Arenas};

/// The state of the game's training when a checkpoint was written. A line of text for each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// Joint decisions of the learner's arenas, also those whose transitions the learner did not receive.
    pub(super) decisions: u64,
    /// The lesson of the curriculum, if there is one.
    pub(super) lesson: Option<String>,
}

impl Note {
    /// Reads a note. What it does not understand is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut note = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("decisions", number)) => note.decisions = number.parse().unwrap_or(0),
                Some(("lesson", name)) => note.lesson = Some(name.into()),
                _ => {}
            }
        }
        note
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "decisions {}", self.decisions)?;
        if let Some(lesson) = &self.lesson {
            writeln!(f, "lesson {}", lesson.replace('\n', " "))?;
        }
        Ok(())
    }
}

/// Where the numbers of a [`Note`] come from.
#[derive(SystemParam)]
pub(super) struct Noted<'w> {
    arenas: Res<'w, Arenas>,
    curriculum: Option<Res<'w, Curriculum>>,
}

impl Noted<'_> {
    /// The note for the learner of a kind of arenas, as text.
    pub(super) fn note(&self, kind: &str) -> String {
        let kind = self.arenas.kinds().iter().find(|known| known.name() == kind);
        let lesson = self.curriculum.as_ref().and_then(|curriculum| curriculum.lesson());
        let note = Note {
            decisions: kind.map_or(0, |kind| kind.decisions),
            lesson: lesson.map(|lesson| lesson.name.clone()),
        };
        note.to_string()
    }
}

/// If a learner continues a training, continues with the lesson of that training, before the first parameters are drawn. If the
/// checkpoints of several learners name different lessons, the last of these lessons counts.
pub(super) fn resume_lesson(
    training: Res<Training>,
    arenas: Res<Arenas>,
    mut curriculum: ResMut<Curriculum>,
    mut known: Local<HashSet<String>>,
) {
    for kind in arenas.kinds().iter().filter(|kind| kind.arenas() > 0) {
        if !known.insert(kind.name().into()) {
            continue;
        }
        let Some(name) = training.plugin.autosaved_note(kind.name()).and_then(|note| note.lesson) else {
            continue;
        };
        if !curriculum.resume(&name) {
            let present = curriculum.lesson().map_or("", |lesson| &lesson.name);
            warn(&format!(
                "the saved training was in the lesson `{name}`, but the curriculum has no such lesson. It continues in the lesson `{present}`"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back() {
        let note = Note { decisions: 7, lesson: Some("any speed".into()) };
        assert_eq!(Note::parse(&note.to_string()), note);
        assert_eq!(Note::parse(&Note::default().to_string()), Note::default());
        assert_eq!(Note::parse("what a game has noted\ndecisions x"), Note::default());
    }
}

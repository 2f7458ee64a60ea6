//! What [`Autosave`](super::Autosave) notes in a checkpoint besides the state of the learner.

use std::fmt;

use bevy::{ecs::system::SystemParam, prelude::*};

use crate::{parameters::Curriculum, rollout::Arenas, self_play::SelfPlay};

/// The state of the game's training when a checkpoint was written. A line of text for each field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// Joint decisions of the learner's arenas, also those whose transitions the learner did not receive.
    pub(super) decisions: u64,
    /// The lesson of the curriculum, if there is one.
    pub(super) lesson: Option<String>,
    /// The past policies of self-play, by the joint decisions after which they were taken.
    pub(super) past: Vec<u64>,
}

impl Note {
    /// Reads a note. What it does not understand is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut note = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("decisions", number)) => note.decisions = number.parse().unwrap_or(0),
                Some(("lesson", name)) => note.lesson = Some(name.into()),
                Some(("past", numbers)) => {
                    note.past = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
                }
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
        let past: Vec<String> = self.past.iter().map(u64::to_string).collect();
        writeln!(f, "past {}", past.join(" "))
    }
}

/// Where the numbers of a [`Note`] come from.
#[derive(SystemParam)]
pub(super) struct Noted<'w> {
    arenas: Res<'w, Arenas>,
    curriculum: Option<Res<'w, Curriculum>>,
    play: Option<Res<'w, SelfPlay>>,
}

impl Noted<'_> {
    /// The note for the learner of a kind of arenas, as text.
    pub(super) fn note(&self, kind: &str) -> String {
        let kind = self.arenas.kinds().iter().find(|known| known.name() == kind);
        let lesson = self.curriculum.as_ref().and_then(|curriculum| curriculum.lesson());
        let rivals = self.play.iter().flat_map(|play| play.pool().rivals());
        let note = Note {
            decisions: kind.map_or(0, |kind| kind.decisions),
            lesson: lesson.map(|lesson| lesson.name.clone()),
            past: rivals.filter_map(|rival| rival.decisions).collect(),
        };
        note.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back() {
        let note = Note { decisions: 7, lesson: Some("any speed".into()), past: vec![10, 20] };
        assert_eq!(Note::parse(&note.to_string()), note);
        assert_eq!(Note::parse(&Note::default().to_string()), Note::default());
        assert_eq!(Note::parse("what a game has noted\npast x 3"), Note { past: vec![3], ..Note::default() });
    }
}

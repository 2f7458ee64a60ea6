//! What [`Autosave`](super::Autosave) notes in a checkpoint besides the state of the learner.

use std::fmt;

use bevy::{ecs::system::SystemParam, prelude::*};

use crate::{
    parameters::Curriculum,
    rollout::Arenas,
    self_play::{PastPolicy, SelfPlay},
};

/// The state of the game's training when a checkpoint was written. A line of text for each field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Note {
    /// Joint decisions of the learner's arenas, also those whose transitions the learner did not receive.
    pub(super) decisions: u64,
    /// The lesson of the curriculum, if there is one.
    pub(super) lesson: Option<String>,
    /// The past policies of self-play.
    pub(super) past: Vec<PastPolicy>,
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
                    note.past = numbers.split(' ').filter_map(past_policy).collect();
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
        let text = |past: &PastPolicy| match past.rating {
            Some(rating) => format!("{}:{rating}", past.decisions),
            None => past.decisions.to_string(),
        };
        let past: Vec<String> = self.past.iter().map(text).collect();
        writeln!(f, "past {}", past.join(" "))
    }
}

/// Reads a past policy: the joint decisions after which it was taken, and its rating if there is one.
fn past_policy(text: &str) -> Option<PastPolicy> {
    let (decisions, rating) = text.split_once(':').unwrap_or((text, ""));
    Some(PastPolicy { decisions: decisions.parse().ok()?, rating: rating.parse().ok() })
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
        let note = Note {
            decisions: kind.map_or(0, |kind| kind.decisions),
            lesson: lesson.map(|lesson| lesson.name.clone()),
            past: self.play.as_ref().map_or(Vec::new(), |play| play.pool().past()),
        };
        note.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back() {
        let unrated = PastPolicy { decisions: 20, rating: None };
        let rated = PastPolicy { decisions: 10, rating: Some(1_012.345_6) };
        let note = Note { decisions: 7, lesson: Some("any speed".into()), past: vec![rated, unrated] };
        assert_eq!(Note::parse(&note.to_string()), note);
        assert_eq!(Note::parse(&Note::default().to_string()), Note::default());
        assert_eq!(
            Note::parse("what a game has noted\npast x 3"),
            Note { past: vec![PastPolicy { decisions: 3, ..unrated }], ..Note::default() }
        );
    }
}

use std::time::{Duration, Instant};

use bevy::prelude::*;

use super::{LearnerReport, Training};
use crate::{problems::Problems, rollout::Experience, transition::TransitionBlock};

/// In lockstep, waits for the learners. With any pace, it also starts to measure the time that the game spends on them.
pub(super) fn synchronize(mut training: ResMut<Training>) {
    training.wait_start = Some(Instant::now());
    for thread in training.learners.iter_mut().filter_map(|learner| learner.thread.as_mut()) {
        thread.synchronize();
    }
}

/// Sends the transitions since the last decision to the learners.
pub(super) fn hand_over(mut training: ResMut<Training>, mut experience: ResMut<Experience>) {
    let training = &mut *training;
    let mut has_sent = false;
    for (kind, learner) in training.learners.iter_mut().enumerate() {
        let Some(thread) = &mut learner.thread else {
            experience.stop_recording(kind);
            continue;
        };
        if experience.completed(kind).is_none_or(TransitionBlock::is_empty) {
            continue;
        }
        let block = experience.exchange(kind, std::mem::take(&mut learner.spare));
        learner.spare = thread.send(block);
        has_sent = true;
    }
    if let Some(start) = training.wait_start.take_if(|_| has_sent) {
        training.waits.push(start.elapsed());
    }
}

/// Sends the reports of the learners, and reports what went wrong.
pub(super) fn report(
    training: Res<Training>,
    mut reports: MessageWriter<LearnerReport>,
    mut problems: ResMut<Problems>,
    mut told: Local<Vec<String>>,
    mut last: Local<Option<Instant>>,
) {
    // No reader needs reports more often than this.
    if last.is_some_and(|last| last.elapsed() < Duration::from_millis(50)) {
        return;
    }
    *last = Some(Instant::now());
    for learner in &training.learners {
        let kind = &learner.kind;
        if let Some(thread) = &learner.thread {
            reports.write_batch(thread.records().map(|record| LearnerReport { kind: kind.clone(), record }));
            let while_saving = thread.dropped_while_saving();
            if while_saving > 0 {
                problems.tell("dropped while saving", kind, || {
                    format!(
                        "{while_saving} joint transitions were dropped while the learner wrote a checkpoint; save less often, or \
                         without the replay buffer"
                    )
                });
            }
            let dropped = thread.dropped() - while_saving;
            if dropped > 0 {
                problems.tell("dropped", kind, || {
                    format!(
                        "the learner cannot keep up: {dropped} joint transitions have been dropped so far; lower \
                         `updates_per_decision`, use fewer arenas or smaller networks, or choose `Pace::Balanced`"
                    )
                });
            }
        }
        if let Some(failure) = learner.failure().filter(|_| !told.contains(kind)) {
            told.push(kind.clone());
            crate::problems::warn(&failure);
        }
    }
}

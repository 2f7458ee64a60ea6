//! Agents for which scripts decide, through an [`ActionOverride`].

use bevy::prelude::*;
use bevy_maddpg::{
    agent::ActionOverride,
    random::{Random, stream},
    self_play::PlayedBy,
};
use rand::RngExt;

use crate::game::{PlayedByPerson, Scripted};

/// Those agents. While a person plays one, its script leaves it alone.
pub(super) type ByScript = (Or<(With<Scripted>, With<PlayedBy>)>, Without<PlayedByPerson>);

/// Sets what an agent does from its next decision on. `present` is its override, if it has one.
pub(super) fn decide(
    commands: &mut Commands,
    agent: Entity,
    present: Option<Mut<ActionOverride>>,
    action: &[f32],
) {
    match present {
        Some(mut present) => present.0.copy_from_slice(action),
        None => _ = commands.entity(agent).try_insert(ActionOverride(action.to_vec())),
    }
}

/// Draws the actions of players that act at random and keep each action for three decisions.
pub(super) struct Dice {
    random: Random,
    decisions: u64,
}

impl Default for Dice {
    fn default() -> Self {
        Self { random: stream(0, "random players", 0), decisions: 0 }
    }
}

impl Dice {
    /// The next action of a player; `None` if it keeps the one that it has.
    pub(super) fn draw<const SIZE: usize>(&mut self, has_action: bool) -> Option<[f32; SIZE]> {
        let keeps = has_action && !self.decisions.is_multiple_of(3);
        (!keeps).then(|| std::array::from_fn(|_| self.random.random_range(-1.0..=1.0)))
    }

    /// All players have decided.
    pub(super) fn end_decision(&mut self) {
        self.decisions += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_action_is_kept_for_three_decisions() {
        let mut dice = Dice::default();
        let drawn: Vec<bool> = (0..7)
            .map(|_| {
                let action: Option<[f32; 2]> = dice.draw(true);
                dice.end_decision();
                action.is_some()
            })
            .collect();
        assert_eq!(drawn, [true, false, false, true, false, false, true]);
        assert!(dice.draw::<2>(false).is_some(), "a newcomer has none to keep");
    }
}

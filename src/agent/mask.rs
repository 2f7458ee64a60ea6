use bevy::prelude::*;

use crate::{policy::ActionSpace, typed::Choice};

/// Which choices an agent can make at the next decision. Every agent whose [`ActionSpace`] has a branch has this component.
///
/// Before each run of the schedule [`Observe`](crate::rollout::Observe), the mask is set back, so that all choices are possible. In
/// `Observe`, the game forbids the choices that are not possible. The policy never makes a forbidden choice, and the learner takes
/// the mask into account.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// #[derive(Component)]
/// struct Ammunition(u32);
///
/// /// Who has no ammunition cannot shoot.
/// fn forbid_shooting(mut guards: Query<(&Ammunition, &mut ActionMask)>) {
///     for (ammunition, mut mask) in &mut guards {
///         if ammunition.0 == 0 {
///             mask.forbid("shoot", "yes");
///         }
///     }
/// }
/// # let mut app = App::new();
/// # app.add_plugins(RolloutPlugin::default()).add_systems(Observe, forbid_shooting);
/// ```
#[derive(Component, Reflect, Debug, Clone, Default)]
#[reflect(Component, Default, from_reflect = false)]
pub struct ActionMask {
    #[reflect(ignore)]
    space: ActionSpace,
    /// For each choice of each branch, 1 if it is possible and 0 if not.
    possible: Vec<f32>,
    /// What was wrong with a call that had no effect.
    #[reflect(ignore)]
    refused: Option<String>,
}

impl ActionMask {
    pub(super) fn new(space: ActionSpace) -> Self {
        Self { possible: vec![1.0; space.choices()], space, refused: None }
    }

    /// Forbids a choice of the branch with this name. `choice` is the name of the choice, its index, a `bool`, or a value of the enum
    /// that derives [`AgentAction`](crate::typed::AgentAction). An unknown branch or choice has no effect and is reported in
    /// [`Problems`](crate::problems::Problems).
    pub fn forbid(&mut self, branch: &str, choice: impl Choice) {
        let index = self.space.branches().iter().position(|known| known.name == branch);
        let place = index.and_then(|index| choice.place(&self.space.branches()[index]));
        match (index, place) {
            (Some(index), Some(place)) => self.set(index, place, false),
            (Some(_), None) => {
                self.refused = Some(format!("the branch `{branch}` has no such choice in {}", self.space))
            }
            (None, _) => self.refused = Some(format!("there is no branch `{branch}` in {}", self.space)),
        }
    }

    /// Sets whether a choice is possible. `branch` and `choice` are indices. An index that does not exist has no effect and is
    /// reported in [`Problems`](crate::problems::Problems).
    pub fn set(&mut self, branch: usize, choice: usize, is_possible: bool) {
        match self.column(branch, choice) {
            Some(column) => self.possible[column] = f32::from(is_possible),
            None => {
                self.refused =
                    Some(format!("there is no choice {choice} of the branch {branch} in {}", self.space));
            }
        }
    }

    /// Whether a choice is possible. `branch` and `choice` are indices. False if there is no such choice.
    pub fn is_possible(&self, branch: usize, choice: usize) -> bool {
        self.column(branch, choice).is_some_and(|column| self.possible[column] != 0.0)
    }

    /// The index of a choice in `possible`, if there is such a choice.
    fn column(&self, branch: usize, choice: usize) -> Option<usize> {
        let is_branch = branch < self.space.branches().len();
        is_branch.then(|| self.space.mask_columns(branch)).and_then(|mut columns| columns.nth(choice))
    }

    /// For each choice of each branch, 1 if it is possible and 0 if not.
    pub(crate) fn possible(&self) -> &[f32] {
        &self.possible
    }

    /// Makes all choices possible.
    pub(crate) fn clear(&mut self) {
        self.possible.fill(1.0);
    }

    /// If no choice of a branch is possible, makes all of its choices possible. Returns what was wrong with the mask, if anything.
    pub(crate) fn mend(&mut self) -> Option<String> {
        let mut reason = self.refused.take();
        for (index, branch) in self.space.branches().iter().enumerate() {
            let possible = &mut self.possible[self.space.mask_columns(index)];
            if !possible.is_empty() && possible.iter().all(|possible| *possible == 0.0) {
                possible.fill(1.0);
                reason = Some(format!(
                    "every choice of the branch `{}` is forbidden, so all are allowed",
                    branch.name
                ));
            }
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_forbidden_by_name_or_place_until_the_next_observation() {
        let space = ActionSpace::of_numbers(2).with_choices("move", 3).with_branch("throw", ["no", "yes"]);
        let mut mask = ActionMask::new(space);
        mask.forbid("throw", "yes");
        mask.set(0, 1, false);
        assert_eq!(mask.possible(), [1.0, 0.0, 1.0, 1.0, 0.0]);
        assert!(!mask.is_possible(1, 1) && mask.is_possible(1, 0) && !mask.is_possible(2, 0));
        assert_eq!(mask.mend(), None);
        mask.forbid("throw", "maybe");
        assert!(mask.mend().is_some_and(|reason| reason.contains("`throw` (no, yes)")));
        mask.forbid("trow", "yes");
        assert!(mask.mend().is_some_and(|reason| reason.contains("no branch `trow`")));
        mask.forbid("throw", "no");
        assert!(mask.mend().is_some_and(|reason| reason.contains("`throw` is forbidden")));
        assert_eq!(mask.possible(), [1.0, 0.0, 1.0, 1.0, 1.0]);
        mask.clear();
        assert_eq!(mask.possible(), [1.0; 5]);
    }
}

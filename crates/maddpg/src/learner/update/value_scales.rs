//! How the scales of the policies' values begin and change, update by update.

use super::{Learner, LearnerError};
use crate::learner::engine::Setup;

impl Learner {
    /// Makes a first guess of the value scales that have none yet, if there are rewards to guess from. The critics'
    /// outputs are not adjusted: as long as all rewards are 0, they are only noise around 0 in any scale.
    pub(super) fn guess_values(&mut self) {
        let Setup { config, groups, fates, .. } = &*self.setup;
        if !config.normalize_values {
            return;
        }
        for (values, group) in self.values.iter_mut().zip(groups) {
            if values.can_be_guessed() {
                values.guess(&self.replay, &group.group.slots, fates, config.gamma);
            }
        }
    }

    /// Moves the running means of each policy's values towards the targets of the last critic update. These targets also
    /// stand for those of the updates since the previous measurement.
    pub(super) fn follow_values(&mut self) {
        let updates = self.updates - self.followed;
        self.followed = self.updates;
        for ((values, measures), total) in self.values.iter_mut().zip(&self.measures).zip(&self.totals) {
            // A minibatch without any decision of this policy says nothing about its values.
            if values.is_guessed && !total.is_empty && measures.target_square.is_finite() {
                values.follow(measures.target_mean, measures.target_square, updates);
            }
        }
    }

    /// Sets each policy's value scale to its running means.
    pub(super) fn rescale_values(&mut self) -> Result<(), LearnerError> {
        for (index, values) in self.values.iter_mut().enumerate() {
            if values.is_guessed {
                let rescaling = values.adopt();
                self.engine.rescale_values(index, rescaling)?;
            }
        }
        Ok(())
    }
}

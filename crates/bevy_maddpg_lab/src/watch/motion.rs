use bevy::{math::StableInterpolate, transform::components::Transform};

/// What a visual shows after the last two steps of an episode. Between steps it moves smoothly; when a new episode begins, it jumps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Motion<T> {
    /// Number of the episode; `None` before the first step.
    episode: Option<u64>,
    steps: [T; 2],
}

impl<T: Copy> Motion<T> {
    /// A visual that shows this until the first step.
    pub(super) fn at(start: T) -> Self {
        Self { episode: None, steps: [start; 2] }
    }

    /// What it showed after the last step; `None` if that was in another episode than the one with this number.
    pub(super) fn last_of(&self, episode: u64) -> Option<T> {
        (self.episode == Some(episode)).then_some(self.steps[1])
    }

    /// Notes what it shows after a step.
    pub(super) fn record(&mut self, episode: u64, now: T) {
        self.record_from(episode, self.last_of(episode).unwrap_or(now), now);
    }

    /// Notes what it shows before and after a step.
    pub(super) fn record_from(&mut self, episode: u64, before: T, now: T) {
        (self.episode, self.steps) = (Some(episode), [before, now]);
    }

    /// After the last two steps, the older one first.
    pub(super) fn steps(&self) -> [T; 2] {
        self.steps
    }
}

impl<T: StableInterpolate + Copy> Motion<T> {
    /// What it shows at `share` (0 to 1) of the way between the last two steps.
    pub(super) fn between(&self, share: f32) -> T {
        let [before, now] = &self.steps;
        before.interpolate_stable(now, share)
    }
}

/// The pose at `share` (0 to 1) of the way from one to the next, with the scale of the next.
pub(super) fn between_poses(before: Transform, now: Transform, share: f32) -> Transform {
    Transform {
        translation: before.translation.lerp(now.translation, share),
        rotation: before.rotation.slerp(now.rotation, share),
        scale: now.scale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visual_moves_smoothly_and_jumps_to_a_new_episode() {
        let mut motion = Motion::at(0.0_f32);
        motion.record(7, 2.0);
        assert_eq!(motion.between(0.5), 2.0, "the first step of an episode is where it starts");
        motion.record(7, 4.0);
        assert_eq!(motion.between(0.5), 3.0);
        assert_eq!((motion.last_of(7), motion.last_of(8)), (Some(4.0), None));
        motion.record(8, -1.0);
        assert_eq!(motion.steps(), [-1.0; 2]);
    }
}

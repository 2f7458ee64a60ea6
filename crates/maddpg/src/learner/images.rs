//! Images among the observations: the networks that see them, and how they are moved in minibatches.

use rand::{Rng, RngExt};

use super::{LearnerConfig, replay::MOST_FRAMES};
use crate::policy::{AgentSpec, ArenaSpec, Encoder, SpecError};

impl LearnerConfig {
    /// The convolutions of a network whose inputs are what `agent` observes, then `further` numbers; `None` if it observes no
    /// image.
    ///
    /// # Errors
    /// If the convolutions do not fit the image.
    pub(super) fn encoder(&self, agent: &AgentSpec, further: usize) -> Result<Option<Encoder>, SpecError> {
        Encoder::new(agent, further, &self.convolutions).map_err(|reason| SpecError::Image {
            behavior: agent.behavior.clone(),
            reason: format!("{reason}; change the size of the image or `convolutions`"),
        })
    }

    /// Checks that images of the agents fit the convolutions and the replay buffer.
    ///
    /// # Errors
    /// If they do not fit.
    pub(super) fn check_images(&self, spec: &ArenaSpec) -> Result<(), SpecError> {
        for agent in &spec.slots {
            let Some(image) = agent.image else { continue };
            self.encoder(agent, 0)?;
            let most = MOST_FRAMES / (2 * image.frames * spec.agents());
            let reason = if self.mirror.contains_key(&agent.behavior) {
                "mirror images of transitions with images are not supported; remove `mirror`".into()
            } else if self.image_shift >= image.width.min(image.height) {
                format!(
                    "`image_shift` is {}, but it has only {} x {} pixels; lower `image_shift`",
                    self.image_shift, image.width, image.height
                )
            } else if self.replay_capacity > most {
                format!(
                    "`replay_capacity` is {}, but with {} frames in an observation and {} agents, it can be at most {most}; lower \
                     `replay_capacity`",
                    self.replay_capacity,
                    image.frames,
                    spec.agents()
                )
            } else {
                continue;
            };
            return Err(SpecError::Image { behavior: agent.behavior.clone(), reason });
        }
        Ok(())
    }
}

/// One channel of one frame in a joint observation, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plane {
    start: usize,
    width: usize,
    height: usize,
}

/// All images in joint observations of arenas of `spec`.
pub(super) fn planes(spec: &ArenaSpec) -> Vec<Plane> {
    let agents = spec.slots.iter().enumerate();
    let images = agents.filter_map(|(slot, agent)| Some((slot, agent, agent.image?)));
    let planes = images.flat_map(|(slot, agent, image)| {
        let offset = spec.observation_offset(slot);
        let plane = move |start| Plane { start: offset + start, width: image.width, height: image.height };
        image.planes(agent.observation_size).map(plane)
    });
    planes.collect()
}

/// By how many pixels images are moved, to the left and up; negative numbers move them to the right and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift([i32; 2]);

impl Shift {
    /// A random shift by up to `most` pixels.
    pub(super) fn draw(most: usize, random: &mut impl Rng) -> Self {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        Self([0; 2].map(|_| random.random_range(-most..=most)))
    }

    /// Moves one image of an observation. The pixels that become free repeat the edge of the image.
    pub(super) fn apply(self, observation: &mut [f32], plane: &Plane, moved: &mut Vec<f32>) {
        let Plane { start, width, height } = *plane;
        let pixels = &mut observation[start..start + width * height];
        moved.clear();
        moved.extend_from_slice(pixels);
        let [left, up] = self.0;
        let source = |place: usize, by: i32, size: usize| {
            (place as i64 + i64::from(by)).clamp(0, size as i64 - 1) as usize
        };
        for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
            let from = &moved[source(y, up, height) * width..][..width];
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = from[source(x, left, width)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::{Device, Learner},
        policy::ImageSpec,
    };

    #[test]
    fn a_moved_image_repeats_its_edge() {
        let mut observation = vec![9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0];
        let plane = Plane { start: 1, width: 3, height: 2 };
        Shift([1, -1]).apply(&mut observation, &plane, &mut Vec::new());
        assert_eq!(observation, [9.0, 2.0, 3.0, 3.0, 2.0, 3.0, 3.0, 9.0]);
    }

    #[test]
    fn images_that_do_not_fit_are_refused_with_what_to_do() {
        let agent = |behavior: &str| AgentSpec::new(behavior, 64, 1).with_image(ImageSpec::grey(8, 8));
        let refused = |config: LearnerConfig, spec: ArenaSpec| {
            Learner::new(config, spec, Device::cpu(), 0).unwrap_err().to_string()
        };
        let alone = || ArenaSpec::new(vec![agent("eye")]);
        let default = || LearnerConfig { replay_capacity: 2_000, ..LearnerConfig::default() };
        let error = refused(default(), alone());
        assert!(error.contains("`eye`") && error.contains("filters of 3 x 3"), "{error}");
        let convolutions = vec![crate::policy::Convolution { filters: 4, kernel: 3, stride: 2 }];
        let fitting = || LearnerConfig { convolutions: convolutions.clone(), ..default() };
        assert!(Learner::new(fitting(), alone(), Device::cpu(), 0).is_ok());
        let error = refused(LearnerConfig { image_shift: 8, ..fitting() }, alone());
        assert!(error.contains("lower `image_shift`"), "{error}");
        let error = refused(LearnerConfig { replay_capacity: 1 << 24, ..fitting() }, alone());
        assert!(error.contains("at most 8388608"), "{error}");
        let two = || ArenaSpec::new(vec![agent("eye"), AgentSpec::new("ear", 2, 1)]);
        let error = refused(fitting(), two());
        assert!(error.contains("name `eye` in `own_observation`"), "{error}");
        let own = vec!["eye".to_owned(), "ear".to_owned()];
        assert!(
            Learner::new(LearnerConfig { own_observation: own, ..fitting() }, two(), Device::cpu(), 0)
                .is_ok()
        );
    }
}

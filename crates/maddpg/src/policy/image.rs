use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// The part of an observation that is an image.
///
/// An observation consists of `frames` frames of equal size, the oldest first. Each frame starts with its pixels, as
/// brightness from 0 to 1: channel by channel, and each channel row by row from the top. Other numbers may follow.
/// [Convolutions](super::Convolution) process the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Numbers per pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Number of frames in an observation.
    pub frames: usize,
}

impl fmt::Display for ImageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, channels, frames } = self;
        write!(f, "an image of {width} x {height} pixels with {channels} channels in {frames} frames")
    }
}

impl ImageSpec {
    /// A grey image of one frame.
    pub fn grey(width: usize, height: usize) -> Self {
        Self { width, height, channels: 1, frames: 1 }
    }

    /// Number of the image's numbers in one frame; `usize::MAX` if there are too many to count.
    pub fn frame_size(&self) -> usize {
        self.width.saturating_mul(self.height).saturating_mul(self.channels)
    }

    /// Checks that the image fits an observation of this many numbers.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub(crate) fn check(&self, observation_size: usize) -> Result<(), String> {
        let Self { frames, .. } = *self;
        let size = self.frame_size();
        if size == 0 || frames == 0 {
            return Err(format!("it has {self}, expected 1 or more of each"));
        }
        if !observation_size.is_multiple_of(frames) || observation_size / frames < size {
            return Err(format!(
                "{self} needs {size} numbers in each frame, but it observes {observation_size} numbers"
            ));
        }
        Ok(())
    }

    /// Where the pixels of each frame are in an observation of this many numbers.
    pub(crate) fn pixels(self, observation_size: usize) -> impl Iterator<Item = Range<usize>> {
        let (step, size) = (observation_size / self.frames, self.frame_size());
        (0..self.frames).map(move |frame| frame * step..frame * step + size)
    }

    /// Where each channel of each frame starts in an observation of this many numbers.
    pub(crate) fn planes(self, observation_size: usize) -> impl Iterator<Item = usize> {
        let size = self.width * self.height;
        let channels = self.channels;
        self.pixels(observation_size)
            .flat_map(move |pixels| (0..channels).map(move |channel| pixels.start + channel * size))
    }

    /// Where the numbers that are not pixels are in an observation of this many numbers.
    pub(crate) fn others(self, observation_size: usize) -> impl Iterator<Item = Range<usize>> {
        let step = observation_size / self.frames;
        self.pixels(observation_size)
            .map(move |pixels| pixels.end..pixels.start + step)
            .filter(|range| !range.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_divided_into_pixels_and_other_numbers() {
        let image = ImageSpec { frames: 2, ..ImageSpec::grey(3, 2) };
        assert_eq!(image.pixels(16).collect::<Vec<_>>(), [0..6, 8..14]);
        assert_eq!(image.others(16).collect::<Vec<_>>(), [6..8, 14..16]);
        assert_eq!(image.others(12).count(), 0);
        assert_eq!(image.check(12), Ok(()));
        for (wrong, size) in [(image, 11), (image, 10), (ImageSpec { frames: 0, ..image }, 12)] {
            assert!(wrong.check(size).is_err(), "{wrong:?}");
        }
    }
}

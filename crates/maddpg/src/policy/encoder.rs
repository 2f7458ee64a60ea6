use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::AgentSpec;
use crate::kernels::Window;

/// The size of a convolutional layer. A ReLU follows it.
///
/// In files, it is a list of the three numbers: `[16, 4, 2]` has 16 filters of 4 x 4 pixels with a stride of 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct Convolution {
    /// Number of filters, which is also the number of channels of the layer's output.
    pub filters: usize,
    /// Width and height of the filters, in pixels of the layer's input.
    pub kernel: usize,
    /// Stride: the number of pixels from one position of a filter to the next.
    pub stride: usize,
}

impl From<[usize; 3]> for Convolution {
    fn from([filters, kernel, stride]: [usize; 3]) -> Self {
        Self { filters, kernel, stride }
    }
}

impl From<Convolution> for [usize; 3] {
    fn from(Convolution { filters, kernel, stride }: Convolution) -> Self {
        [filters, kernel, stride]
    }
}

/// The most numbers in all patches of one convolution together. They are in memory at the same time.
const MOST_IN_PATCHES: usize = 1 << 24;

/// Convolutional layers that turn the image in an observation into features.
///
/// The input of the first linear layer is the output of the last convolution (row by row, and for each pixel its filters),
/// followed by all other inputs of the network, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    inputs: usize,
    others: Vec<Range<usize>>,
    convolutions: Vec<Convolution>,
    layers: Vec<ConvolutionLayer>,
}

/// One convolutional layer: how its filters move, and where its parameters are in the flat slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvolutionLayer {
    pub(crate) window: Window,
    /// Number of filters.
    pub filters: usize,
    /// Weights, `[patch, filters]` row-major. The numbers of a patch are ordered by plane (a channel of a frame; the outputs of
    /// another convolution are one plane), row, column and filter of the layer below.
    pub weights: Range<usize>,
    /// Bias, `[filters]`.
    pub bias: Range<usize>,
}

impl ConvolutionLayer {
    /// Width and height of the layer's output.
    pub fn size(&self) -> [usize; 2] {
        [self.window.columns(), self.window.rows()]
    }

    /// How many numbers the layer's output has.
    pub fn outputs(&self) -> usize {
        self.window.positions() * self.filters
    }

    /// Number of inputs that one output depends on.
    pub fn patch(&self) -> usize {
        self.window.patch()
    }
}

impl Encoder {
    /// Convolutions for the image that `agent` observes, in a network whose inputs are the agent's observation, followed by
    /// `further` numbers. `None` if it observes no image.
    ///
    /// # Errors
    /// If the filters of a convolution are larger than what they read; the reason says what was found and what was expected.
    pub fn new(
        agent: &AgentSpec,
        further: usize,
        convolutions: &[Convolution],
    ) -> Result<Option<Self>, String> {
        let Some(image) = agent.image else { return Ok(None) };
        image.check(agent.observation_size)?;
        if convolutions.is_empty() {
            return Err("it observes an image, but there are no convolutions".into());
        }
        let mut planes: Vec<usize> = image.planes(agent.observation_size).collect();
        let (mut channels, mut size) = (1, [image.width, image.height]);
        let mut end = 0usize;
        let mut layers = Vec::with_capacity(convolutions.len());
        for (index, &Convolution { filters, kernel, stride }) in convolutions.iter().enumerate() {
            let [width, height] = size;
            if kernel == 0 || stride == 0 || filters == 0 {
                return Err(format!(
                    "convolution {index} has {filters} filters of {kernel} x {kernel} pixels with a stride of {stride}, expected 1 or \
                     more of each"
                ));
            }
            if kernel > width || kernel > height {
                return Err(format!(
                    "convolution {index} has filters of {kernel} x {kernel} pixels, but what it sees has only {width} x {height}"
                ));
            }
            let window = Window { planes, channels, width, height, kernel, stride };
            let patch = window.checked_patch();
            let weights = patch.and_then(|patch| patch.checked_mul(filters));
            let ends = weights.and_then(|weights| {
                let weights_end = end.checked_add(weights)?;
                Some((weights_end, weights_end.checked_add(filters)?))
            });
            let outputs = window.positions().checked_mul(filters);
            let (Some((weights_end, bias_end)), Some(_)) = (ends, outputs) else {
                return Err(format!("convolution {index} has too many filters: {filters}"));
            };
            let patches = patch.and_then(|patch| patch.checked_mul(window.positions()));
            if patches.is_none_or(|patches| patches > MOST_IN_PATCHES) {
                let positions = window.positions();
                return Err(format!(
                    "convolution {index} has {positions} places for filters of {kernel} x {kernel} pixels, so that they see more than \
                     {MOST_IN_PATCHES} numbers together, expected fewer or smaller filters, or a smaller image"
                ));
            }
            (planes, channels, size) = (vec![0], filters, [window.columns(), window.rows()]);
            layers.push(ConvolutionLayer {
                window,
                filters,
                weights: end..weights_end,
                bias: weights_end..bias_end,
            });
            end = bias_end;
        }
        let observation = agent.observation_size;
        let inputs = observation + further;
        let further = (further > 0).then_some(observation..inputs);
        Ok(Some(Self {
            inputs,
            others: image.others(observation).chain(further).collect(),
            convolutions: convolutions.to_vec(),
            layers,
        }))
    }

    /// Numbers in an input row of the network.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The sizes of the layers.
    pub fn convolutions(&self) -> &[Convolution] {
        &self.convolutions
    }

    /// The layers, first to last; at least one.
    pub fn layers(&self) -> &[ConvolutionLayer] {
        &self.layers
    }

    /// Number of features, which are the outputs of the last convolution.
    pub fn features(&self) -> usize {
        self.layers.last().map_or(0, ConvolutionLayer::outputs)
    }

    /// Number of inputs of the first linear layer: the features and the other inputs of the network.
    pub fn outputs(&self) -> usize {
        self.features() + self.others.iter().map(Range::len).sum::<usize>()
    }

    /// The ranges of the network's inputs that are not pixels.
    pub fn others(&self) -> &[Range<usize>] {
        &self.others
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }

    /// The columns of the first linear layer's input that hold these inputs of the network, which must not be pixels.
    pub(crate) fn columns(&self, inputs: Range<usize>) -> Range<usize> {
        let mut start = self.features();
        for other in &self.others {
            if other.start <= inputs.start && inputs.end <= other.end {
                start += inputs.start - other.start;
                return start..start + inputs.len();
            }
            start += other.len();
        }
        0..0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ImageSpec;

    fn agent(image: ImageSpec, size: usize) -> AgentSpec {
        AgentSpec::new("a", size, 1).with_image(image)
    }

    #[test]
    fn sizes_follow_from_the_image_and_the_filters() {
        let image = ImageSpec { frames: 3, ..ImageSpec::grey(32, 24) };
        let size = 3 * (32 * 24 + 2);
        let convolutions = [
            Convolution { filters: 16, kernel: 4, stride: 2 },
            Convolution { filters: 8, kernel: 3, stride: 2 },
        ];
        let encoder = Encoder::new(&agent(image, size), 5, &convolutions).unwrap().unwrap();
        let [first, second] = encoder.layers() else { panic!() };
        assert_eq!((first.size(), first.patch()), ([15, 11], 3 * 16));
        assert_eq!((second.size(), second.patch()), ([7, 5], 9 * 16));
        assert_eq!(encoder.features(), 7 * 5 * 8);
        assert_eq!(encoder.outputs(), 7 * 5 * 8 + 3 * 2 + 5);
        assert_eq!(encoder.parameters(), 48 * 16 + 16 + 144 * 8 + 8);
        assert_eq!(encoder.columns(size + 1..size + 3), 7 * 5 * 8 + 7..7 * 5 * 8 + 9);
    }

    #[test]
    fn filters_that_do_not_fit_are_refused() {
        let agent = agent(ImageSpec::grey(8, 4), 32);
        let reason = |kernel, stride| {
            Encoder::new(&agent, 0, &[Convolution { filters: 4, kernel, stride }]).unwrap_err()
        };
        assert!(reason(5, 1).contains("5 x 5 pixels, but what it sees has only 8 x 4"), "{}", reason(5, 1));
        assert!(reason(3, 0).contains("stride of 0"), "{}", reason(3, 0));
        assert!(Encoder::new(&agent, 0, &[]).is_err());
        let large = self::agent(ImageSpec::grey(1_000, 1_000), 1_000_000);
        let error = Encoder::new(&large, 0, &[[1, 500, 1].into()]).unwrap_err();
        assert!(error.contains("251001 places"), "{error}");
        assert_eq!(Encoder::new(&AgentSpec::new("a", 3, 1), 0, &[]), Ok(None));
    }
}

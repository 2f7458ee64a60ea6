//! The inputs of a convolution: the square patches of an image under the filters become the rows of a matrix. The convolution
//! is then a matrix product.

/// How a square window moves over an image of several planes. Each plane is row-major and has `channels` numbers per pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Where each plane starts in the image.
    pub(crate) planes: Vec<usize>,
    pub(crate) channels: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Width and height of the window, at most those of the image.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
}

impl Window {
    /// Places of the window from left to right.
    pub(crate) fn columns(&self) -> usize {
        (self.width - self.kernel) / self.stride + 1
    }

    /// Places of the window from top to bottom.
    pub(crate) fn rows(&self) -> usize {
        (self.height - self.kernel) / self.stride + 1
    }

    /// All places of the window.
    pub(crate) fn positions(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Numbers in the window at one place.
    pub(crate) fn patch(&self) -> usize {
        self.planes.len() * self.kernel * self.kernel * self.channels
    }

    /// As [`patch`](Self::patch); `None` if there are too many numbers to count.
    pub(crate) fn checked_patch(&self) -> Option<usize> {
        let square = self.kernel.checked_mul(self.kernel)?;
        square.checked_mul(self.channels)?.checked_mul(self.planes.len())
    }

    /// Length of a run: numbers that are side by side both in the image and in the patches. A run is one row of the
    /// window in one plane.
    fn run(&self) -> usize {
        self.kernel * self.channels
    }

    /// Calls `visit` with the start of each run in the image, in the order of the patches.
    #[inline(always)]
    fn for_each_run(&self, mut visit: impl FnMut(usize)) {
        let Self { planes, channels, width, kernel, stride, .. } = self;
        let (line, step) = (width * channels, stride * channels);
        for y in 0..self.rows() {
            for x in 0..self.columns() {
                let place = y * stride * line + x * step;
                for plane in planes {
                    for row in 0..*kernel {
                        visit(plane + place + row * line);
                    }
                }
            }
        }
    }

    /// Where each number of the patches is in the image, `[positions, patch]`.
    #[cfg(any(feature = "gpu", feature = "onnx", test))]
    pub(crate) fn indices(&self) -> Vec<usize> {
        let mut indices = Vec::with_capacity(self.positions() * self.patch());
        self.for_each_run(|start| indices.extend(start..start + self.run()));
        indices
    }
}

/// Copies the patches of an image, `[positions, patch]`.
pub(crate) fn gather_patches(patches: &mut [f32], image: &[f32], window: &Window) {
    // The runs of the first convolution are short. With a length that the compiler knows, they are copied without a call.
    match window.run() {
        2 => gather::<2>(patches, image, window),
        3 => gather::<3>(patches, image, window),
        4 => gather::<4>(patches, image, window),
        5 => gather::<5>(patches, image, window),
        8 => gather::<8>(patches, image, window),
        run => {
            let mut patches = patches.chunks_exact_mut(run);
            window.for_each_run(|start| {
                if let Some(patch) = patches.next() {
                    patch.copy_from_slice(&image[start..start + run]);
                }
            });
        }
    }
}

fn gather<const RUN: usize>(patches: &mut [f32], image: &[f32], window: &Window) {
    let mut patches = patches.as_chunks_mut::<RUN>().0.iter_mut();
    window.for_each_run(|start| {
        if let (Some(patch), Some(run)) = (patches.next(), image[start..].first_chunk::<RUN>()) {
            *patch = *run;
        }
    });
}

/// Adds patches, `[positions, patch]`, to an image: the transpose of [`gather_patches`].
pub(crate) fn scatter_patches(image: &mut [f32], patches: &[f32], window: &Window) {
    let run = window.run();
    let mut patches = patches.chunks_exact(run);
    window.for_each_run(|start| {
        if let Some(patch) = patches.next() {
            image[start..start + run].iter_mut().zip(patch).for_each(|(sum, x)| *sum += x);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn patches_are_ordered_by_place_plane_row_and_column() {
        let window = Window { planes: vec![0, 9], channels: 1, width: 3, height: 3, kernel: 2, stride: 1 };
        let image: Vec<f32> = (0..18).map(|x| x as f32).collect();
        let mut patches = vec![0.0; 4 * 8];
        gather_patches(&mut patches, &image, &window);
        assert_eq!(patches[..8], [0.0, 1.0, 3.0, 4.0, 9.0, 10.0, 12.0, 13.0]);
        assert_eq!(patches[24..], [4.0, 5.0, 7.0, 8.0, 13.0, 14.0, 16.0, 17.0]);
    }

    proptest! {
        #[test]
        fn scattering_is_the_transpose_of_gathering(
            (width, height, channels, planes) in (1usize..9, 1usize..9, 1usize..4, 1usize..4),
            kernel in 1usize..5,
            stride in 1usize..4,
            seed: u64,
        ) {
            prop_assume!(kernel <= width && kernel <= height);
            let plane = width * height * channels;
            let planes: Vec<usize> = (0..planes).map(|index| index * (plane + 2)).collect();
            let size = planes.len() * (plane + 2);
            let window = Window { planes, channels, width, height, kernel, stride };
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (image, patches) = (draw(size), draw(window.positions() * window.patch()));
            let (mut gathered, mut scattered) = (vec![0.0; patches.len()], vec![0.0; size]);
            gather_patches(&mut gathered, &image, &window);
            scatter_patches(&mut scattered, &patches, &window);
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let (left, right) = (product(&gathered, &patches), product(&image, &scattered));
            prop_assert!((left - right).abs() < 1e-3, "{left} and {right}");
        }
    }
}

use pulp::{Arch, Simd, WithSimd};

use super::tile::{Pair, VECTORS, for_tiles, load, store, tile_columns};

/// `gradient = inputsᵀ deltas`, or `gradient += inputsᵀ deltas` if `add`. The gradient is `[input_size, output_size]`,
/// the inputs are `[rows, input_size]`, the deltas are `[rows, output_size]`, all row-major.
///
/// # Panics
/// If the sizes do not match.
pub(crate) fn weight_gradient(
    gradient: &mut [f32],
    inputs: &[f32],
    input_size: usize,
    deltas: &[f32],
    output_size: usize,
    add: bool,
) {
    assert_eq!(gradient.len(), input_size * output_size, "`gradient` needs one number per weight");
    assert_eq!(inputs.len() * output_size, deltas.len() * input_size, "`inputs` and `deltas` differ in rows");
    Arch::new().dispatch(WeightGradient::new(gradient, inputs, input_size, deltas, output_size, add));
}

#[derive(Clone, Copy)]
struct Operand<'a> {
    rows: &'a [f32],
    size: usize,
}

struct WeightGradient<'a> {
    gradient: &'a mut [f32],
    left: Operand<'a>,
    right: Operand<'a>,
    /// Whether `left` holds the deltas.
    transposed: bool,
    add: bool,
}

impl<'a> WeightGradient<'a> {
    fn new(
        gradient: &'a mut [f32],
        inputs: &'a [f32],
        input_size: usize,
        deltas: &'a [f32],
        output_size: usize,
        add: bool,
    ) -> Self {
        let input = Operand { rows: inputs, size: input_size };
        let output = Operand { rows: deltas, size: output_size };
        // The right operand is read in vectors, so it should be the wider one.
        let transposed = output_size < 16 && input_size > output_size;
        let (left, right) = if transposed { (output, input) } else { (input, output) };
        Self { gradient, left, right, transposed, add }
    }
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradient, left, right, transposed, add } = self;
        let width = tile_columns::<S>();
        for from in (0..right.size).step_by(width) {
            let to = right.size.min(from + width);
            for_tiles!(S, index in left.size, COUNT => {
                let sums = if to - from == width {
                    sum_outer_products::<S, COUNT, true>(simd, left, index, right, from, to)
                } else {
                    sum_outer_products::<S, COUNT, false>(simd, left, index, right, from, to)
                };
                for (offset, sums) in sums.into_iter().enumerate() {
                    let at = index + offset;
                    if transposed {
                        let mut lanes = [0.0f32; 64];
                        store(simd, &mut lanes[..width], sums);
                        for (lane, column) in (from..to).enumerate() {
                            let slot = &mut gradient[column * left.size + at];
                            *slot = if add { *slot + lanes[lane] } else { lanes[lane] };
                        }
                    } else {
                        let slots = &mut gradient[at * right.size + from..at * right.size + to];
                        let [mut low, mut high] = sums;
                        if add {
                            let before = load(simd, slots);
                            low = simd.add_f32s(before[0], low);
                            high = simd.add_f32s(before[1], high);
                        }
                        store(simd, slots, [low, high]);
                    }
                }
            });
        }
    }
}

/// Sums `left[index..][..COUNT]` times `right[from..to]` over the rows. `WHOLE` means that the latter fills a pair.
#[inline(always)]
fn sum_outer_products<S: Simd, const COUNT: usize, const WHOLE: bool>(
    simd: S,
    left: Operand,
    index: usize,
    right: Operand,
    from: usize,
    to: usize,
) -> [Pair<S>; COUNT] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; COUNT];
    for (left, right) in left.rows.chunks_exact(left.size).zip(right.rows.chunks_exact(right.size)) {
        let left = &left[index..index + COUNT];
        let right = match S::as_simd_f32s(&right[from..to]).0 {
            [low, high] if WHOLE => [*low, *high],
            _ => load(simd, &right[from..to]),
        };
        for (sums, factor) in sums.iter_mut().zip(left) {
            let factor = simd.splat_f32s(*factor);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_e_f32s(factor, right, *sum);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::instruction_set::InstructionSet;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    proptest! {
        #[test]
        fn gradients_match_the_definition(rows in 0usize..30, inputs in 1usize..70, outputs in 1usize..70, add: bool, seed: u64) {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (x, deltas, before) = (draw(rows * inputs), draw(rows * outputs), draw(inputs * outputs));
            for set in InstructionSet::all() {
                let mut gradient = before.clone();
                set.run(WeightGradient::new(&mut gradient, &x, inputs, &deltas, outputs, add));
                for (index, (found, before)) in gradient.iter().zip(&before).enumerate() {
                    let (i, j) = (index / outputs, index % outputs);
                    let products = (0..rows).map(|r| f64::from(x[r * inputs + i]) * f64::from(deltas[r * outputs + j]));
                    let expected = if add { f64::from(*before) } else { 0.0 } + products.sum::<f64>();
                    prop_assert!((f64::from(*found) - expected).abs() < 1e-4, "{set:?}: {found}, expected {expected}");
                }
            }
        }
    }
}

use pulp::{Arch, Simd, WithSimd};

use super::{
    packed::{Pack, PackedMatrix},
    tile::{Pair, VECTORS, for_tiles, load, store, tile_columns, unrolled},
};

/// `gradient = inputsᵀ deltas`, or `gradient += inputsᵀ deltas` if `add`. The gradient is `[input_size, output_size]`,
/// the inputs are `[rows, input_size]`, the deltas are `[rows, output_size]`, all row-major. The deltas are copied to `packed`
/// where that saves time.
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
    packed: &mut PackedMatrix,
) {
    assert_eq!(gradient.len(), input_size * output_size, "`gradient` needs one number per weight");
    assert_eq!(inputs.len() * output_size, deltas.len() * input_size, "`inputs` and `deltas` differ in rows");
    let (inputs, deltas) =
        (Rows { data: inputs, size: input_size }, Rows { data: deltas, size: output_size });
    Arch::new().dispatch(WeightGradient { gradient, inputs, deltas, add, packed });
}

/// A row-major operand.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    size: usize,
}

struct WeightGradient<'a> {
    gradient: &'a mut [f32],
    inputs: Rows<'a>,
    deltas: Rows<'a>,
    add: bool,
    packed: &'a mut PackedMatrix,
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        /// With fewer inputs or outputs than this, packing the deltas takes longer than it saves.
        const LEAST_INPUTS: usize = 32;
        const LEAST_OUTPUTS: usize = 16;
        let pays = self.inputs.size >= LEAST_INPUTS && self.deltas.size >= LEAST_OUTPUTS;
        if pays && !self.deltas.data.is_empty() {
            self.by_panels(simd);
        } else {
            simd.vectorize(ByRows(self));
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn by_panels<S: Simd>(self, simd: S) {
        let Self { gradient, inputs, deltas, add, packed } = self;
        let (rows, output_size) = (deltas.data.len() / deltas.size, deltas.size);
        simd.vectorize(Pack { packed, matrix: deltas.data, rows, columns: output_size });
        let width = tile_columns::<S>();
        for (panel, from) in packed.data().chunks_exact(width * rows).zip((0..).step_by(width)) {
            let panel = Panel { gradient, inputs, panel, output_size, from, add };
            // Each case is a function of its own, because the compiler does not inline everything that it must into a
            // larger function.
            if from + width <= output_size {
                simd.vectorize(ByPanel::<true>(panel));
            } else {
                simd.vectorize(ByPanel::<false>(panel));
            }
        }
    }
}

/// The columns of a gradient that belong to one panel of the deltas. They start at column `from`.
struct Panel<'a> {
    gradient: &'a mut [f32],
    inputs: Rows<'a>,
    panel: &'a [f32],
    output_size: usize,
    from: usize,
    add: bool,
}

/// Computes some columns of the gradient. `WHOLE` means that all columns of the panel are used.
struct ByPanel<'a, const WHOLE: bool>(Panel<'a>);

impl<const WHOLE: bool> WithSimd for ByPanel<'_, WHOLE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { gradient, inputs, panel, output_size, from, add } = self.0;
        let to = if WHOLE { from + tile_columns::<S>() } else { output_size };
        let panel = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
        for_tiles!(S, index in inputs.size, COUNT => {
            let sums = sum_panel::<S, COUNT>(simd, inputs, index, panel);
            unrolled!(offset in COUNT => {
                let at = (index + offset) * output_size;
                write(simd, &mut gradient[at + from..at + to], sums[offset], add);
            });
        });
    }
}

/// Reads both operands without copying them.
struct ByRows<'a>(WeightGradient<'a>);

impl WithSimd for ByRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let WeightGradient { gradient, inputs, deltas, add, .. } = self.0;
        // The right operand is read in vectors, so it should be the wider one.
        let transposed = deltas.size < inputs.size;
        let (left, right) = if transposed { (deltas, inputs) } else { (inputs, deltas) };
        let width = tile_columns::<S>();
        for from in (0..right.size).step_by(width) {
            let to = right.size.min(from + width);
            for_tiles!(S, index in left.size, COUNT => {
                let sums = if to - from == width {
                    sum_rows::<S, COUNT, true>(simd, left, index, right, from, to)
                } else {
                    sum_rows::<S, COUNT, false>(simd, left, index, right, from, to)
                };
                unrolled!(offset in COUNT => {
                    let at = index + offset;
                    if transposed {
                        let mut lanes = [0.0f32; 64];
                        store(simd, &mut lanes[..width], sums[offset]);
                        for (lane, column) in (from..to).enumerate() {
                            let slot = &mut gradient[column * deltas.size + at];
                            *slot = if add { *slot + lanes[lane] } else { lanes[lane] };
                        }
                    } else {
                        let at = at * deltas.size;
                        write(simd, &mut gradient[at + from..at + to], sums[offset], add);
                    }
                });
            });
        }
    }
}

/// Sums `inputs[index..][..COUNT]` times a panel over the rows.
#[inline(always)]
fn sum_panel<S: Simd, const COUNT: usize>(
    simd: S,
    inputs: Rows,
    index: usize,
    panel: &[Pair<S>],
) -> [Pair<S>; COUNT] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; COUNT];
    let mut at = index;
    for right in panel {
        let factors = &inputs.data[at..at + COUNT];
        at += inputs.size;
        unrolled!(offset in COUNT => {
            let factor = simd.splat_f32s(factors[offset]);
            for (sum, right) in sums[offset].iter_mut().zip(*right) {
                *sum = simd.mul_add_e_f32s(factor, right, *sum);
            }
        });
    }
    sums
}

/// Sums `left[index..][..COUNT]` times `right[from..to]` over the rows. `WHOLE` means that the latter fills a pair.
#[inline(always)]
fn sum_rows<S: Simd, const COUNT: usize, const WHOLE: bool>(
    simd: S,
    left: Rows,
    index: usize,
    right: Rows,
    from: usize,
    to: usize,
) -> [Pair<S>; COUNT] {
    let to = if WHOLE { from + tile_columns::<S>() } else { to };
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; COUNT];
    let (mut left_at, mut right_at) = (index, 0);
    for _ in 0..left.data.len() / left.size {
        let factors = &left.data[left_at..left_at + COUNT];
        let right_row = load(simd, &right.data[right_at + from..right_at + to]);
        left_at += left.size;
        right_at += right.size;
        unrolled!(offset in COUNT => {
            let factor = simd.splat_f32s(factors[offset]);
            for (sum, right) in sums[offset].iter_mut().zip(right_row) {
                *sum = simd.mul_add_e_f32s(factor, right, *sum);
            }
        });
    }
    sums
}

/// Writes the sums to these slots, or adds them.
#[inline(always)]
fn write<S: Simd>(simd: S, slots: &mut [f32], sums: Pair<S>, add: bool) {
    let [mut low, mut high] = sums;
    if add {
        let before = load(simd, slots);
        low = simd.add_f32s(before[0], low);
        high = simd.add_f32s(before[1], high);
    }
    store(simd, slots, [low, high]);
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
                set.run(WeightGradient {
                    gradient: &mut gradient,
                    inputs: Rows { data: &x, size: inputs },
                    deltas: Rows { data: &deltas, size: outputs },
                    add,
                    packed: &mut PackedMatrix::default(),
                });
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

use pulp::{Arch, Simd, WithSimd};

use super::{
    packed::{Layout, PackedMatrix},
    tile::{Pair, VECTORS, for_tiles, load, store, tile_columns, unrolled},
};

/// The operation on a product before it is written.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// Nothing.
    Linear,
    /// Negative numbers become 0.
    Relu,
    /// Multiplies by the derivative of a ReLU: 0 where its outputs, these numbers, are not positive. As in PyTorch, the
    /// derivative at 0 is 0.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only the learner computes gradients"))]
    ReluDerivative(&'a [f32]),
}

/// `out = finish(a b + bias)`, where `a` is `[rows, b.rows]` and `out` is `[rows, b.columns]`, row-major. The order of
/// each sum does not depend on the number of rows, so a row gives the same result in any batch.
///
/// # Panics
/// If the sizes do not match.
pub(crate) fn multiply(out: &mut [f32], a: &[f32], b: &PackedMatrix, bias: Option<&[f32]>, finish: Finish) {
    assert_eq!(a.len() * b.columns, out.len() * b.rows, "`a` and `out` must have the same number of rows");
    assert!(bias.is_none_or(|bias| bias.len() == b.columns), "`bias` needs one number per column");
    if let Finish::ReluDerivative(outputs) = finish {
        assert_eq!(outputs.len(), out.len(), "`out` needs one ReLU output per number");
    }
    Arch::new().dispatch(Product { out, a, b, bias, finish });
}

struct Product<'a> {
    out: &'a mut [f32],
    a: &'a [f32],
    b: &'a PackedMatrix,
    bias: Option<&'a [f32]>,
    finish: Finish<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.b.layout() {
            Layout::Panels => self.by_panels(simd),
            Layout::Columns => self.by_dot_products(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn by_panels<S: Simd>(self, simd: S) {
        let Self { out, a, b, bias, finish } = self;
        let (inner, columns) = (b.rows, b.columns);
        let width = tile_columns::<S>();
        for (panel, from) in b.data().chunks_exact(width * inner).zip((0..).step_by(width)) {
            let operands = Panel { out, a, panel, inner, columns, from, bias, finish };
            // Each case is a function of its own, because the compiler does not inline everything that it must into a
            // larger function.
            if from + width <= columns {
                simd.vectorize(MultiplyPanel::<VECTORS, true>(operands));
            } else if from + S::F32_LANES < columns {
                simd.vectorize(MultiplyPanel::<VECTORS, false>(operands));
            } else {
                simd.vectorize(MultiplyPanel::<1, false>(operands));
            }
        }
    }

    #[inline(always)]
    fn by_dot_products<S: Simd>(self, simd: S) {
        let Self { out, a, b, bias, finish } = self;
        let (inner, columns) = (b.rows, b.columns);
        for (row, (out, a)) in out.chunks_exact_mut(columns).zip(a.chunks_exact(inner)).enumerate() {
            let (a, a_rest) = S::as_simd_f32s(a);
            let a_rest = simd.partial_load_f32s(a_rest);
            for (column, (out, b)) in out.iter_mut().zip(b.data().chunks_exact(inner)).enumerate() {
                let (b, b_rest) = S::as_simd_f32s(b);
                let mut sum = simd.mul_f32s(a_rest, simd.partial_load_f32s(b_rest));
                for (a, b) in a.iter().zip(b) {
                    sum = simd.mul_add_e_f32s(*a, *b, sum);
                }
                let sum = simd.reduce_sum_f32s(sum) + bias.map_or(0.0, |bias| bias[column]);
                *out = match finish {
                    Finish::Relu if sum <= 0.0 => 0.0,
                    Finish::ReluDerivative(outputs) if outputs[row * columns + column] <= 0.0 => 0.0,
                    _ => sum,
                };
            }
        }
    }
}

/// A product with one panel, whose columns start at column `from`.
struct Panel<'a> {
    out: &'a mut [f32],
    a: &'a [f32],
    panel: &'a [f32],
    inner: usize,
    columns: usize,
    from: usize,
    bias: Option<&'a [f32]>,
    finish: Finish<'a>,
}

/// Multiplies with the first `USED` vectors of a panel. `WHOLE` means that all columns of the panel are used.
struct MultiplyPanel<'a, const USED: usize, const WHOLE: bool>(Panel<'a>);

impl<const USED: usize, const WHOLE: bool> WithSimd for MultiplyPanel<'_, USED, WHOLE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { out, a, panel, inner, columns, from, bias, finish } = self.0;
        let to = if WHOLE { from + tile_columns::<S>() } else { columns };
        let zero = simd.splat_f32s(0.0);
        let start = match bias {
            Some(bias) => load(simd, &bias[from..to]),
            None => [zero; VECTORS],
        };
        let panel = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
        for_tiles!(S, row in out.len() / columns, ROWS => {
            let sums = tile::<S, ROWS, USED>(simd, &a[row * inner..(row + ROWS) * inner], inner, panel, start);
            unrolled!(offset in ROWS => {
                let at = (row + offset) * columns;
                let mut sums = sums[offset];
                // No closures here: code called in a closure is not compiled for the chosen instruction set.
                match finish {
                    Finish::Linear => {}
                    Finish::Relu => {
                        for sum in &mut sums {
                            *sum = simd.max_f32s(zero, *sum);
                        }
                    }
                    Finish::ReluDerivative(outputs) => {
                        for (sum, output) in sums.iter_mut().zip(load(simd, &outputs[at + from..at + to])) {
                            *sum = where_positive(simd, output, *sum);
                        }
                    }
                }
                store(simd, &mut out[at + from..at + to], sums);
            });
        });
    }
}

/// Multiplies `ROWS` rows of `a`, each of `inner` numbers, by the first `USED` vectors of a panel, and adds `start`.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const USED: usize>(
    simd: S,
    a: &[f32],
    inner: usize,
    panel: &[Pair<S>],
    start: Pair<S>,
) -> [Pair<S>; ROWS] {
    /// Numbers of each row that are multiplied without a branch.
    const STEPS: usize = 4;
    let (blocks, rest) = panel.as_chunks::<STEPS>();
    let mut rows = [(&[] as &[[f32; STEPS]], &[] as &[f32]); ROWS];
    unrolled!(offset in ROWS => {
        let row = a[offset * inner..(offset + 1) * inner].as_chunks::<STEPS>();
        rows[offset] = (&row.0[..blocks.len()], &row.1[..rest.len()]);
    });
    let mut sums = [start; ROWS];
    for (index, block) in blocks.iter().enumerate() {
        for (step, b) in block.iter().enumerate() {
            unrolled!(offset in ROWS => {
                add_product::<S, USED>(simd, &mut sums[offset], rows[offset].0[index][step], *b);
            });
        }
    }
    for (index, b) in rest.iter().enumerate() {
        unrolled!(offset in ROWS => {
            add_product::<S, USED>(simd, &mut sums[offset], rows[offset].1[index], *b);
        });
    }
    sums
}

/// `sums += factor * b` in the first `USED` vectors.
#[inline(always)]
fn add_product<S: Simd, const USED: usize>(simd: S, sums: &mut Pair<S>, factor: f32, b: Pair<S>) {
    let factor = simd.splat_f32s(factor);
    for (sum, b) in sums.iter_mut().zip(b).take(USED) {
        *sum = simd.mul_add_e_f32s(factor, b, *sum);
    }
}

/// `x` where `condition` is positive, otherwise 0.
#[inline(always)]
fn where_positive<S: Simd>(simd: S, condition: S::f32s, x: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    let is_positive = simd.less_than_f32s(zero, condition);
    // `select_f32s` is not always inlined, and then it costs more than the product.
    let (x, zero) = (simd.transmute_u32s_f32s(x), simd.transmute_u32s_f32s(zero));
    simd.transmute_f32s_u32s(simd.select_u32s(is_positive, x, zero))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::instruction_set::InstructionSet;
    use crate::kernels::packed::Pack;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    proptest! {
        #[test]
        fn products_match_the_definition(rows in 0usize..30, inner in 1usize..70, columns in 1usize..70, seed: u64) {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (a, b, bias, outputs) = (draw(rows * inner), draw(inner * columns), draw(columns), draw(rows * columns));
            let transposed: Vec<f32> = (0..inner * columns).map(|i| b[i % inner * columns + i / inner]).collect();
            let mut out = vec![f32::NAN; rows * columns];
            let finishes = [Finish::Linear, Finish::Relu, Finish::ReluDerivative(&outputs)];
            let cases = finishes.into_iter().flat_map(|finish| [(finish, false), (finish, true)]);
            for (set, (finish, from_transposed)) in InstructionSet::all().flat_map(|set| cases.clone().map(move |case| (set, case))) {
                let mut packed = PackedMatrix::default();
                if from_transposed {
                    packed.pack_transposed_in_panels(&transposed, columns, inner, set.tile_columns());
                } else {
                    set.run(Pack { packed: &mut packed, matrix: &b, rows: inner, columns });
                }
                set.run(Product { out: &mut out, a: &a, b: &packed, bias: Some(&bias), finish });
                for (index, &found) in out.iter().enumerate() {
                    let (row, column) = (index / columns, index % columns);
                    let sum = (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column]));
                    let sum = sum.sum::<f64>() + f64::from(bias[column]);
                    let expected = match finish {
                        Finish::Linear => sum,
                        Finish::Relu => sum.max(0.0),
                        Finish::ReluDerivative(outputs) => if outputs[index] > 0.0 { sum } else { 0.0 },
                    };
                    prop_assert!((f64::from(found) - expected).abs() < 1e-4, "{found}, expected {expected}");
                }
            }
        }
    }
}

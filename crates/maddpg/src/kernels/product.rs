use std::array;

use pulp::{Arch, Simd, WithSimd};

use super::{
    packed::{Layout, PackedMatrix},
    tile::{Pair, VECTORS, for_tiles, load, store, tile_columns},
};

/// What is done to a product before it is written.
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
        let rows = out.len() / columns;
        let width = tile_columns::<S>();
        for (index, panel) in b.data().chunks_exact(width * inner).enumerate() {
            let from = index * width;
            let to = columns.min(from + width);
            let zero = simd.splat_f32s(0.0);
            let start = match bias {
                Some(bias) => load(simd, &bias[from..to]),
                None => [zero; VECTORS],
            };
            let panel = S::as_simd_f32s(panel).0;
            for_tiles!(S, row in rows, ROWS => {
                let a = &a[row * inner..(row + ROWS) * inner];
                let sums = if to - from > S::F32_LANES {
                    tile::<S, ROWS, VECTORS>(simd, a, inner, panel, start)
                } else {
                    tile::<S, ROWS, 1>(simd, a, inner, panel, start)
                };
                let out = out[row * columns..].chunks_exact_mut(columns).zip(sums);
                for (offset, (out, mut sums)) in out.enumerate() {
                    // No closures here: code called in a closure is not compiled for the chosen instruction set.
                    match finish {
                        Finish::Linear => {}
                        Finish::Relu => {
                            for sum in &mut sums {
                                *sum = simd.max_f32s(zero, *sum);
                            }
                        }
                        Finish::ReluDerivative(outputs) => {
                            let at = (row + offset) * columns;
                            for (sum, output) in sums.iter_mut().zip(load(simd, &outputs[at + from..at + to])) {
                                *sum = simd.select_f32s(simd.less_than_f32s(zero, output), *sum, zero);
                            }
                        }
                    }
                    store(simd, &mut out[from..to], sums);
                }
            });
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

/// Multiplies `ROWS` rows of `a`, each of `inner` numbers, by the first `USED` vectors of a panel, and adds `start`.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const USED: usize>(
    simd: S,
    a: &[f32],
    inner: usize,
    panel: &[S::f32s],
    start: Pair<S>,
) -> [Pair<S>; ROWS] {
    let rows: [&[f32]; ROWS] = array::from_fn(|row| &a[row * inner..(row + 1) * inner]);
    let panel = &panel.as_chunks::<VECTORS>().0[..inner];
    let mut sums = [start; ROWS];
    for k in 0..inner {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let factor = simd.splat_f32s(row[k]);
            for (sum, b) in sums.iter_mut().zip(panel[k]).take(USED) {
                *sum = simd.mul_add_e_f32s(factor, b, *sum);
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
                    packed.pack_in_panels(&b, inner, columns, set.tile_columns());
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

use pulp::{Arch, Simd, WithSimd};

/// Applies a ReLU in place.
pub(crate) fn relu(values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for value in values {
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        },
    );
}

/// Sets the deltas of a ReLU whose output is 0 to 0.
pub(crate) fn relu_derivative(deltas: &mut [f32], outputs: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (delta, output) in deltas.iter_mut().zip(outputs) {
                *delta = if *output > 0.0 { *delta } else { 0.0 };
            }
        },
    );
}

/// `x = (x - mean) * scale` in each row, clamped to ±`limit`.
pub(crate) fn normalize(rows: &mut [f32], mean: &[f32], scale: &[f32], limit: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(mean.len()) {
                for ((x, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                    let scaled = (*x - mean) * scale;
                    // Like `clamp`, but without the assertion in `clamp`, which would prevent vectorization.
                    *x = if scaled > limit {
                        limit
                    } else if scaled < -limit {
                        -limit
                    } else {
                        scaled
                    };
                }
            }
        },
    );
}

/// `out = tanh(values)`, with an error below 1e-6; never outside -1 to 1.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn tanh(out: &mut [f32], values: &[f32]) {
    assert_eq!(out.len(), values.len(), "`values` and `out` must have the same length");
    Arch::new().dispatch(Tanh { out, values });
}

/// `target += share * (source - target)`.
pub(crate) fn move_towards(target: &mut [f32], source: &[f32], share: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (target, source) in target.iter_mut().zip(source) {
                *target += share * (source - *target);
            }
        },
    );
}

/// The dot product of `a` and `b`, accumulated in 64 lanes.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0f32; 64];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
            for (a, b) in a.iter().zip(b) {
                for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                    *lane += a * b;
                }
            }
            for (lane, (a, b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
                *lane += a * b;
            }
        },
    );
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

/// Adds all rows to `sums`, column by column.
pub(crate) fn add_rows(sums: &mut [f32], rows: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sums.len()) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        },
    );
}

/// Adds `a * b` of all rows to `sums`, column by column.
pub(crate) fn add_products(sums: &mut [f32], a: &[f32], b: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = sums.len();
            for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += a * b;
                }
            }
        },
    );
}

struct Tanh<'a> {
    out: &'a mut [f32],
    values: &'a [f32],
}

impl WithSimd for Tanh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (out, out_rest) = S::as_mut_simd_f32s(self.out);
        let (values, rest) = S::as_simd_f32s(self.values);
        for (out, x) in out.iter_mut().zip(values) {
            *out = tanh_of(simd, *x);
        }
        simd.partial_store_f32s(out_rest, tanh_of(simd, simd.partial_load_f32s(rest)));
    }
}

/// The odd numerator and even denominator of the rational function that approximates tanh for `|x| < LIMIT` (Eigen's
/// coefficients), highest power first.
const NUMERATOR: [f32; 7] = [
    -2.760_768_5e-16,
    2.000_188e-13,
    -8.604_672e-11,
    5.122_297_3e-8,
    1.485_722_4e-5,
    6.372_619_4e-4,
    4.893_524_7e-3,
];
const DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];

/// Above this, tanh is 1 in `f32`.
const LIMIT: f32 = 7.905_311;

#[inline(always)]
fn tanh_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let limit = simd.splat_f32s(LIMIT);
    let clamped = simd.max_f32s(simd.neg_f32s(limit), simd.min_f32s(limit, x));
    let square = simd.mul_f32s(clamped, clamped);
    let numerator = simd.mul_f32s(clamped, polynomial(simd, &NUMERATOR, square));
    let ratio = simd.div_f32s(numerator, polynomial(simd, &DENOMINATOR, square));
    let one = simd.splat_f32s(1.0);
    simd.max_f32s(simd.neg_f32s(one), simd.min_f32s(one, ratio))
}

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
fn polynomial<S: Simd, const COUNT: usize>(simd: S, coefficients: &[f32; COUNT], x: S::f32s) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(*coefficient));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::instruction_set::InstructionSet;

    #[test]
    fn tanh_is_tanh() {
        let values: Vec<f32> = (-20_003..20_003).map(|i| i as f32 * 1e-3).collect();
        let mut out = vec![0.0; values.len()];
        for set in InstructionSet::all() {
            set.run(Tanh { out: &mut out, values: &values });
            for (x, y) in values.iter().zip(&out) {
                let error = (f64::from(*y) - f64::from(*x).tanh()).abs();
                assert!(error < 1e-6 && y.abs() <= 1.0, "{set:?}: tanh({x}) = {y}");
            }
        }
        let mut out = [0.0; 2];
        tanh(&mut out, &[f32::INFINITY, f32::NEG_INFINITY]);
        assert!((out[0] - 1.0).abs() < 1e-6 && (out[1] + 1.0).abs() < 1e-6, "{out:?}");
    }

    #[test]
    fn sums_hold_every_number_once() {
        let numbers: Vec<f32> = (0..200).map(|i| i as f32).collect();
        assert_eq!(dot(&numbers, &vec![1.0; 200]), 199.0 * 100.0);
        let mut sums = [1.0; 4];
        add_rows(&mut sums, &numbers[..8]);
        assert_eq!(sums, [5.0, 7.0, 9.0, 11.0]);
        add_products(&mut sums, &numbers[..8], &[2.0; 8]);
        assert_eq!(sums, [13.0, 19.0, 25.0, 31.0]);
    }
}

use pulp::Arch;

use crate::learner::engine::{AdamFactors, BETA1, BETA2, EPSILON, Moments};

/// Takes one step of Adam against `clip` times the gradient.
pub(super) fn step(
    parameters: &mut [f32],
    moments: &mut Moments,
    gradient: &[f32],
    clip: f64,
    learning_rate: f64,
) {
    moments.steps += 1;
    let factors = AdamFactors::new(learning_rate, moments.steps);
    let (rate, correction) = (factors.rate as f32, factors.variance_correction as f32);
    let (keep1, keep2, epsilon) = (BETA1 as f32, BETA2 as f32, EPSILON as f32);
    let (add1, add2) = (((1.0 - BETA1) * clip) as f32, ((1.0 - BETA2) * clip * clip) as f32);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let moments = moments.first.iter_mut().zip(&mut moments.second);
            for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
                *first = keep1 * *first + add1 * gradient;
                *second = keep2 * *second + add2 * gradient * gradient;
                *parameter -= rate * *first / ((correction * *second).sqrt() + epsilon);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_walks_as_the_paper_writes_it() {
        let mut parameters = [1.0f32, -2.0];
        let mut moments = Moments::new(2);
        let (mut theta, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
        for step_number in 1..=20 {
            let gradient = [0.3 * theta[0], theta[1] - 1.0];
            step(&mut parameters, &mut moments, &gradient.map(|g| g as f32), 1.0, 0.01);
            for k in 0..2 {
                m[k] = 0.9 * m[k] + 0.1 * gradient[k];
                v[k] = 0.999 * v[k] + 0.001 * gradient[k] * gradient[k];
                let (m, v) =
                    (m[k] / (1.0 - 0.9f64.powi(step_number)), v[k] / (1.0 - 0.999f64.powi(step_number)));
                theta[k] -= 0.01 * m / (v.sqrt() + 1e-8);
            }
        }
        for (found, expected) in parameters.iter().zip(theta) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }

    #[test]
    fn the_clip_scales_the_gradient() {
        let (mut parameters, mut moments) = ([0.0f32; 2], Moments::new(2));
        step(&mut parameters, &mut moments, &[3.0, 4.0], 0.1, 0.1);
        assert!((moments.first[0] - 0.03).abs() < 1e-6 && (moments.first[1] - 0.04).abs() < 1e-6);
    }
}

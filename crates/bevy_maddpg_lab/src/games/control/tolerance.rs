//! Smooth rewards: how well a number lies within bounds.

/// What is left at a distance of the margin.
const VALUE_AT_MARGIN: f32 = 0.1;

/// Distance of a number from an interval, 0 within.
fn distance(number: f32, [low, high]: [f32; 2]) -> f32 {
    (low - number).max(number - high).max(0.0)
}

/// 1 within the bounds; outside it falls like a bell curve, to 0.1 at a distance of `margin`.
pub(super) fn near(number: f32, bounds: [f32; 2], margin: f32) -> f32 {
    let share = distance(number, bounds) / margin;
    libm::powf(VALUE_AT_MARGIN, share * share)
}

/// 1 within the bounds; outside it falls along a line, to `value` at a distance of `margin`, and at last to 0.
pub(super) fn linear(number: f32, bounds: [f32; 2], margin: f32, value: f32) -> f32 {
    (1.0 - (1.0 - value) * distance(number, bounds) / margin).max(0.0)
}

/// The factor for small actions: 1 without action, 0.8 at full action.
pub(super) fn small(action: &[f32]) -> f32 {
    let rest: f32 = action.iter().map(|action| (1.0 - action * action).max(0.0)).sum();
    (4.0 + rest / action.len() as f32) / 5.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_the_bounds_and_the_margin() {
        assert_eq!(near(0.5, [0.0, 1.0], 2.0), 1.0);
        assert!((near(3.0, [0.0, 1.0], 2.0) - 0.1).abs() < 1e-6);
        assert!((near(-1.0, [0.0, 1.0], 2.0) - libm::powf(0.1, 0.25)).abs() < 1e-6);
        assert_eq!(linear(1.0, [1.0, f32::INFINITY], 0.5, 0.5), 1.0);
        assert_eq!(linear(0.5, [1.0, f32::INFINITY], 0.5, 0.5), 0.5);
        assert_eq!(linear(-9.0, [1.0, f32::INFINITY], 0.5, 0.5), 0.0);
    }

    #[test]
    fn small_actions_pay() {
        assert_eq!(small(&[0.0, 0.0]), 1.0);
        assert_eq!(small(&[1.0, -1.0]), 0.8);
        assert_eq!(small(&[1.0, 0.0]), 0.9);
    }
}

use bevy_maddpg::random::Random;
use rand::RngExt;

/// Seconds per step.
pub const STEP_SECONDS: f64 = 0.02;

/// How far the cart may be from the middle of the track, m.
pub const MAX_POSITION: f64 = 2.4;

/// How far the pole may lean, rad: 12°.
pub const MAX_ANGLE: f64 = 12.0 * std::f64::consts::PI / 180.0;

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = CART_MASS + POLE_MASS;
/// Half the length of the pole, m.
const HALF_LENGTH: f64 = 0.5;
/// N.
const FORCE: f64 = 10.0;

/// The state of a cart and its pole.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CartPole {
    /// Position of the cart, m; to the right is positive.
    pub position: f64,
    /// Velocity of the cart, m/s.
    pub velocity: f64,
    /// Angle of the pole from upright, rad; clockwise is positive.
    pub angle: f64,
    /// Angular velocity of the pole, rad/s.
    pub angular_velocity: f64,
}

impl CartPole {
    /// A random start.
    pub(super) fn at_start(random: &mut Random) -> Self {
        let mut draw = || random.random_range(-0.05..0.05);
        Self { position: draw(), velocity: draw(), angle: draw(), angular_velocity: draw() }
    }

    /// Pushes the cart for one step, to the right or to the left.
    pub fn step(&mut self, to_the_right: bool) {
        let force = if to_the_right { FORCE } else { -FORCE };
        let (cosine, sine) = (libm::cos(self.angle), libm::sin(self.angle));
        let moment = POLE_MASS * HALF_LENGTH;
        let push = (force + moment * self.angular_velocity * self.angular_velocity * sine) / TOTAL_MASS;
        let angular_acceleration = (GRAVITY * sine - cosine * push)
            / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
        let acceleration = push - moment * angular_acceleration * cosine / TOTAL_MASS;
        // Positions follow the velocities before the step, as in the original.
        self.position += STEP_SECONDS * self.velocity;
        self.velocity += STEP_SECONDS * acceleration;
        self.angle += STEP_SECONDS * self.angular_velocity;
        self.angular_velocity += STEP_SECONDS * angular_acceleration;
    }

    /// Whether the cart or the pole has left its range.
    pub fn has_failed(&self) -> bool {
        self.position.abs() > MAX_POSITION || self.angle.abs() > MAX_ANGLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_fails_beyond_its_limits() {
        let at = |position, angle| CartPole { position, angle, ..CartPole::default() };
        assert!(!at(2.39, 0.2).has_failed() && at(2.41, 0.0).has_failed() && at(0.0, -0.21).has_failed());
        let mut cart = CartPole::default();
        let steps = (0..).take_while(|_| {
            cart.step(true);
            !cart.has_failed()
        });
        assert_eq!(steps.count(), 8, "a pole on a cart that is always pushed falls in the ninth step");
    }
}

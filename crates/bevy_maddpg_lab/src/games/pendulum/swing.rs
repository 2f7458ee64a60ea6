use std::f64::consts::{PI, TAU};

use rand::RngExt;

use bevy_maddpg::random::Random;

/// Seconds of one step.
pub const STEP_SECONDS: f64 = 0.05;

/// Torque at full action, N m.
pub const MAX_TORQUE: f64 = 2.0;

/// Maximum angular speed, rad/s.
pub const MAX_SPEED: f64 = 8.0;

/// Gravity, m/s².
const GRAVITY: f64 = 10.0;
/// Mass of the rod, kg.
const MASS: f64 = 1.0;
/// Length of the rod, m.
const LENGTH: f64 = 1.0;

/// A uniform rod that turns about its end. By default it is upright and at rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pendulum {
    /// Angle, rad: 0 is upright, counterclockwise is positive, not normalized.
    pub angle: f64,
    /// Angular speed, rad/s.
    pub speed: f64,
}

impl Pendulum {
    /// A random start: an angle in -π to π, a speed in -1 to 1 rad/s.
    pub fn at_start(random: &mut Random) -> Self {
        Self { angle: random.random_range(-PI..PI), speed: random.random_range(-1.0..1.0) }
    }

    /// The angle in -π to π.
    pub fn normalized_angle(&self) -> f64 {
        (self.angle + PI).rem_euclid(TAU) - PI
    }

    /// Cosine and sine of the angle, speed in rad/s.
    pub fn observation(&self) -> [f32; 3] {
        [libm::cos(self.angle), libm::sin(self.angle), self.speed].map(|number| number as f32)
    }

    /// The reward for applying a torque (N m) in this state: 0 at best, about -16.3 at worst.
    pub fn reward(&self, torque: f64) -> f64 {
        let angle = self.normalized_angle();
        -(angle * angle + 0.1 * self.speed * self.speed + 0.001 * torque * torque)
    }

    /// Advances by one step under a torque (N m).
    pub fn step(&mut self, torque: f64) {
        let acceleration =
            3.0 * GRAVITY / (2.0 * LENGTH) * libm::sin(self.angle) + 3.0 / (MASS * LENGTH * LENGTH) * torque;
        self.speed = (self.speed + acceleration * STEP_SECONDS).clamp(-MAX_SPEED, MAX_SPEED);
        self.angle += self.speed * STEP_SECONDS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::random::stream;

    /// Plays actions and compares each step with Gymnasium 1.4.0: angle and speed after the step, and its reward.
    fn replay(angle: f64, speed: f64, steps: &[(f64, [f64; 3])]) {
        let mut pendulum = Pendulum { angle, speed };
        for (number, &(action, expected)) in steps.iter().enumerate() {
            let torque = MAX_TORQUE * action;
            let reward = pendulum.reward(torque);
            pendulum.step(torque);
            let found = [pendulum.angle, pendulum.speed, reward];
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "step {number}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn steps_of_gymnasium_replay() {
        replay(
            1.0,
            0.5,
            &[
                (1.0, [1.071555161930296, 1.4311032386059224, -1.029]),
                (-0.5, [1.1685333031404468, 1.9395628242030118, -1.3540361130142984]),
                (0.25, [1.3037680958505533, 2.7046958542021313, -1.7419104754513601]),
                (-1.0, [1.4601738624495382, 3.1281153319796964, -2.435349214131597]),
                (0.0, [1.6538504130106322, 3.8735310112218793, -3.1106182615974487]),
            ],
        );
    }

    #[test]
    fn past_hanging_the_angle_counts_from_the_other_side_and_the_speed_is_clipped() {
        replay(
            -3.0,
            -7.5,
            &[
                (-1.0, [-3.395292000302245, -7.9058400060449, -14.629]),
                (-1.0, [-3.795292000302245, -8.0, -14.59415837202495]),
                (0.5, [-4.1649872285034295, -7.393904564023692, -12.59061310640507]),
                (1.0, [-4.48766196742994, -6.453494778530206, -9.9577455706964]),
            ],
        );
        replay(9.0, 2.0, &[(0.5, [9.122954443196566, 2.4590888639313175, -7.78208207512488])]);
    }

    #[test]
    fn upright_at_rest_is_worth_nothing_and_stays() {
        let mut pendulum = Pendulum::default();
        assert_eq!(pendulum.reward(0.0), 0.0);
        pendulum.step(0.0);
        assert_eq!((pendulum, pendulum.observation()), (Pendulum::default(), [1.0, 0.0, 0.0]));
    }

    #[test]
    fn starts_cover_the_whole_circle() {
        let mut random = stream(0, "pendulum start", 0);
        let starts: Vec<_> = (0..1_000).map(|_| Pendulum::at_start(&mut random)).collect();
        let most = |of: fn(&Pendulum) -> f64| starts.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        assert!((3.1..PI).contains(&most(|start| start.angle)));
        assert!((3.1..=PI).contains(&most(|start| -start.angle)));
        assert!((0.98..1.0).contains(&most(|start| start.speed)));
        assert!((0.98..=1.0).contains(&most(|start| -start.speed)));
    }
}

use bevy::math::Vec2;

use super::STEP;

/// What the bodies of a team can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Build {
    /// Radius, m.
    pub radius: f32,
    /// Acceleration at full action, m/s².
    pub acceleration: f32,
    /// Maximum speed, m/s.
    pub top_speed: f32,
}

/// The build of the hunters.
pub const HUNTER: Build = Build { radius: 0.06, acceleration: 4.0, top_speed: 0.9 };

/// The build of the prey: faster than the hunters, but they need longer to gain speed and to turn.
pub const PREY: Build = Build { radius: 0.045, acceleration: 2.0, top_speed: 1.0 };

/// Share of its velocity that a body loses per second.
pub const DAMPING: f32 = 1.0;

/// The round body of an agent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Body {
    /// What it can do.
    pub build: Build,
    /// Center, m. The middle of the field is the origin, y points up as seen on the screen.
    pub position: Vec2,
    /// Velocity, m/s.
    pub velocity: Vec2,
    /// Whether it takes part: false for caught prey and for a hunter that has not joined yet. Such a body does not
    /// move, and nobody sees or touches it.
    pub in_play: bool,
}

impl Body {
    /// A body at rest in the middle of the field.
    pub fn new(build: Build) -> Self {
        Self { build, position: Vec2::ZERO, velocity: Vec2::ZERO, in_play: true }
    }

    /// Distance between the edges of two bodies, m; negative if they overlap.
    pub fn gap(&self, other: &Self) -> f32 {
        self.position.distance(other.position) - self.build.radius - other.build.radius
    }

    /// Moves for one step under an action: acceleration along x and y as a share of the full one, at most 1 in length.
    /// `factors` are on the acceleration and on the top speed.
    pub(super) fn step(&mut self, action: Vec2, factors: (f32, f32)) {
        let acceleration = action.clamp_length_max(1.0) * (self.build.acceleration * factors.0);
        let velocity = self.velocity * (1.0 - DAMPING * STEP) + acceleration * STEP;
        self.velocity = velocity.clamp_length_max(self.build.top_speed * factors.1);
        self.position += self.velocity * STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_action_accelerates_up_to_the_top_speed() {
        let mut body = Body::new(PREY);
        body.step(Vec2::X, (1.0, 1.0));
        assert!((body.velocity.x - PREY.acceleration * STEP).abs() < 1e-6);
        assert!((body.position.x - body.velocity.x * STEP).abs() < 1e-6);
        (0..100).for_each(|_| body.step(Vec2::ONE, (1.0, 1.0)));
        assert!((body.velocity.length() - PREY.top_speed).abs() < 1e-5, "{}", body.velocity);
    }

    #[test]
    fn a_body_without_an_action_comes_to_rest() {
        let mut body = Body { velocity: Vec2::X, ..Body::new(HUNTER) };
        (0..200).for_each(|_| body.step(Vec2::ZERO, (1.0, 1.0)));
        assert!(body.velocity.length() < 1e-4, "{}", body.velocity);
    }
}

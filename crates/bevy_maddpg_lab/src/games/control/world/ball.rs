use bevy_rapier3d::rapier::prelude::*;

use super::World;

impl World {
    /// Adds a ball that moves in the plane.
    ///
    /// - `mass`: its mass, kg
    /// - `damping`: share of its speed that it loses in a second
    /// - `bounce`: share of its speed that it keeps when it bounces
    pub fn add_ball(&mut self, radius: f32, mass: f32, damping: f32, bounce: f32, friction: f32) {
        let ball = self.bodies.insert(
            RigidBodyBuilder::dynamic()
                .enabled_translations(true, true, false)
                .enabled_rotations(false, false, true)
                .linear_damping(damping)
                .angular_damping(damping)
                .can_sleep(false),
        );
        self.colliders.insert_with_parent(
            Self::touching(
                ColliderBuilder::ball(radius).mass(mass).restitution(bounce),
                friction,
                Self::BALL,
                Self::ROBOT | Self::FLOOR,
            ),
            ball,
            &mut self.bodies,
        );
        self.ball = Some(ball);
    }

    /// Where the ball is.
    pub fn ball(&self) -> Vector {
        self.bodies[self.ball.expect("This world has a ball")].translation()
    }

    /// The ball's speed, m/s.
    pub fn ball_velocity(&self) -> Vector {
        self.bodies[self.ball.expect("This world has a ball")].linvel()
    }

    /// Puts the ball somewhere, at rest.
    pub fn place_ball(&mut self, place: Vector) {
        let ball = &mut self.bodies[self.ball.expect("This world has a ball")];
        ball.set_translation(place, true);
        ball.set_linvel(Vector::ZERO, true);
        ball.set_angvel(Vector::ZERO, true);
    }
}

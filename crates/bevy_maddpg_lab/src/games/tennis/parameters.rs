//! The parameters of tennis that can be drawn for each episode.

use bevy::prelude::*;
use bevy_rapier3d::{prelude::*, rapier::geometry::SharedShape};

use super::{
    Rules,
    court::{Ball, Court, RacketSpeed},
};
use bevy_maddpg::{
    arena::Episode,
    parameters::{Parameter, Parameters},
};

/// Gravity of the physics, m/s².
const EARTH: f32 = 9.81;

/// Speed of a racket at full action, m/s.
pub(super) const RACKET_SPEED: f32 = 30.0;

impl Rules {
    /// Gravity on the ball and the rackets, m/s².
    fn gravity() -> Parameter {
        Parameter::new("gravity", EARTH, [1.0, 40.0])
    }

    /// Radius of the ball, m. Its mass stays the same.
    fn ball_radius(self) -> Parameter {
        Parameter::new("ball_radius", self.dimensions().ball_radius, [0.1, 1.5])
    }

    /// Speed of a racket at full action, m/s.
    fn racket_speed() -> Parameter {
        Parameter::new("racket_speed", RACKET_SPEED, [1.0, 100.0])
    }

    /// The parameters that can be drawn.
    pub fn parameters(self) -> Vec<Parameter> {
        vec![Self::gravity(), self.ball_radius(), Self::racket_speed()]
    }
}

/// Applies what was drawn to the arenas that are reset. Does nothing in arenas in which nothing is drawn.
pub(super) fn apply(
    mut commands: Commands,
    rules: Res<Rules>,
    courts: Query<(&Court, &Parameters, &Episode)>,
    mut balls: Query<(&mut Ball, &mut Collider, Option<&RapierColliderHandle>)>,
    mut speeds: Query<&mut RacketSpeed>,
    mut physics: Query<&mut RapierContextColliders, With<DefaultRapierContext>>,
) -> Result {
    for (court, parameters, _) in courts.iter().filter(|(.., episode)| episode.needs_reset()) {
        let [gravity, radius, speed] = [Rules::gravity(), rules.ball_radius(), Rules::racket_speed()]
            .map(|parameter| parameter.of(Some(parameters)));
        let [left, right] = court.rackets;
        for body in [court.ball, left, right] {
            commands.entity(body).try_insert(GravityScale(gravity / EARTH));
        }
        for racket in court.rackets {
            if let Ok(mut own) = speeds.get_mut(racket) {
                own.0 = speed;
            }
        }
        let Ok((mut ball, mut collider, handle)) = balls.get_mut(court.ball) else { continue };
        if ball.radius == radius {
            continue;
        }
        ball.radius = radius;
        *collider = Collider::ball(radius);
        // Rapier has a new ball only after the next step, and then takes the shape from the component. Later, the component alone has
        // no effect, because the systems that `rapier::add` leaves out would copy it.
        if let Some(handle) = handle
            && let Some(shape) = physics.single_mut()?.colliders.get_mut(handle.0)
        {
            shape.set_shape(SharedShape::ball(radius));
        }
    }
    Ok(())
}

//! Contacts: bodies cannot enter obstacles, walls, or bodies of their own team.

use bevy::math::Vec2;

use super::{Body, HALF_FIELD, OBSTACLE_RADIUS};

/// Moves a body out of the obstacles and walls that it touches, and stops its motion into them.
pub(super) fn keep_in_field(body: &mut Body, obstacles: &[Vec2]) {
    let reach = OBSTACLE_RADIUS + body.build.radius;
    for obstacle in obstacles {
        let away = body.position - *obstacle;
        if away.length_squared() < reach * reach {
            let normal = away.try_normalize().unwrap_or(Vec2::X);
            body.position = *obstacle + normal * reach;
            body.velocity -= normal * body.velocity.dot(normal).min(0.0);
        }
    }
    let limit = HALF_FIELD - body.build.radius;
    for axis in 0..2 {
        let place = body.position[axis];
        if place.abs() > limit {
            body.position[axis] = limit.copysign(place);
            // Away from the wall, the velocity has the opposite sign of the position.
            if body.velocity[axis] * place > 0.0 {
                body.velocity[axis] = 0.0;
            }
        }
    }
}

/// Moves two bodies that overlap apart, each by half of the overlap.
pub(super) fn push_apart(a: &mut Body, b: &mut Body) {
    let gap = a.gap(b);
    if gap < 0.0 {
        let shift = (a.position - b.position).try_normalize().unwrap_or(Vec2::X) * (gap / 2.0);
        a.position -= shift;
        b.position += shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::HUNTER;

    #[test]
    fn a_wall_stops_a_body_but_lets_it_slide_and_leave() {
        let mut body =
            Body { position: Vec2::new(1.2, 0.3), velocity: Vec2::new(0.5, 0.4), ..Body::new(HUNTER) };
        keep_in_field(&mut body, &[]);
        assert_eq!(body.position, Vec2::new(HALF_FIELD - HUNTER.radius, 0.3));
        assert_eq!(body.velocity, Vec2::new(0.0, 0.4));
        (body.position.x, body.velocity.x) = (1.0, -0.5);
        keep_in_field(&mut body, &[]);
        assert_eq!(body.velocity.x, -0.5, "it may move away");
    }

    #[test]
    fn an_obstacle_stops_a_body_at_its_edge() {
        let mut body =
            Body { position: Vec2::new(0.1, 0.0), velocity: Vec2::new(-1.0, 0.5), ..Body::new(HUNTER) };
        keep_in_field(&mut body, &[Vec2::ZERO]);
        assert_eq!(body.position, Vec2::new(OBSTACLE_RADIUS + HUNTER.radius, 0.0));
        assert_eq!(body.velocity, Vec2::new(0.0, 0.5), "it slides along the edge");
        body.position = Vec2::ZERO;
        keep_in_field(&mut body, &[Vec2::ZERO]);
        assert!(
            body.position.is_finite() && body.position.length() > OBSTACLE_RADIUS,
            "even from the middle"
        );
    }

    #[test]
    fn overlapping_bodies_part_evenly() {
        let mut pair = [0.0, 0.06].map(|x| Body { position: Vec2::new(x, 0.0), ..Body::new(HUNTER) });
        let [a, b] = &mut pair;
        push_apart(a, b);
        assert!(a.gap(b).abs() < 1e-6);
        assert!((a.position.x + b.position.x - 0.06).abs() < 1e-6, "their middle stays");
    }
}

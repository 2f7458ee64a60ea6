use bevy::{core_pipeline::tonemapping::Tonemapping, math::ops, prelude::*, window::PrimaryWindow};

use super::scenery::{AIR, FrontBall};
use crate::{
    games::tennis::{Dimensions, Rules},
    watch::{CameraViews, SceneInset, layout::keep_clear_of_dashboard},
};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 3] = ["court", "ball", "arenas"];

/// The camera's vertical field of view, in rad.
const ANGLE: f32 = 0.6;
/// Height from which balls are served, m.
const SERVE: f32 = 6.0;
/// Real seconds in which the camera covers two thirds of the way to its target.
const EASE: f32 = 0.3;

/// Matches the camera. Excluding the ball keeps the two queries disjoint.
type CameraOnly = (With<Camera3d>, Without<FrontBall>);

/// Where a camera is and what it looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shot {
    eye: Vec3,
    subject: Vec3,
    /// Distances at which the fog begins, and at which it hides everything.
    air: [f32; 2],
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, (keep_clear_of_dashboard, go).chain());
}

fn spawn(mut commands: Commands) {
    commands.spawn((
        Camera3d::default(),
        Projection::Perspective(PerspectiveProjection { fov: ANGLE, far: 2_000.0, ..default() }),
        Tonemapping::None,
        DistanceFog { color: AIR, falloff: FogFalloff::Linear { start: 50.0, end: 250.0 }, ..default() },
        Transform::default(),
    ));
}

#[expect(clippy::too_many_arguments, reason = "a system takes one parameter per data source")]
fn go(
    time: Res<Time<Real>>,
    rules: Res<Rules>,
    views: Res<CameraViews>,
    inset: Res<SceneInset>,
    window: Single<&Window, With<PrimaryWindow>>,
    ball: Option<Single<&Transform, With<FrontBall>>>,
    camera: Single<(&mut Transform, &mut DistanceFog), CameraOnly>,
    mut last: Local<Option<Shot>>,
) {
    let aspect = inset.aspect(&window);
    let ball = ball.map_or(Vec3::ZERO, |ball| ball.translation);
    let wanted = shot(views.current, ball, aspect, rules.dimensions());
    let share = 1.0 - ops::exp(-time.delta_secs() / EASE);
    let shot = last.map_or(wanted, |last| Shot {
        eye: last.eye.lerp(wanted.eye, share),
        subject: last.subject.lerp(wanted.subject, share),
        air: [0, 1].map(|end| last.air[end] + (wanted.air[end] - last.air[end]) * share),
    });
    *last = Some(shot);
    let (mut transform, mut fog) = camera.into_inner();
    *transform = Transform::from_translation(shot.eye).looking_at(shot.subject, Vec3::Y);
    fog.falloff = FogFalloff::Linear { start: shot.air[0], end: shot.air[1] };
}

/// The shot of a view. `aspect` is the picture's width divided by its height.
fn shot(view: usize, ball: Vec3, aspect: f32, size: Dimensions) -> Shot {
    let half_height = ops::tan(ANGLE / 2.0);
    match view {
        0 => {
            // Far enough to see the near edge of the floor from wall to wall.
            let distance = ((size.wall + 1.2) / (half_height * aspect)).max(29.0) + size.width / 2.0;
            // The middle between the floor and the height of a serve.
            let middle = (size.floor + SERVE) / 2.0 + 0.2;
            Shot {
                eye: Vec3::new(0.13 * distance, middle - 1.6 + 0.24 * distance, 0.96 * distance),
                subject: Vec3::new(0.0, middle, 0.0),
                air: [distance + 12.0, distance + 210.0],
            }
        }
        1 => Shot {
            eye: Vec3::new(ball.x * 0.6, (ball.y * 0.5 + 1.6).max(-0.5), 13.5),
            subject: Vec3::new(ball.x * 0.9, ball.y * 0.8 - 0.4, 0.0),
            air: [24.0, 160.0],
        },
        _ => Shot {
            eye: Vec3::new(-26.0, 30.0, 56.0),
            subject: Vec3::new(-1.0, -0.4, -37.0),
            air: [90.0, 680.0],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_view_shows_the_court_from_wall_to_wall() {
        for (aspect, (_, rules)) in [0.6, 1.2, 1.78, 2.4].into_iter().zip(Rules::ALL.into_iter().cycle()) {
            let size = rules.dimensions();
            let shot = shot(0, Vec3::ZERO, aspect, size);
            let view =
                Transform::from_translation(shot.eye).looking_at(shot.subject, Vec3::Y).to_matrix().inverse();
            for x in [-size.wall, size.wall] {
                let corner = view.transform_point3(Vec3::new(x, size.floor, size.width / 2.0));
                let across = corner.x / -corner.z / (ops::tan(ANGLE / 2.0) * aspect);
                assert!(across.abs() < 1.0, "aspect {aspect}: x = {x} is seen at {across}");
            }
        }
    }
}

use bevy::{core_pipeline::tonemapping::Tonemapping, math::ops, prelude::*, window::PrimaryWindow};

use super::paint::AIR;
use crate::watch::{CameraViews, SceneInset, layout::keep_clear_of_dashboard};

/// The views, in the order of the key.
pub(super) const VIEWS: [&str; 2] = ["arena", "arenas"];

/// The camera's angle from its lower to its upper edge.
const ANGLE: f32 = 0.6;
/// Real seconds in which the camera goes two thirds of its way to where it should be.
const EASE: f32 = 0.3;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn).add_systems(Update, (keep_clear_of_dashboard, go).chain());
}

fn spawn(mut commands: Commands) {
    commands.spawn((
        Camera3d::default(),
        Projection::Perspective(PerspectiveProjection { fov: ANGLE, ..default() }),
        Tonemapping::None,
        DistanceFog { color: AIR, falloff: FogFalloff::Linear { start: 20.0, end: 90.0 }, ..default() },
        Transform::default(),
    ));
}

fn go(
    time: Res<Time<Real>>,
    views: Res<CameraViews>,
    inset: Res<SceneInset>,
    window: Single<&Window, With<PrimaryWindow>>,
    mut camera: Single<&mut Transform, With<Camera3d>>,
    mut last: Local<Option<[Vec3; 2]>>,
) {
    let aspect = inset.aspect(&window);
    let wanted = shot(views.current, aspect);
    let share = 1.0 - ops::exp(-time.delta_secs() / EASE);
    let [eye, subject] = last.map_or(wanted, |last| [0, 1].map(|end| last[end].lerp(wanted[end], share)));
    *last = Some([eye, subject]);
    **camera = Transform::from_translation(eye).looking_at(subject, Vec3::Y);
}

/// Where the camera is and what it looks at, in a picture that is `aspect` times as wide as high.
fn shot(view: usize, aspect: f32) -> [Vec3; 2] {
    let half_height = ops::tan(ANGLE / 2.0);
    if view == 0 {
        // Far enough to see a field from side to side, and from end to end between the panels.
        let distance = (1.5 / (half_height * aspect)).max(4.5) + 0.7;
        let subject = Vec3::new(0.0, 0.0, 0.08);
        return [subject + Vec3::new(0.0, 0.84, 0.54).normalize() * distance, subject];
    }
    let subject = Vec3::new(0.0, 0.0, -9.0);
    let distance = (16.8 / (half_height * aspect)).max(30.0);
    [subject + Vec3::new(0.0, 0.80, 0.60) * distance, subject]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_near_view_shows_the_field_from_corner_to_corner() {
        for aspect in [0.6, 1.2, 1.78, 2.4] {
            let [eye, subject] = shot(0, aspect);
            let view = Transform::from_translation(eye).looking_at(subject, Vec3::Y).to_matrix().inverse();
            for (x, z) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
                let corner = view.transform_point3(Vec3::new(x, 0.0, z));
                let [across, up] =
                    [corner.x / aspect, corner.y].map(|along| along / -corner.z / ops::tan(ANGLE / 2.0));
                assert!(
                    across.abs() < 1.0 && up.abs() < 1.0,
                    "aspect {aspect}: {x}, {z} is seen at {across}, {up}"
                );
            }
        }
    }
}

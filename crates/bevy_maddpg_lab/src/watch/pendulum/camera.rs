use bevy::{math::ops, prelude::*, window::PrimaryWindow};

use super::{Dial, paint::DIAL};
use crate::watch::{
    CameraViews, SceneInset,
    stage::{ANGLE, Glide},
};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 2] = ["arena", "arenas"];

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, go);
}

fn go(
    time: Res<Time<Real>>,
    views: Res<CameraViews>,
    inset: Res<SceneInset>,
    window: Single<&Window, With<PrimaryWindow>>,
    dials: Query<&Dial>,
    mut camera: Single<&mut Transform, With<Camera3d>>,
    mut glide: Local<Glide>,
) {
    let reach = |dial: &Dial| dial.0.translation.abs().max_element() + DIAL * dial.0.scale.x;
    let extent = if views.current == 0 { DIAL } else { dials.iter().map(reach).fold(DIAL, f32::max) };
    **camera = glide.towards(shot(extent, inset.aspect(&window)), time.delta_secs());
}

/// The camera's position and the point it looks at, so that it shows the wall up to `extent` from the middle. `aspect`
/// is the picture's width divided by its height.
fn shot(extent: f32, aspect: f32) -> [Vec3; 2] {
    // The panels above and below leave three quarters of the picture's height free.
    let half_height = ops::tan(ANGLE / 2.0) * aspect.min(0.75);
    let subject = Vec3::Y * (0.04 * extent);
    [subject + Vec3::new(0.0, 0.05, 1.0) * (1.06 * extent / half_height), subject]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_is_seen_from_corner_to_corner() {
        for (extent, aspect) in [(1.2, 0.6), (1.2, 1.2), (4.2, 1.78), (13.2, 2.4)] {
            let [eye, subject] = shot(extent, aspect);
            let view = Transform::from_translation(eye).looking_at(subject, Vec3::Y).to_matrix().inverse();
            for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
                let corner = view.transform_point3(Vec3::new(x, y, 0.0) * extent);
                let [across, up] =
                    [corner.x / aspect, corner.y].map(|along| along / -corner.z / ops::tan(ANGLE / 2.0));
                assert!(
                    across.abs() < 1.0 && up.abs() < 0.85,
                    "aspect {aspect}: {x}, {y} is seen at {across}, {up}"
                );
            }
        }
    }
}

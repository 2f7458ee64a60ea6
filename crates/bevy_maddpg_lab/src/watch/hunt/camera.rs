use bevy::{math::ops, prelude::*};

use crate::watch::stage::{ANGLE, show_view};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 2] = ["arena", "arenas"];

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, show_view(shot));
}

/// The camera's position and the point it looks at. `aspect` is the picture's width divided by its height.
fn shot(view: usize, aspect: f32) -> [Vec3; 2] {
    let half_height = ops::tan(ANGLE / 2.0);
    if view == 0 {
        // Far enough to see the walls on both sides, and the full depth between the panels.
        let distance = (1.4 / (half_height * aspect)).max(3.6) + 0.4;
        let subject = Vec3::new(0.0, 0.0, 0.04);
        return [subject + Vec3::new(0.0, 0.80, 0.60) * distance, subject];
    }
    let subject = Vec3::new(0.0, 0.0, -8.0);
    let distance = (15.2 / (half_height * aspect)).max(27.0);
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
            for (x, z) in [(-1.1, -1.1), (1.1, -1.1), (-1.1, 1.1), (1.1, 1.1)] {
                let corner = view.transform_point3(Vec3::new(x, 0.0, z));
                let [across, up] =
                    [corner.x / aspect, corner.y].map(|along| along / -corner.z / ops::tan(ANGLE / 2.0));
                assert!(
                    across.abs() < 1.0 && up.abs() < 0.85,
                    "aspect {aspect}: {x}, {z} is seen at {across}, {up}"
                );
            }
        }
    }
}

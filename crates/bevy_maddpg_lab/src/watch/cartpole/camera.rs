use bevy::{math::ops, prelude::*};

use crate::watch::stage::{ANGLE, show_view};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 2] = ["cart", "carts"];

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, show_view(shot));
}

/// The camera's position and the point it looks at.
fn shot(view: usize, aspect: f32) -> [Vec3; 2] {
    let (subject, half_width, height) = if view == 0 {
        (Vec3::new(0.0, 0.55, 0.0), 2.75, 0.12)
    } else {
        (Vec3::new(0.0, -0.6, -4.0), 9.0, 0.45)
    };
    let distance = half_width / (ops::tan(ANGLE / 2.0) * aspect.min(1.7));
    [subject + Vec3::new(0.0, height, 1.0) * distance, subject]
}

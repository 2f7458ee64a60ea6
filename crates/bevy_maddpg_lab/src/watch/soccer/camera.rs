use bevy::{ecs::system::SystemParam, math::ops, prelude::*, window::PrimaryWindow};

use crate::{
    games::soccer::{Field, dimensions::HALF_LENGTH},
    watch::{
        CameraViews, SceneInset,
        stage::{ANGLE, FrontArena, Glide},
    },
};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 3] = ["field", "ball", "fields"];

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, go.run_if(resource_exists::<FrontArena>));
}

/// The ball of the first field.
#[derive(SystemParam)]
struct FrontBall<'w, 's> {
    front: Res<'w, FrontArena>,
    fields: Query<'w, 's, &'static Field>,
    bodies: Query<'w, 's, &'static Transform, Without<Camera3d>>,
}

impl FrontBall<'_, '_> {
    fn position(&self) -> Vec3 {
        let ball = self.fields.get(self.front.0).and_then(|field| self.bodies.get(field.ball));
        ball.map_or(Vec3::ZERO, |ball| ball.translation)
    }
}

fn go(
    time: Res<Time<Real>>,
    views: Res<CameraViews>,
    inset: Res<SceneInset>,
    window: Single<&Window, With<PrimaryWindow>>,
    ball: FrontBall,
    mut camera: Single<&mut Transform, With<Camera3d>>,
    mut glide: Local<Glide>,
) {
    **camera = glide.towards(shot(views.current, ball.position(), inset.aspect(&window)), time.delta_secs());
}

/// The camera's position and the point it looks at. `aspect` is the picture's width divided by its height.
fn shot(view: usize, ball: Vec3, aspect: f32) -> [Vec3; 2] {
    let half_height = ops::tan(ANGLE / 2.0);
    match view {
        0 => {
            // Far enough to see the goals on both sides.
            let distance = ((HALF_LENGTH + 3.2) / (half_height * aspect)).max(38.0) + 2.0;
            let subject = Vec3::new(0.0, 0.0, -2.6);
            [subject + Vec3::new(0.0, 0.72, 0.69) * distance, subject]
        }
        1 => {
            let subject = Vec3::new(0.85 * ball.x, 0.4, 0.85 * ball.z);
            [subject + Vec3::new(0.0, 8.0, 14.0), subject]
        }
        _ => [Vec3::new(-40.0, 110.0, 120.0), Vec3::new(0.0, 0.0, -55.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_near_view_shows_both_goals() {
        for aspect in [0.6, 1.2, 1.78, 2.4] {
            let [eye, subject] = shot(0, Vec3::ZERO, aspect);
            let view = Transform::from_translation(eye).looking_at(subject, Vec3::Y).to_matrix().inverse();
            for x in [-1.0, 1.0] {
                let goal = view.transform_point3(Vec3::new(x * (HALF_LENGTH + 2.0), 0.5, 4.15));
                let across = goal.x / aspect / -goal.z / ops::tan(ANGLE / 2.0);
                assert!(across.abs() < 1.0, "aspect {aspect}: a goal is seen at {across}");
            }
        }
    }
}

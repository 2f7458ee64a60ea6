use bevy::{math::ops, prelude::*, window::PrimaryWindow};

use super::{Arrangement, Layout};
use crate::{
    games::control::ControlArena,
    watch::{
        CameraViews, SceneInset,
        stage::{ANGLE, FrontArena, Glide},
    },
};

/// Names of the views, in the order in which C shows them.
pub(super) const VIEWS: [&str; 2] = ["body", "bodies"];

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, go.run_if(resource_exists::<FrontArena>));
}

#[expect(clippy::too_many_arguments, reason = "a system")]
fn go(
    time: Res<Time<Real>>,
    views: Res<CameraViews>,
    inset: Res<SceneInset>,
    layout: Res<Layout>,
    front: Res<FrontArena>,
    arenas: Query<&ControlArena>,
    window: Single<&Window, With<PrimaryWindow>>,
    mut camera: Single<&mut Transform, With<Camera3d>>,
    (mut glide, mut last): (Local<Glide>, Local<Option<(Entity, Vec3)>>),
) {
    let Ok(arena) = arenas.get(front.0) else { return };
    let focus = Vec3::from_array(arena.simulation.focus().to_array());
    // The camera stays beside a body that runs, and goes with it when it starts anew, but does not nod with it.
    if let Some((_, before)) = last.filter(|(arena, _)| *arena == front.0) {
        glide.carry((focus - before).with_y(0.0));
    }
    *last = Some((front.0, focus));
    let view = shot(views.current, focus, &layout, inset.aspect(&window));
    **camera = glide.towards(view, time.delta_secs());
}

/// The camera's position and the point it looks at: at the first body, or at all of them. `aspect` is the picture's width divided by
/// its height.
fn shot(view: usize, focus: Vec3, layout: &Layout, aspect: f32) -> [Vec3; 2] {
    // The panels above and below leave two thirds of the picture's height free.
    let half_height = ops::tan(ANGLE / 2.0) * aspect.min(0.66);
    let near = layout.size / half_height;
    let (all, aside) = match layout.arrangement {
        Arrangement::Lanes(spacing) => (3.0 * spacing, 0.7),
        Arrangement::Rows(spacing) => (2.0 * spacing, 0.0),
        Arrangement::Tracks(_) => (60.0, 0.0),
    };
    match view {
        0 if matches!(layout.arrangement, Arrangement::Tracks(_)) => {
            [focus + Vec3::new(0.0, 1.0, 0.8) * near, focus]
        }
        0 => [focus + Vec3::new(0.1, 0.2, 1.0) * near, focus],
        _ => [focus + Vec3::new(aside, 0.8, 1.0) * (near + all), focus - Vec3::Z * all],
    }
}

use std::collections::VecDeque;

use bevy::{
    asset::RenderAssetUsages,
    camera::visibility::NoFrustumCulling,
    light::{NotShadowCaster, NotShadowReceiver},
    mesh::{Indices, PrimitiveTopology},
    prelude::*,
};

use super::{
    FrontCourt,
    scenery::{BALL, FrontBall},
};
use crate::games::tennis::Rules;
use bevy_maddpg::rollout::{AgentSystems, StepEnd};

/// Length of the trail, in steps.
const STEPS: usize = 26;
/// Half the trail's width at the ball, in radii of the ball.
const HALF_WIDTH: f32 = 0.8;
/// Its opacity at the ball.
const OPACITY: f32 = 0.34;
/// A ball that moves further than this in one step, in m, was served again.
const JUMP: f32 = 1.0;

/// Where the ball of the front court was after each of the last steps, oldest first.
#[derive(Resource, Debug, Default)]
struct Track(VecDeque<Vec3>);

/// The ribbon behind the ball.
#[derive(Component, Debug)]
struct Trail;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Track>()
        .add_systems(Startup, spawn)
        .add_systems(StepEnd, note.after(AgentSystems::End).run_if(resource_exists::<FrontCourt>))
        .add_systems(Update, draw);
}

fn spawn(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let material = materials.add(StandardMaterial {
        alpha_mode: AlphaMode::Blend,
        unlit: true,
        double_sided: true,
        cull_mode: None,
        fog_enabled: false,
        ..default()
    });
    commands.spawn((
        Trail,
        Mesh3d(meshes.add(ribbon(&[], Vec3::ZERO, 1.0))),
        MeshMaterial3d(material),
        NoFrustumCulling,
        NotShadowCaster,
        NotShadowReceiver,
    ));
}

fn note(front: Res<FrontCourt>, balls: Query<&Transform>, mut track: ResMut<Track>) {
    let Ok(ball) = balls.get(front.ball) else { return };
    let ball = ball.translation;
    if track.0.back().is_some_and(|last| last.distance(ball) > JUMP) {
        track.0.clear();
    }
    if track.0.len() == STEPS {
        track.0.pop_front();
    }
    track.0.push_back(ball);
}

fn draw(
    rules: Res<Rules>,
    track: Res<Track>,
    ball: Option<Single<&Transform, With<FrontBall>>>,
    camera: Single<&Transform, (With<Camera3d>, Without<FrontBall>)>,
    trail: Single<&Mesh3d, With<Trail>>,
    mut meshes: ResMut<Assets<Mesh>>,
) {
    let Some(ball) = ball else { return };
    // The ball is drawn between the last two steps, so the trail ends at the drawn ball, not at the newest position.
    let mut points: Vec<_> = track.0.iter().rev().skip(1).rev().copied().collect();
    points.push(ball.translation);
    if let Some(mut mesh) = meshes.get_mut(&trail.0) {
        *mesh = ribbon(&points, camera.translation, HALF_WIDTH * rules.dimensions().ball_radius);
    }
}

/// A band of this half width through the points that faces `eye`, thin and transparent at its oldest end. Its vertex count is constant.
fn ribbon(points: &[Vec3], eye: Vec3, half_width: f32) -> Mesh {
    let head = points.last().copied().unwrap_or_default();
    let tail = points.first().copied().unwrap_or_default();
    let color = BALL.to_linear();
    let (mut positions, mut colors) = (Vec::new(), Vec::new());
    // With fewer points, the unused vertices collapse onto the oldest point.
    let missing = (STEPS + 1).saturating_sub(points.len());
    for index in 0..=STEPS {
        let point = |index: usize| {
            index.checked_sub(missing).map_or(tail, |index| points.get(index).copied().unwrap_or(head))
        };
        let here = point(index);
        let along = point((index + 1).min(STEPS)) - point(index.saturating_sub(1));
        let across = along.cross(eye - here).normalize_or_zero();
        let share = index as f32 / STEPS as f32;
        for sign in [-1.0, 1.0] {
            positions.push((here + across * (sign * half_width * share)).to_array());
            colors.push([color.red, color.green, color.blue, OPACITY * share * share]);
        }
    }
    let indices =
        (0..STEPS as u32).flat_map(|index| [0, 1, 2, 2, 1, 3].map(|corner| 2 * index + corner)).collect();
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, vec![[0.0, 0.0, 1.0]; positions.len()])
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
        .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colors)
        .with_inserted_indices(Indices::U32(indices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ribbon_has_the_same_size_however_short_the_track() {
        for length in [0, 1, 2, STEPS, STEPS + 1] {
            let points: Vec<_> = (0..length).map(|x| Vec3::X * x as f32 * 0.1).collect();
            let mesh = ribbon(&points, Vec3::Z * 30.0, 0.4);
            assert_eq!(mesh.count_vertices(), 2 * (STEPS + 1));
            let positions = mesh
                .attribute(Mesh::ATTRIBUTE_POSITION)
                .and_then(|values| values.as_float3())
                .expect("positions");
            assert!(positions.iter().flatten().all(|number| number.is_finite()));
        }
    }
}

use bevy::prelude::*;

use super::{RayBatch, RayPlugin, RayPose, RaySystems};
use crate::{agent::Agent, arena::InArena, problems::Problems, rollout::Observe};

/// Casts rays against [`RayTarget`]s by formulas, without a physics engine. It adds [`RayPlugin`] if the app does not have it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnalyticRays {
    /// The plane in which rays and targets meet. Default: the ground.
    pub plane: RayPlane,
}

/// The plane in which [`AnalyticRays`] casts rays. Coordinates along the third axis do not matter.
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RayPlane {
    /// The plane of x and z: the ground of a game in three dimensions.
    #[default]
    Ground,
    /// The plane of x and y, for games in two dimensions. Their agents need a [`RayPose::in_2d`].
    Flat,
}

impl RayPlane {
    fn project(self, position: Vec3) -> Vec2 {
        match self {
            Self::Ground => position.xz(),
            Self::Flat => position.xy(),
        }
    }
}

impl Plugin for AnalyticRays {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<RayPlugin>() {
            app.add_plugins(RayPlugin);
        }
        app.insert_resource(self.plane)
            .register_type::<RayTarget>()
            .add_systems(Observe, cast.in_set(RaySystems::Cast));
    }
}

/// The shape of an entity that [`AnalyticRays`] can hit. Only the rays of agents in its arena hit it.
#[derive(Component, Reflect, Debug, Clone, Copy, PartialEq)]
#[reflect(Component)]
pub enum RayTarget {
    /// A ball around the entity's [`Transform`].
    Ball {
        /// The arena of the ball.
        arena: Entity,
        /// The radius of the ball, in the game's unit.
        radius: f32,
    },
    /// A straight wall.
    Wall {
        /// The arena of the wall.
        arena: Entity,
        /// One end of the wall, in the coordinates of the world.
        from: Vec3,
        /// The other end of the wall.
        to: Vec3,
    },
}

/// A target in the plane.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Ball { center: Vec2, radius: f32 },
    Wall { from: Vec2, to: Vec2 },
}

/// A target: its arena, its entity, and its shape.
type Target = (Entity, Entity, Shape);

/// The targets of all arenas, sorted by arena. Memory is reused.
#[derive(Debug, Default)]
struct Scenes(Vec<Target>);

fn cast(
    plane: Res<RayPlane>,
    mut batch: ResMut<RayBatch>,
    targets: Query<(Entity, &RayTarget, Option<&Transform>, Option<&RayPose>)>,
    places: Query<&InArena>,
    agents: Query<&Agent>,
    mut problems: ResMut<Problems>,
    mut scenes: Local<Scenes>,
) {
    let scenes = &mut scenes.0;
    scenes.clear();
    scenes.extend(targets.iter().map(|(entity, target, transform, pose)| match *target {
        RayTarget::Ball { arena, radius } => {
            let center = pose.map(|pose| &pose.0).or(transform).map_or(Vec3::ZERO, |place| place.translation);
            (arena, entity, Shape::Ball { center: plane.project(center), radius })
        }
        RayTarget::Wall { arena, from, to } => {
            (arena, entity, Shape::Wall { from: plane.project(from), to: plane.project(to) })
        }
    }));
    scenes.sort_unstable_by_key(|(arena, entity, _)| (*arena, *entity));
    let mut known: Option<(Entity, &[Target])> = None;
    for index in 0..batch.rays.len() {
        let ray = batch.rays[index];
        // All rays of an agent come one after another, so this search is needed once per agent.
        let scene = match known {
            Some((agent, scene)) if agent == ray.agent => scene,
            _ => {
                let arena = InArena::arena_of(ray.agent, places.get(ray.agent).ok());
                let scene = scene_of(scenes, arena);
                known = Some((ray.agent, scene));
                scene
            }
        };
        let in_plane = plane.project(ray.direction);
        if in_plane.length_squared() < STEEP * STEEP {
            tell_of_steep_rays(ray.agent, &agents, *plane, &mut problems);
        }
        // If the agent is tilted, its rays are turned into the plane.
        let (origin, direction) = (plane.project(ray.origin), in_plane.normalize_or_zero());
        for (_, entity, shape) in scene.iter().filter(|(_, entity, _)| *entity != ray.agent) {
            if let Some(distance) = meet(origin, direction, ray.radius, shape) {
                batch.hit(index, distance, *entity);
            }
        }
    }
}

/// If the part of a ray's direction that lies in the plane is shorter than this, the ray probably belongs to another plane.
const STEEP: f32 = 0.3;

fn tell_of_steep_rays(agent: Entity, agents: &Query<&Agent>, plane: RayPlane, problems: &mut Problems) {
    let behavior = agents.get(agent).map_or("", |agent| agent.behavior.as_str());
    let (axes, instead) = match plane {
        RayPlane::Ground => {
            ("x and z", "for a game in the plane of x and y, use `RayPlane::Flat` and `RayPose::in_2d`")
        }
        RayPlane::Flat => ("x and y", "give the agent a `RayPose::in_2d`"),
    };
    problems.tell("steep rays", behavior, || {
        format!(
            "the rays of agent {agent} of behavior `{behavior}` leave the plane of {axes}, in which `AnalyticRays` casts them, so they see \
             little or nothing; {instead}"
        )
    });
}

fn scene_of(scenes: &[Target], arena: Entity) -> &[Target] {
    let start = scenes.partition_point(|(known, ..)| *known < arena);
    let end = start + scenes[start..].partition_point(|(known, ..)| *known == arena);
    &scenes[start..end]
}

/// The distance at which a ray meets a shape; `None` if it does not. The shape is first enlarged by the ray's radius.
fn meet(origin: Vec2, direction: Vec2, ray_radius: f32, shape: &Shape) -> Option<f32> {
    match *shape {
        Shape::Ball { center, radius } => meet_disc(origin, direction, center, radius + ray_radius),
        Shape::Wall { from, to } => {
            let along = (to - from).normalize_or_zero();
            let normal = along.perp();
            let from_wall = (origin - from).dot(normal);
            let approach = -direction.dot(normal) * from_wall.signum();
            // A thick ray may already touch the wall where it starts.
            let face = ((from_wall.abs() - ray_radius) / approach).max(0.0);
            let at = (origin + face * direction - from).dot(along);
            if approach > 0.0 && (0.0..=(to - from).length()).contains(&at) {
                return Some(face);
            }
            if ray_radius == 0.0 {
                return None;
            }
            // A thick ray may meet an end of the wall.
            let ends = [from, to].into_iter().filter_map(|end| meet_disc(origin, direction, end, ray_radius));
            ends.reduce(f32::min)
        }
    }
}

/// The distance at which a ray enters a disc; 0 if it starts inside and goes toward the center. If an agent touches a ball, its thick
/// rays start inside the disc. Only those that go toward the center must then see the ball.
fn meet_disc(origin: Vec2, direction: Vec2, center: Vec2, radius: f32) -> Option<f32> {
    let way = center - origin;
    let along = way.dot(direction);
    let outside = way.length_squared() - radius * radius;
    let depth = along * along - outside;
    (along > 0.0 && depth >= 0.0).then(|| (along - depth.sqrt()).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance at which a ray from the origin meets a shape.
    fn met(degrees: f32, radius: f32, shape: &Shape) -> Option<f32> {
        meet(Vec2::ZERO, Vec2::from_angle(degrees.to_radians()), radius, shape)
    }

    fn close(found: Option<f32>, expected: f32) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-5), "{found:?}, expected {expected}");
    }

    #[test]
    fn rays_meet_balls_and_walls_where_geometry_says() {
        let ball = Shape::Ball { center: Vec2::new(3.0, 3.0), radius: 1.0 };
        close(met(45.0, 0.0, &ball), 18.0f32.sqrt() - 1.0);
        close(met(45.0, 0.5, &ball), 18.0f32.sqrt() - 1.5);
        assert_eq!(met(0.0, 0.0, &ball), None);
        assert_eq!(met(225.0, 0.0, &ball), None, "behind");
        let wall = Shape::Wall { from: Vec2::new(5.0, -1.0), to: Vec2::new(5.0, 1.0) };
        close(met(0.0, 0.0, &wall), 5.0);
        close(met(0.0, 0.5, &wall), 4.5);
        close(met(10.0, 0.0, &wall), 5.0 / bevy::math::ops::cos(10.0f32.to_radians()));
        assert_eq!(met(15.0, 0.0, &wall), None, "past its end");
        assert!(met(15.0, 0.5, &wall).is_some(), "a thick ray meets the end");
        assert_eq!(met(180.0, 0.0, &wall), None);
    }
}

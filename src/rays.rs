//! Ray sensors: an agent senses what lies in some directions, and how near it is.
//!
//! A [`RaySensor`] on an agent adds numbers to its observation, after those that the game writes. Whenever agents observe,
//! [`RayPlugin`] collects all their rays into one [`RayBatch`]. Then the rays are cast, and the plugin writes what they hit to the
//! observations. You choose what casts the rays: [`AnalyticRays`], for balls and straight walls ([`RayTarget`]), or a system of your
//! own that uses your physics engine or your tile map. Such a system is short:
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::{prelude::*, rays::{RayBatch, RayPlugin, RaySystems}};
//! use bevy_rapier3d::prelude::*;
//!
//! /// Casts all rays with bevy_rapier. With avian, `SpatialQuery::cast_ray` takes the place of the context.
//! fn cast(mut batch: ResMut<RayBatch>, physics: ReadRapierContext) -> Result {
//!     let physics = physics.single()?;
//!     for index in 0..batch.rays().len() {
//!         let ray = batch.rays()[index];
//!         let others = QueryFilter::new().exclude_rigid_body(ray.agent);
//!         let hit = physics.cast_ray(ray.origin, ray.direction, ray.length, true, others);
//!         if let Some((entity, distance)) = hit {
//!             batch.hit(index, distance, entity);
//!         }
//!     }
//!     Ok(())
//! }
//!
//! fn build(app: &mut App) {
//!     app.add_plugins(RayPlugin).add_systems(Observe, cast.in_set(RaySystems::Cast));
//! }
//! # let mut app = App::new();
//! # build(&mut app);
//! ```
//!
//! Rays lie in the plane of the agent's forward and right axes. In a world with y up, this is the ground. In a game in two dimensions,
//! give each agent a [`RayPose::in_2d`] and keep it up to date. With [`AnalyticRays`], also use [`RayPlane::Flat`].
//!
//! A physics engine casts rays against the positions that bodies had at its last step. If your systems in
//! [`Reset`](crate::rollout::Reset) move bodies, also update the engine's copy of their positions there. Otherwise, the first
//! observation of an episode shows the old positions. With [`AnalyticRays`], this is not needed.
//!
//! Each ray gives one number for each class in [`RaySensor::classes`]. The number for the [`Detectable`] class of what the ray hits is
//! the nearness of the hit: 1 at the agent, 0 at the end of the ray. The other numbers are 0. The learner does not normalize these
//! numbers.

mod analytic;

pub use analytic::{AnalyticRays, RayPlane, RayTarget};

use bevy::{math::ops, prelude::*};

use crate::{
    agent::{Agent, Observation},
    arena::{ArenasToObserve, InArena},
    rollout::Observe,
};

/// Lets an agent sense with rays. Insert this component on the agent, and add its numbers to the observation with
/// [`Agent::with_rays`].
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::{prelude::*, rays::RaySensor};
///
/// fn spawn(mut commands: Commands) {
///     // 7 rays over 120 degrees, which see walls (class 0) and others (class 1).
///     let eyes = RaySensor::fan(7, 120.0, 20.0, [0, 1]);
///     // The game writes 2 numbers, the sensor 14 more.
///     commands.spawn((Agent::new("guard", 2, 2).with_rays(&eyes), eyes));
/// }
/// # let mut app = App::new();
/// # app.add_systems(Startup, spawn).update();
/// ```
#[derive(Component, Reflect, Debug, Clone, PartialEq)]
#[reflect(Component)]
pub struct RaySensor {
    /// Direction of each ray, as an angle in radians: 0 is forward, positive angles are to the right.
    pub angles: Vec<f32>,
    /// Length of the rays, in the game's unit.
    pub length: f32,
    /// Radius of the rays, in the game's unit; 0 for thin rays. [`AnalyticRays`] uses it; a system of your own may ignore it.
    pub radius: f32,
    /// The [`Detectable`] classes that the sensor tells apart, in the order of its numbers. Rays also end at things of other classes,
    /// but all numbers of such a ray are 0.
    pub classes: Vec<u8>,
}

impl RaySensor {
    /// A fan of `count` thin rays over an angle of `degrees`. Its middle points forward.
    pub fn fan(count: usize, degrees: f32, length: f32, classes: impl Into<Vec<u8>>) -> Self {
        let step = if count > 1 { degrees.to_radians() / (count - 1) as f32 } else { 0.0 };
        let first = -step * (count.saturating_sub(1)) as f32 / 2.0;
        Self {
            angles: (0..count).map(|index| first + step * index as f32).collect(),
            length,
            radius: 0.0,
            classes: classes.into(),
        }
    }

    /// Adds the rays of another sensor.
    ///
    /// # Panics
    /// If the other sensor has another length or radius, or other classes, since these are the same for all rays of an agent.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        assert!(
            (self.length, self.radius, &self.classes) == (other.length, other.radius, &other.classes),
            "all rays of an agent have the same length, radius and classes, but these sensors differ: {self:?} and {other:?}"
        );
        self.angles.extend_from_slice(&other.angles);
        self
    }

    /// Sets the radius of the rays.
    #[must_use]
    pub fn with_radius(mut self, radius: f32) -> Self {
        self.radius = radius;
        self
    }

    /// How many numbers the sensor adds to an observation: the number of rays times the number of classes.
    pub fn size(&self) -> usize {
        self.angles.len() * self.classes.len()
    }
}

/// Where an agent's rays start, and in which direction it looks: the forward direction of this transform (negative z). Both are in the
/// coordinates of the world. By default, the rays use the agent's own [`Transform`]. Insert this component on the agent if that does not
/// fit, for example because the agent is the child of an entity that moves.
#[derive(Component, Reflect, Debug, Clone, Copy, PartialEq, Default)]
#[reflect(Component)]
pub struct RayPose(pub Transform);

impl RayPose {
    /// A pose in the plane of x and y: rays start at `position`, and the agent looks along `heading`, which must not be zero.
    ///
    /// ```
    /// use bevy::prelude::*;
    /// use bevy_maddpg::rays::RayPose;
    ///
    /// let pose = RayPose::in_2d(Vec2::new(3.0, 4.0), Vec2::Y);
    /// assert!(pose.0.forward().distance(Vec3::Y) < 1e-6 && pose.0.right().distance(Vec3::X) < 1e-6);
    /// ```
    pub fn in_2d(position: Vec2, heading: Vec2) -> Self {
        Self(Transform::from_translation(position.extend(0.0)).looking_to(heading.extend(0.0), Vec3::Z))
    }
}

/// The class of an entity that rays can hit. Entities without this component have class 255.
#[derive(Component, Reflect, Debug, Clone, Copy, PartialEq, Eq)]
#[reflect(Component)]
pub struct Detectable(pub u8);

/// A ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ray {
    /// The agent, which the ray does not hit.
    pub agent: Entity,
    /// Where the ray starts, in the coordinates of the world.
    pub origin: Vec3,
    /// The direction of the ray, as a unit vector.
    pub direction: Vec3,
    /// The length of the ray.
    pub length: f32,
    /// The radius of the ray.
    pub radius: f32,
}

/// The rays of the agents that were observed last, and what the rays hit. At a decision, these are all agents. When episodes have ended,
/// these are the agents of the [`ArenasToObserve`].
#[derive(Resource, Debug, Default)]
pub struct RayBatch {
    rays: Vec<Ray>,
    /// The distance of the nearest hit so far, and what it was.
    hits: Vec<Option<(f32, Entity)>>,
}

impl RayBatch {
    /// The rays, agent by agent, in the order of their sensor's angles.
    pub fn rays(&self) -> &[Ray] {
        &self.rays
    }

    /// What the ray with this index has hit: the distance and the entity. `None` if it has hit nothing.
    ///
    /// # Panics
    /// If there is no ray with this index.
    pub fn hit_of(&self, index: usize) -> Option<(f32, Entity)> {
        self.hits[index]
    }

    /// Reports that the ray with this index hits `entity` at this distance. The nearest hit counts, so several systems can cast the same
    /// rays. If several hits have the same distance, the entity with the lowest index counts. A hit beyond the ray's length is ignored.
    ///
    /// # Panics
    /// If there is no ray with this index.
    pub fn hit(&mut self, index: usize, distance: f32, entity: Entity) {
        if distance > self.rays[index].length {
            return;
        }
        let is_nearer = |(found, other): (f32, Entity)| {
            distance < found || (distance == found && entity.index() < other.index())
        };
        if self.hits[index].is_none_or(is_nearer) {
            self.hits[index] = Some((distance, entity));
        }
    }
}

/// The system sets for rays in the schedule [`Observe`], in the order in which they run.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub enum RaySystems {
    /// [`RayPlugin`] collects the rays of all sensors.
    Collect,
    /// The rays are cast. Put your own system that casts rays into this set.
    Cast,
    /// [`RayPlugin`] writes what the rays hit to the observations.
    Encode,
}

/// Collects the rays of all [`RaySensor`]s, and writes what they hit to the observations. It does not cast rays: add a system of your
/// own that does. If you use [`AnalyticRays`], you do not need to add this plugin.
#[derive(Debug, Clone, Copy, Default)]
pub struct RayPlugin;

impl Plugin for RayPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<RayBatch>()
            .register_type::<RaySensor>()
            .register_type::<RayPose>()
            .register_type::<Detectable>()
            .configure_sets(Observe, (RaySystems::Collect, RaySystems::Cast, RaySystems::Encode).chain())
            .add_systems(Observe, (collect.in_set(RaySystems::Collect), encode.in_set(RaySystems::Encode)));
    }
}

/// What [`collect`] reads of each agent with a sensor.
type Sensing<'a> = (Entity, &'a RaySensor, Option<&'a RayPose>, Option<&'a Transform>, Option<&'a InArena>);

fn collect(observed: ArenasToObserve, mut batch: ResMut<RayBatch>, sensors: Query<Sensing, With<Agent>>) {
    let RayBatch { rays, hits } = &mut *batch;
    rays.clear();
    for (agent, sensor, pose, transform, in_arena) in &sensors {
        if !observed.contains(InArena::arena_of(agent, in_arena)) {
            continue;
        }
        let pose = pose.map(|pose| pose.0).or(transform.copied()).unwrap_or_default();
        let (forward, right) = (*pose.forward(), *pose.right());
        rays.extend(sensor.angles.iter().map(|angle| Ray {
            agent,
            origin: pose.translation,
            direction: forward * ops::cos(*angle) + right * ops::sin(*angle),
            length: sensor.length,
            radius: sensor.radius,
        }));
    }
    hits.clear();
    hits.resize(rays.len(), None);
}

fn encode(
    batch: Res<RayBatch>,
    mut sensors: Query<(&RaySensor, &mut Observation), With<Agent>>,
    classes: Query<&Detectable>,
    mut numbers: Local<Vec<f32>>,
) {
    let mut first = 0;
    while let Some(ray) = batch.rays.get(first) {
        let Ok((sensor, mut observation)) = sensors.get_mut(ray.agent) else {
            first += 1;
            continue;
        };
        numbers.clear();
        numbers.resize(sensor.size(), 0.0);
        let hits = &batch.hits[first..first + sensor.angles.len()];
        for (hit, columns) in hits.iter().zip(numbers.chunks_exact_mut(sensor.classes.len().max(1))) {
            let Some((distance, entity)) = hit else { continue };
            let class = classes.get(*entity).map_or(u8::MAX, |class| class.0);
            if let Some(column) = sensor.classes.iter().position(|seen| *seen == class) {
                columns[column] = 1.0 - distance / sensor.length;
            }
        }
        observation.write_sensed(&numbers);
        first += sensor.angles.len().max(1);
    }
}

impl Agent {
    /// Adds the numbers of a [`RaySensor`] to the observation, after those that the game writes.
    #[must_use]
    pub fn with_rays(mut self, sensor: &RaySensor) -> Self {
        if !self.observation_names.is_empty() {
            let rays = (0..sensor.angles.len())
                .flat_map(|ray| sensor.classes.iter().map(move |class| format!("ray {ray}: class {class}")));
            self.observation_names.extend(rays);
        }
        self.observation_size += sensor.size();
        self.sensed += sensor.size();
        self
    }
}

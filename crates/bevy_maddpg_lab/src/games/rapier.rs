//! The part of `bevy_rapier` that the arenas use.

use bevy::{
    ecs::message::MessageRegistry,
    prelude::*,
    transform::systems::{propagate_parent_transforms, sync_simple_transforms},
};
use bevy_rapier3d::{plugin::systems, prelude::*};

/// Adds rapier, which steps in [`FixedUpdate`] by `step_seconds`. Of the systems that it runs around its step, this adds only
/// those for rigid bodies with colliders on the same entity: the arenas have no joints, characters or changing colliders, and
/// the other systems would take a fortieth of the total time of tennis (a tenth with one arena).
pub(super) fn add(app: &mut App, step_seconds: f64) {
    app.insert_resource(TimestepMode::Fixed { dt: step_seconds as f32, substeps: 1 })
        .insert_resource(Time::<Fixed>::from_seconds(step_seconds))
        .add_plugins(
            RapierPhysicsPlugin::<NoUserData>::default()
                .in_schedule(FixedUpdate)
                .with_physics_sets_systems([PhysicsSet::StepSimulation].into_iter().collect()),
        )
        .add_systems(
            FixedUpdate,
            (
                (
                    (sync_simple_transforms, propagate_parent_transforms).chain(),
                    (systems::init_rigid_bodies, systems::init_colliders).chain(),
                    systems::apply_rigid_body_user_changes,
                )
                    .chain()
                    .in_set(PhysicsSet::SyncBackend),
                systems::writeback_rigid_bodies.in_set(PhysicsSet::Writeback),
            ),
        );
    // Rapier inserts its message buffers without registering them, and Bevy clears only registered buffers.
    MessageRegistry::register_message::<CollisionEvent>(app.world_mut());
    MessageRegistry::register_message::<ContactForceEvent>(app.world_mut());
    MessageRegistry::register_message::<bevy_rapier3d::prelude::MassModifiedEvent>(app.world_mut());
}

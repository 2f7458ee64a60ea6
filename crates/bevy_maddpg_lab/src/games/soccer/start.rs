use bevy::{math::ops, prelude::*};
use bevy_rapier3d::prelude::*;
use rand::RngExt;

use super::{
    Field, Player, Team,
    dimensions::{HALF_LENGTH, HALF_WIDTH, HEIGHT},
    reward::Progress,
};
use bevy_maddpg::{
    arena::Episode,
    random::Random,
    rollout::{Exploration, RolloutClock},
};

/// Which episodes start with players and ball anywhere on the field, so that the agents get to know more of the game early. Not in
/// evaluations.
#[derive(Resource, Debug, Clone, Copy, PartialEq)]
pub struct Scatter {
    /// The share of the episodes, 0 to 1.
    pub share: f32,
    /// Joint decisions over which the share falls to 0.
    pub decisions: u64,
}

impl Default for Scatter {
    fn default() -> Self {
        Self { share: 0.25, decisions: 4_000_000 }
    }
}

impl Scatter {
    /// Every episode starts with the kick-off.
    pub const NONE: Self = Self { share: 0.0, decisions: 1 };

    fn share(&self, decisions: u64) -> f32 {
        self.share * (1.0 - decisions as f32 / self.decisions.max(1) as f32).max(0.0)
    }
}

/// A player at kick-off: the middle of its place, in m, and how far it may be from there along x, for blue.
const PLACE: f32 = -8.19;
const SPREAD: f32 = 5.0;
/// Distance of the players from the middle line along the field, m.
const ASIDE: f32 = 1.2;
/// How far a player's facing may be from the other side at kick-off, in degrees.
const FACING: f32 = 10.0;
/// How far the ball may be from the middle at kick-off, along each axis, m.
const BALL: f32 = 2.5;

/// Places the ball and the players for a new episode.
pub(super) fn kick_off(
    scatter: Res<Scatter>,
    exploration: Res<Exploration>,
    clock: Res<RolloutClock>,
    mut fields: Query<(&mut Field, &mut Progress, &Episode)>,
    mut players: Query<&mut Player>,
    mut bodies: Query<(&mut Transform, &mut Velocity)>,
) {
    for (mut field, mut progress, episode) in &mut fields {
        if !episode.needs_reset() {
            continue;
        }
        let Field { ball, players: slots, center, random, steps, .. } = &mut *field;
        *steps = 0;
        *progress = Progress::default();
        let share = if exploration.enabled { scatter.share(clock.decisions) } else { 0.0 };
        let is_scattered = share > 0.0 && random.random::<f32>() < share;
        let mut place = |entity: Entity, position: Vec2| {
            if let Ok((mut transform, mut velocity)) = bodies.get_mut(entity) {
                let at = *center + position;
                *transform = Transform::from_xyz(at.x, HEIGHT, at.y);
                *velocity = Velocity::zero();
            }
        };
        for (slot, entity) in slots.iter().enumerate() {
            let (position, facing) = if is_scattered {
                (anywhere(random), unit(random.random_range(-180.0..180.0f32)))
            } else {
                at_kick_off(slot, random)
            };
            place(*entity, position);
            if let Ok(mut player) = players.get_mut(*entity) {
                player.facing = facing;
            }
        }
        let at = if is_scattered {
            anywhere(random)
        } else {
            Vec2::new(random.random_range(-BALL..BALL), random.random_range(-BALL..BALL))
        };
        place(*ball, at);
    }
}

/// The position and the facing of a player at kick-off.
fn at_kick_off(slot: usize, random: &mut Random) -> (Vec2, Vec2) {
    let mirror = Team::of_slots()[slot].mirror();
    let position =
        Vec2::new(PLACE + random.random_range(-SPREAD..SPREAD), ASIDE * (2.0 * (slot % 2) as f32 - 1.0));
    (mirror * position, mirror * unit(random.random_range(-FACING..FACING)))
}

/// A place on the field that touches no wall.
fn anywhere(random: &mut Random) -> Vec2 {
    let (x, z) = (HALF_LENGTH - 3.5, HALF_WIDTH - 1.5);
    Vec2::new(random.random_range(-x..x), random.random_range(-z..z))
}

/// The unit vector at this angle from x, in degrees.
fn unit(degrees: f32) -> Vec2 {
    let angle = degrees.to_radians();
    Vec2::new(ops::cos(angle), ops::sin(angle))
}

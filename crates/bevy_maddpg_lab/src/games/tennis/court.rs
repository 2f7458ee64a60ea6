use bevy::prelude::*;
use bevy_rapier3d::{prelude::*, rapier::math::Pose};

use super::{FRAMES, TIME_LIMIT, play, rules::Rally};
use bevy_maddpg::{
    agent::Agent,
    arena::{Arena, InArena},
    random::{Random, stream},
};

/// Sizes of the court in meters. y is up; the net stands at x = 0.
pub mod dimensions {
    /// Height of the floor's surface.
    pub const FLOOR: f32 = -3.25;
    /// Depth of the floor along z.
    pub const WIDTH: f32 = 7.0;
    /// Length of one half of the floor.
    pub const HALF_LENGTH: f32 = 12.5;
    /// Distance of the walls' inner faces from the net.
    pub const WALL: f32 = 12.27;
    /// Height of the walls.
    pub const WALL_HEIGHT: f32 = 60.0;
    /// Height of the net's upper edge.
    pub const NET: f32 = -1.0;
    /// Thickness of the net.
    pub const NET_THICKNESS: f32 = 0.1;
    /// Height of the upper edge of the plane above the net that the ball must cross.
    pub const OVER: f32 = 9.0;
    /// Radius of the ball.
    pub const BALL_RADIUS: f32 = 0.5;
    /// Size of a racket's box, before its tilt.
    pub const RACKET: [f32; 3] = [1.1, 1.875, 2.0];
    /// Distance of the box's center behind the racket's pivot, along the box's own x axis.
    pub const RACKET_BEHIND: f32 = 0.5;
    /// Tilt of a racket about z in degrees; negative on the right side.
    pub const RACKET_TILT: f32 = 55.0;
    /// Distance from one arena to the next along z.
    pub const SPACING: f32 = 10.0;
}
use dimensions::*;

/// The bodies of a tennis arena. A component of the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
#[require(Rally)]
pub struct Court {
    /// The ball.
    pub ball: Entity,
    /// The rackets, left and right: the agents of slot 0 and 1.
    pub rackets: [Entity; 2],
    /// The arena's position along z.
    pub z: f32,
    pub(super) random: Random,
}

/// The ball of an arena.
#[derive(Component, Debug, Clone)]
pub struct Ball {
    /// The entity with the [`Court`].
    pub court: Entity,
}

/// A half of the court.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// x < 0, slot 0.
    Left,
    /// x > 0, slot 1.
    Right,
}

impl Side {
    /// Both sides, by slot.
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// The slot that plays here.
    pub fn slot(self) -> usize {
        self as usize
    }

    /// 1 on the left, -1 on the right: a factor on everything along x, so that both sides see the same game.
    pub fn mirror(self) -> f32 {
        match self {
            Self::Left => 1.0,
            Self::Right => -1.0,
        }
    }
}

/// A fixed part of the courts; neighboring arenas share it.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CourtPart {
    /// Half of the floor.
    Floor(Side),
    /// The wall behind a half.
    Wall(Side),
    /// The net.
    Net,
}

/// Maximum number of neighboring arenas that share their ground. Nothing moves along z, so one floor, one net and two
/// walls serve all of them, and rapier handles little more than the three moving colliders of each arena.
const ROW: usize = 64;

/// Spawns arenas whose random serves depend on `seed`.
pub(super) fn spawn(commands: &mut Commands, arenas: usize, seed: u64) {
    for first in (0..arenas).step_by(ROW) {
        let row = first..arenas.min(first + ROW);
        spawn_ground(commands, arena_z(row.start), arena_z(row.end - 1));
        for index in row {
            spawn_arena(commands, index, seed);
        }
    }
}

fn arena_z(index: usize) -> f32 {
    -(index as f32) * SPACING
}

fn spawn_arena(commands: &mut Commands, index: usize, seed: u64) {
    let z = arena_z(index);
    let arena = commands.spawn((Arena::with_time_limit(TIME_LIMIT), Transform::default())).id();
    let rackets = Side::BOTH.map(|side| spawn_racket(commands, arena, side, z));
    let ball = commands
        .spawn((
            Ball { court: arena },
            Transform::from_xyz(7.0, 6.0, z),
            RigidBody::Dynamic,
            Velocity::default(),
            Collider::ball(BALL_RADIUS),
            ColliderMassProperties::Mass(0.75),
            LockedAxes::TRANSLATION_LOCKED_Z | LockedAxes::ROTATION_LOCKED_Z,
            Damping { linear_damping: 0.0, angular_damping: 0.0 },
            (elastic(), slippery(), Ccd::enabled(), Sleeping::disabled(), ActiveEvents::COLLISION_EVENTS),
        ))
        .id();
    commands.entity(arena).insert(Court {
        ball,
        rackets,
        z,
        random: stream(seed, "tennis serve", index as u64),
    });
}

fn spawn_racket(commands: &mut Commands, arena: Entity, side: Side, z: f32) -> Entity {
    let [x, y, depth] = RACKET.map(|size| size / 2.0);
    commands
        .spawn((
            Agent::new("player", play::OBSERVATION_SIZE, play::ACTION_SIZE).with_frames(FRAMES),
            InArena::slot(arena, side.slot()),
            side,
            Transform::from_xyz(-7.0 * side.mirror(), -1.5, z),
            RigidBody::Dynamic,
            Velocity::default(),
            Collider::cuboid(x, y, depth),
            ColliderMassProperties::Mass(4.0),
            LockedAxes::TRANSLATION_LOCKED_Z | LockedAxes::ROTATION_LOCKED,
            (slippery(), Ccd::enabled(), Sleeping::disabled()),
        ))
        .id()
}

/// Moves the boxes of new rackets behind their pivots and tilts them.
///
/// `bevy_rapier` can offset a collider from its body only through a child entity, whose transform would have to be
/// propagated at each step. A compound collider of one box needs no child, but makes the physics step a tenth slower.
pub(super) fn tilt_rackets(
    rackets: Query<(&Side, &RapierColliderHandle), Added<RapierColliderHandle>>,
    mut physics: Query<&mut RapierContextColliders, With<DefaultRapierContext>>,
) -> Result {
    for (side, handle) in &rackets {
        let tilt = Quat::from_rotation_z((RACKET_TILT * side.mirror()).to_radians());
        let behind = tilt * Vec3::new(-RACKET_BEHIND * side.mirror(), 0.0, 0.0);
        if let Some(racket) = physics.single_mut()?.colliders.get_mut(handle.0) {
            racket.set_position_wrt_parent(Pose::from_parts(behind, tilt));
        }
    }
    Ok(())
}

/// Spawns the floor, walls and net for the arenas between two positions along z.
fn spawn_ground(commands: &mut Commands, first: f32, last: f32) {
    let (z, depth) = ((first + last) / 2.0, WIDTH + first - last);
    // A collider without a rigid body is fixed too, and rapier does not copy results back to it at each step.
    let mut fixed = |part: CourtPart, [x, y]: [f32; 2], [width, height]: [f32; 2]| {
        commands.spawn((
            part,
            Transform::from_xyz(x, y, z),
            Collider::cuboid(width / 2.0, height / 2.0, depth / 2.0),
            slippery(),
        ));
    };
    for side in Side::BOTH {
        let out = -side.mirror();
        fixed(CourtPart::Floor(side), [out * HALF_LENGTH / 2.0, FLOOR - 0.5], [HALF_LENGTH, 1.0]);
        let height = FLOOR + WALL_HEIGHT / 2.0;
        fixed(CourtPart::Wall(side), [out * (WALL + 0.5), height], [1.0, WALL_HEIGHT]);
    }
    let height = NET - FLOOR;
    fixed(CourtPart::Net, [0.0, FLOOR + height / 2.0], [NET_THICKNESS, height]);
}

fn slippery() -> Friction {
    Friction { coefficient: 0.0, combine_rule: CoefficientCombineRule::Min }
}

fn elastic() -> Restitution {
    Restitution { coefficient: 1.0, combine_rule: CoefficientCombineRule::Max }
}

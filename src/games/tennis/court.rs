use bevy::prelude::*;
use bevy_rapier3d::prelude::*;

use super::{FRAMES, TIME_LIMIT, play, rules::Rally};
use crate::{
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
    /// Upper edge of the plane over the net that the ball must pass.
    pub const OVER: f32 = 9.0;
    /// Radius of the ball.
    pub const BALL_RADIUS: f32 = 0.5;
    /// Size of a racket's box, before its tilt.
    pub const RACKET: [f32; 3] = [1.1, 1.875, 2.0];
    /// Distance of the box's center behind the racket's pivot, along the box's own x.
    pub const RACKET_BEHIND: f32 = 0.5;
    /// Tilt of a racket about z, degrees; the right side's is negative.
    pub const RACKET_TILT: f32 = 55.0;
    /// Distance from one arena to the next along z.
    pub const SPACING: f32 = 10.0;
}
use dimensions::*;

/// A tennis arena's bodies. On the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
#[require(Rally)]
pub struct Court {
    /// The ball.
    pub ball: Entity,
    /// The rackets, left and right: the agents of slot 0 and 1.
    pub rackets: [Entity; 2],
    /// Where the arena lies: its net's foot is at this z.
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

    /// 1 on the left, -1 on the right: what everything along x is multiplied by, so that both see the same game.
    pub fn mirror(self) -> f32 {
        match self {
            Self::Left => 1.0,
            Self::Right => -1.0,
        }
    }
}

/// A fixed part of a court.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CourtPart {
    /// Half of the floor.
    Floor(Side),
    /// The wall behind a half.
    Wall(Side),
    /// The net.
    Net,
}

/// Spawns arena number `index`, whose serves are seeded by `seed`. [`TennisPlugin`](super::TennisPlugin) does this.
pub fn spawn(commands: &mut Commands, index: usize, seed: u64) {
    let z = -(index as f32) * SPACING;
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
    for side in Side::BOTH {
        let out = -side.mirror();
        fixed(
            commands,
            CourtPart::Floor(side),
            [out * HALF_LENGTH / 2.0, FLOOR - 0.5, z],
            [HALF_LENGTH, 1.0, WIDTH],
        );
        let height = FLOOR + WALL_HEIGHT / 2.0;
        fixed(commands, CourtPart::Wall(side), [out * (WALL + 0.5), height, z], [1.0, WALL_HEIGHT, WIDTH]);
    }
    let height = NET - FLOOR;
    fixed(commands, CourtPart::Net, [0.0, FLOOR + height / 2.0, z], [NET_THICKNESS, height, WIDTH]);
}

fn spawn_racket(commands: &mut Commands, arena: Entity, side: Side, z: f32) -> Entity {
    let tilt = Quat::from_rotation_z((RACKET_TILT * side.mirror()).to_radians());
    let [x, y, depth] = RACKET.map(|size| size / 2.0);
    let behind = tilt * Vec3::new(-RACKET_BEHIND * side.mirror(), 0.0, 0.0);
    commands
        .spawn((
            Agent::new("player", play::OBSERVATION_SIZE, play::ACTION_SIZE).with_frames(FRAMES),
            InArena::slot(arena, side.slot()),
            side,
            Transform::from_xyz(-7.0 * side.mirror(), -1.5, z),
            RigidBody::Dynamic,
            Velocity::default(),
            Collider::compound(vec![(behind, tilt, Collider::cuboid(x, y, depth))]),
            ColliderMassProperties::Mass(4.0),
            LockedAxes::TRANSLATION_LOCKED_Z | LockedAxes::ROTATION_LOCKED,
            (slippery(), Ccd::enabled(), Sleeping::disabled()),
        ))
        .id()
}

fn fixed(commands: &mut Commands, part: CourtPart, [x, y, z]: [f32; 3], size: [f32; 3]) {
    let [width, height, depth] = size.map(|size| size / 2.0);
    commands.spawn((
        part,
        Transform::from_xyz(x, y, z),
        RigidBody::Fixed,
        Collider::cuboid(width, height, depth),
        slippery(),
    ));
}

fn slippery() -> Friction {
    Friction { coefficient: 0.0, combine_rule: CoefficientCombineRule::Min }
}

fn elastic() -> Restitution {
    Restitution { coefficient: 1.0, combine_rule: CoefficientCombineRule::Max }
}

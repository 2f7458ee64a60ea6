use bevy::prelude::*;
use bevy_rapier3d::{prelude::*, rapier::math::Pose};

use super::{FRAMES, Rules, TIME_LIMIT, TennisPlugin, opponent, parameters, play, points, rules::Rally};
use bevy_maddpg::{
    agent::Agent,
    arena::{Arena, InArena},
    random::{Random, stream},
};

/// Sizes of the court and of what plays on it, in meters. y is up; the net stands at x = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dimensions {
    /// Height of the floor's surface.
    pub floor: f32,
    /// Depth of the floor along z.
    pub width: f32,
    /// Length of one half of the floor.
    pub half_length: f32,
    /// Distance of the walls' inner faces from the net.
    pub wall: f32,
    /// Heights at which the walls begin and end.
    pub wall_heights: [f32; 2],
    /// Height of the net's upper edge.
    pub net: f32,
    /// Thickness of the net.
    pub net_thickness: f32,
    /// Radius of the ball.
    pub ball_radius: f32,
    /// Size of a racket's box, before its tilt.
    pub racket: [f32; 3],
    /// Distance of the box's center behind the racket's pivot, along the box's own x axis.
    pub racket_behind: f32,
    /// Tilt of a racket about z in degrees, before actions turn it; negative on the right side.
    pub racket_tilt: f32,
}

impl Rules {
    /// The sizes of the court under these rules.
    pub fn dimensions(self) -> Dimensions {
        match self {
            Self::Rally => Dimensions {
                floor: -3.25,
                width: 7.0,
                half_length: 12.5,
                wall: 12.27,
                wall_heights: [-3.25, 56.75],
                net: -1.0,
                net_thickness: 0.1,
                ball_radius: 0.5,
                racket: [1.1, 1.875, 2.0],
                racket_behind: 0.5,
                racket_tilt: 55.0,
            },
            Self::Match => Dimensions {
                floor: -6.9,
                width: 7.0,
                half_length: 12.0,
                wall: 11.88,
                wall_heights: [-43.0, 37.0],
                net: -6.433,
                net_thickness: 0.122,
                ball_radius: 0.25,
                racket: [0.988, 0.127, 2.311],
                racket_behind: 0.0,
                racket_tilt: 90.0,
            },
        }
    }
}

/// Distance from one arena to the next along z.
const SPACING: f32 = 10.0;

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
    /// The side whose results count as those of the arena: the left one, unless an opponent plays there.
    pub home: Side,
    pub(super) random: Random,
}

/// The ball of an arena.
#[derive(Component, Debug, Clone)]
pub struct Ball {
    /// The entity with the [`Court`].
    pub court: Entity,
    /// Its radius, m.
    pub radius: f32,
}

/// Speed of a racket at full action, m/s.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub struct RacketSpeed(pub f32);

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

    /// The side across the net.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// The name, which is also that of its team.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
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

/// Spawns all arenas.
pub(super) fn spawn(commands: &mut Commands, plugin: &TennisPlugin) {
    for first in (0..plugin.arenas).step_by(ROW) {
        let row = first..plugin.arenas.min(first + ROW);
        spawn_ground(commands, plugin.rules.dimensions(), arena_z(row.start), arena_z(row.end - 1));
        for index in row {
            spawn_arena(commands, index, plugin);
        }
    }
}

fn arena_z(index: usize) -> f32 {
    -(index as f32) * SPACING
}

fn spawn_arena(commands: &mut Commands, index: usize, plugin: &TennisPlugin) {
    let z = arena_z(index);
    let arena = commands.spawn((Arena::with_time_limit(TIME_LIMIT), Transform::default())).id();
    let rackets = Side::BOTH.map(|side| spawn_racket(commands, plugin.rules, arena, side, z));
    // The sides alternate from arena to arena.
    let visitor = plugin.opponent.as_ref().map(|opponent| (Side::BOTH[(index + 1) % 2], opponent));
    if let Some((side, opponent)) = visitor {
        opponent::seat(commands, rackets[side.slot()], opponent);
    }
    let radius = plugin.rules.dimensions().ball_radius;
    let ball = commands
        .spawn((
            Ball { court: arena, radius },
            Transform::from_xyz(7.0, 6.0, z),
            RigidBody::Dynamic,
            Velocity::default(),
            Collider::ball(radius),
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
        home: visitor.map_or(Side::Left, |(side, _)| side.other()),
        random: stream(plugin.seed, "tennis serve", index as u64),
    });
    if plugin.rules == Rules::Match {
        commands.entity(arena).insert(points::measures());
    }
}

fn spawn_racket(commands: &mut Commands, rules: Rules, arena: Entity, side: Side, z: f32) -> Entity {
    let [x, y, depth] = rules.dimensions().racket.map(|size| size / 2.0);
    let agent =
        Agent::new("player", play::observation_size(rules), play::action_size(rules)).with_frames(FRAMES);
    let agent = match rules {
        Rules::Rally => agent,
        Rules::Match => agent.in_team(side.name()),
    };
    commands
        .spawn((
            agent,
            InArena::slot(arena, side.slot()),
            (side, RacketSpeed(parameters::RACKET_SPEED)),
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

/// For the rules `rally`: moves the boxes of new rackets behind their pivots and tilts them.
///
/// `bevy_rapier` can offset a collider from its body only through a child entity, whose transform would have to be
/// propagated at each step. A compound collider of one box needs no child, but makes the physics step a tenth slower.
pub(super) fn tilt_rackets(
    rackets: Query<(&Side, &RapierColliderHandle), Added<RapierColliderHandle>>,
    mut physics: Query<&mut RapierContextColliders, With<DefaultRapierContext>>,
) -> Result {
    let Dimensions { racket_tilt, racket_behind, .. } = Rules::Rally.dimensions();
    for (side, handle) in &rackets {
        let tilt = Quat::from_rotation_z((racket_tilt * side.mirror()).to_radians());
        let behind = tilt * Vec3::new(-racket_behind * side.mirror(), 0.0, 0.0);
        if let Some(racket) = physics.single_mut()?.colliders.get_mut(handle.0) {
            racket.set_position_wrt_parent(Pose::from_parts(behind, tilt));
        }
    }
    Ok(())
}

/// Spawns the floor, walls and net for the arenas between two positions along z.
fn spawn_ground(commands: &mut Commands, size: Dimensions, first: f32, last: f32) {
    let Dimensions { floor, wall, wall_heights: [low, high], half_length, net, .. } = size;
    let (z, depth) = ((first + last) / 2.0, size.width + first - last);
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
        fixed(CourtPart::Floor(side), [out * half_length / 2.0, floor - 0.5], [half_length, 1.0]);
        fixed(CourtPart::Wall(side), [out * (wall + 0.5), (low + high) / 2.0], [1.0, high - low]);
    }
    fixed(CourtPart::Net, [0.0, (floor + net) / 2.0], [size.net_thickness, net - floor]);
}

fn slippery() -> Friction {
    Friction { coefficient: 0.0, combine_rule: CoefficientCombineRule::Min }
}

fn elastic() -> Restitution {
    Restitution { coefficient: 1.0, combine_rule: CoefficientCombineRule::Max }
}

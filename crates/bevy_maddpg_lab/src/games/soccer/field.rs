use bevy::{math::ops, prelude::*};
use bevy_rapier3d::prelude::*;

use super::{DRAG, Opponent, PLAYERS, Sight, SoccerPlugin, reward::Progress, sight};
use crate::{game::Scripted, games::results};
use bevy_maddpg::{
    agent::{PolicyOverride, Untrained},
    arena::{Arena, InArena},
    random::{Random, stream},
    rays::{Detectable, RayPose, RayTarget},
};

/// Sizes of the field in meters. y is up; the goals are on the x axis.
pub mod dimensions {
    /// Distance of the goal lines from the middle.
    pub const HALF_LENGTH: f32 = 15.5;
    /// Distance of the side walls' inner faces from the middle.
    pub const HALF_WIDTH: f32 = 7.51;
    /// Half of the width of a goal's mouth.
    pub const GOAL_HALF_WIDTH: f32 = 4.15;
    /// Depth of a goal.
    pub const GOAL_DEPTH: f32 = 2.0;
    /// The middle of the corner wall with positive x and z.
    pub const CORNER: [f32; 2] = [14.46, 6.41];
    /// Length of a corner wall.
    pub const CORNER_LENGTH: f32 = 4.8;
    /// The angle between a corner wall and the x axis, in degrees.
    pub const CORNER_ANGLE: f32 = 60.0;
    /// Radius of the ball.
    pub const BALL_RADIUS: f32 = 0.624;
    /// Radius of a player.
    pub const PLAYER_RADIUS: f32 = 0.5;
    /// Height of all centers.
    pub const HEIGHT: f32 = 0.5;
    /// Thickness of the walls, and their height.
    pub const WALL: [f32; 2] = [0.5, 1.0];
    /// Distance from one field to the next along x and z.
    pub const SPACING: [f32; 2] = [42.0, 22.0];
}
use dimensions::*;

/// A team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    /// Defends the goal at x < 0. Slots 0 and 1.
    Blue,
    /// Defends the goal at x > 0. Slots 2 and 3.
    Purple,
}

impl Team {
    /// Both teams.
    pub const BOTH: [Self; 2] = [Self::Blue, Self::Purple];

    /// The team of each slot.
    pub fn of_slots() -> [Self; PLAYERS] {
        [Self::Blue, Self::Blue, Self::Purple, Self::Purple]
    }

    /// Its name, as in [`Agent::in_team`](bevy_maddpg::agent::Agent::in_team).
    pub fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Purple => "purple",
        }
    }

    /// Its index in [`BOTH`](Self::BOTH).
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other team.
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Purple,
            Self::Purple => Self::Blue,
        }
    }

    /// 1 for blue, -1 for purple: a factor on everything along x and z, so that both teams see the same game.
    pub fn mirror(self) -> f32 {
        match self {
            Self::Blue => 1.0,
            Self::Purple => -1.0,
        }
    }

    /// Its slots.
    pub fn slots(self) -> [usize; 2] {
        match self {
            Self::Blue => [0, 1],
            Self::Purple => [2, 3],
        }
    }
}

/// The bodies of a field. A component of the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct Field {
    /// The ball.
    pub ball: Entity,
    /// The players, by slot.
    pub players: [Entity; PLAYERS],
    /// The middle of the field.
    pub center: Vec2,
    /// The team whose measures are kept.
    pub home: Team,
    /// Steps since the kick-off.
    pub steps: u32,
    pub(super) random: Random,
}

/// A player. A component of the agent.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub struct Player {
    /// The entity with the [`Field`].
    pub field: Entity,
    /// Its slot.
    pub slot: usize,
    /// Where it looks along x and z, a unit vector.
    pub facing: Vec2,
}

impl Player {
    /// Its team.
    pub fn team(&self) -> Team {
        Team::of_slots()[self.slot]
    }
}

/// The ball of a field.
#[derive(Component, Debug, Clone, Copy)]
pub struct Ball {
    /// The entity with the [`Field`].
    pub field: Entity,
}

/// A fixed part of a field.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// A wall along the field or across a corner.
    Wall,
    /// A side or the back of a team's goal.
    Goal(Team),
}

/// Fields per row; odd, so that the first one is in the middle.
const COLUMNS: usize = 7;

/// The middle of field number `index`, along x and z.
pub(super) fn center(index: usize) -> Vec2 {
    let (row, column) = (index / COLUMNS, index % COLUMNS);
    let side = if column.is_multiple_of(2) { -1.0 } else { 1.0 };
    Vec2::new(side * column.div_ceil(2) as f32 * SPACING[0], -(row as f32) * SPACING[1])
}

/// Spawns field number `index`.
pub(super) fn spawn(commands: &mut Commands, index: usize, plugin: &SoccerPlugin) {
    let center = center(index);
    let arena = commands.spawn((Arena::with_time_limit(plugin.time_limit), Transform::default())).id();
    let visitors = plugin.opponent.as_ref().map(|opponent| (Team::BOTH[(index + 1) % 2], opponent));
    let place = |x: f32, z: f32| Transform::from_xyz(center.x + x, HEIGHT, center.y + z);
    let body = (
        RigidBody::Dynamic,
        Velocity::default(),
        GravityScale(0.0),
        Ccd::enabled(),
        Sleeping::disabled(),
        Friction { coefficient: 0.6, combine_rule: CoefficientCombineRule::Average },
    );
    let players = std::array::from_fn(|slot| {
        let team = Team::of_slots()[slot];
        let facing = Vec2::new(team.mirror(), 0.0);
        let mut player = commands.spawn((
            plugin.sight.agent().in_team(team.name()),
            InArena::slot(arena, slot),
            Player { field: arena, slot, facing },
            Name::new(format!("{} {}", team.name(), slot % 2 + 1)),
            place(-8.0 * team.mirror(), 2.4 * (slot % 2) as f32 - 1.2),
            body,
            Collider::ball(PLAYER_RADIUS),
            ColliderMassProperties::Mass(50.0),
            LockedAxes::TRANSLATION_LOCKED_Y | LockedAxes::ROTATION_LOCKED,
            Damping { linear_damping: 3.0, angular_damping: 0.0 },
        ));
        player.insert((
            RayPose::default(),
            Detectable(sight::class_of(team)),
            RayTarget::Ball { arena, radius: PLAYER_RADIUS },
        ));
        if plugin.sight == Sight::Rays {
            player.insert(sight::sensor(team));
        }
        match visitors {
            Some((visitor, Opponent::Script(script))) if visitor == team => {
                player.insert((*script, Scripted, Untrained));
            }
            Some((visitor, Opponent::Policy(policy))) if visitor == team => {
                player.insert((PolicyOverride(policy.clone()), Untrained));
            }
            _ => {}
        }
        player.id()
    });
    let ball = commands
        .spawn((
            (Ball { field: arena }, Detectable(sight::BALL), RayTarget::Ball { arena, radius: BALL_RADIUS }),
            place(0.0, 0.0),
            body,
            Collider::ball(BALL_RADIUS),
            ColliderMassProperties::Mass(3.0),
            LockedAxes::TRANSLATION_LOCKED_Y,
            Damping { linear_damping: DRAG, angular_damping: 1.0 },
            Restitution { coefficient: 0.8, combine_rule: CoefficientCombineRule::Max },
            ActiveEvents::COLLISION_EVENTS,
        ))
        .id();
    spawn_walls(commands, arena, center);
    commands.entity(arena).insert((
        Progress::default(),
        results::measures(),
        Field {
            ball,
            players,
            center,
            home: visitors.map_or(Team::Blue, |(visitor, _)| visitor.other()),
            steps: 0,
            random: stream(plugin.seed, "soccer", index as u64),
        },
    ));
}

/// Spawns the walls and the goals of a field. A collider without a rigid body is fixed too, and rapier does not copy results back to
/// it at each step.
fn spawn_walls(commands: &mut Commands, arena: Entity, center: Vec2) {
    let [thickness, height] = WALL;
    // A wall whose inner face has this middle and length, and whose outer side is toward `out`.
    let mut wall = |part: Part, middle: Vec2, out: Vec2, length: f32| {
        let (inner, along) = (center + middle, out.perp());
        let at = |place: Vec2| Vec3::new(place.x, HEIGHT, place.y);
        let [from, to] = [-1.0, 1.0].map(|end| at(inner + end * length / 2.0 * along));
        commands.spawn((
            part,
            Detectable(sight::class(part)),
            RayTarget::Wall { arena, from, to },
            Transform::from_translation(at(inner + thickness / 2.0 * out))
                .with_rotation(Quat::from_rotation_y(ops::atan2(-along.y, along.x))),
            Collider::cuboid(length / 2.0, height / 2.0, thickness / 2.0),
            Friction { coefficient: 0.6, combine_rule: CoefficientCombineRule::Average },
        ));
    };
    for z in [-1.0, 1.0] {
        wall(Part::Wall, Vec2::new(0.0, z * HALF_WIDTH), Vec2::new(0.0, z), 2.0 * HALF_LENGTH);
    }
    let angle = CORNER_ANGLE.to_radians();
    for team in Team::BOTH {
        let x = -team.mirror();
        for z in [-1.0, 1.0] {
            let out = Vec2::new(x * ops::sin(angle), z * ops::cos(angle));
            wall(Part::Wall, Vec2::new(x * CORNER[0], z * CORNER[1]), out, CORNER_LENGTH);
            let side = Vec2::new(x * (HALF_LENGTH + GOAL_DEPTH / 2.0), z * GOAL_HALF_WIDTH);
            wall(Part::Goal(team), side, Vec2::new(0.0, z), GOAL_DEPTH);
        }
        let back = Vec2::new(x * (HALF_LENGTH + GOAL_DEPTH), 0.0);
        wall(Part::Goal(team), back, Vec2::new(x, 0.0), 2.0 * (GOAL_HALF_WIDTH + thickness));
    }
}

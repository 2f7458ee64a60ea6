use bevy_maddpg::{agent::Agent, rays::RaySensor};

use super::{Part, Team, play, view};

/// How players see the game.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// The numbers of the [view].
    #[default]
    Vector,
    /// Only rays, as in the original: 11 over 120 degrees ahead and 3 over 90 degrees behind, 20 m long and with a radius of 0.5 m. Each
    /// tells apart the ball, the own goal, their goal, walls, the mate and opponents. A policy sees the last three frames.
    Rays,
}

impl Sight {
    /// Both, by name.
    pub const ALL: [(&str, Self); 2] = [("vector", Self::Vector), ("rays", Self::Rays)];

    /// A player that sees like this.
    pub(super) fn agent(self) -> Agent {
        let agent = match self {
            Self::Vector => {
                let mut agent = Agent::new("player", view::SIZE, 0);
                agent.observation_names = view::names();
                agent
            }
            Self::Rays => Agent::new("player", 0, 0).with_rays(&sensor(Team::Blue)).with_frames(3),
        };
        agent.with_action(play::action())
    }
}

/// The class of the ball.
pub(super) const BALL: u8 = 0;
/// The classes of the goals, the walls and the players.
const GOALS: [u8; 2] = [1, 2];
const WALL: u8 = 3;
const PLAYERS: [u8; 2] = [4, 5];

/// The class of a part of the field.
pub(super) fn class(part: Part) -> u8 {
    match part {
        Part::Wall => WALL,
        Part::Goal(team) => GOALS[team.index()],
    }
}

/// The class of the players of a team.
pub(super) fn class_of(team: Team) -> u8 {
    PLAYERS[team.index()]
}

/// The rays of a player of this team.
pub(super) fn sensor(team: Team) -> RaySensor {
    let [own, other] = [team, team.other()].map(Team::index);
    let classes = [BALL, GOALS[own], GOALS[other], WALL, PLAYERS[own], PLAYERS[other]];
    let mut behind = RaySensor::fan(3, 90.0, 20.0, classes);
    behind.angles.iter_mut().for_each(|angle| *angle += std::f32::consts::PI);
    RaySensor::fan(11, 120.0, 20.0, classes).and(&behind).with_radius(0.5)
}

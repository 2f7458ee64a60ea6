use bevy_maddpg::{agent::Agent, learner::Mirror, rays::RaySensor};

use super::{Part, Team, play, view};

/// Rays ahead and behind.
const AHEAD: usize = 11;
const BEHIND: usize = 10;
/// Frames that a policy sees at once, if it sees by rays.
const FRAMES: usize = 3;

/// How players see the game.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// The numbers of the [view].
    #[default]
    Vector,
    /// Only rays: 11 over 120 degrees ahead and 10 over 200 degrees behind, 20 m long and with a radius of 0.5 m. Each tells apart the
    /// ball, the own goal, their goal, walls, the mate and opponents. A policy sees the last three frames.
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
            Self::Rays => Agent::new("player", 0, 0).with_rays(&sensor(Team::Blue)).with_frames(FRAMES),
        };
        agent.with_action(play::action())
    }
}

impl Sight {
    /// How a player sees the field, and acts, in a mirror along the field.
    pub fn mirror(self) -> Mirror {
        let (negated, swapped) = match self {
            Self::Vector => (view::negated_in_mirror(), Vec::new()),
            Self::Rays => {
                let sensor = sensor(Team::Blue);
                (
                    Vec::new(),
                    (0..FRAMES).flat_map(|frame| swapped_rays(&sensor, frame * sensor.size())).collect(),
                )
            }
        };
        // A push to the side, and a turn.
        Mirror { negated, swapped, negated_actions: vec![1, 2], ..Mirror::default() }
    }
}

/// The numbers of rays to the left and to the right that change places, from the number `start` on.
fn swapped_rays(sensor: &RaySensor, start: usize) -> impl Iterator<Item = [usize; 2]> {
    let classes = sensor.classes.len();
    let fans = [0..AHEAD, AHEAD..AHEAD + BEHIND];
    fans.into_iter().flat_map(move |fan| {
        let pairs = fan.clone().zip(fan.rev()).take_while(|(left, right)| left < right);
        pairs.flat_map(move |(left, right)| {
            (0..classes).map(move |class| [left, right].map(|ray| start + ray * classes + class))
        })
    })
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
    let mut behind = RaySensor::fan(BEHIND, 200.0, 20.0, classes);
    behind.angles.iter_mut().for_each(|angle| *angle += std::f32::consts::PI);
    RaySensor::fan(AHEAD, 120.0, 20.0, classes).and(&behind).with_radius(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rays_change_places_with_those_on_the_other_side() {
        let sensor = sensor(Team::Blue);
        let classes = sensor.classes.len();
        let pairs: Vec<_> = swapped_rays(&sensor, sensor.size()).collect();
        assert_eq!(pairs.len(), (5 + 5) * classes);
        for [left, right] in pairs {
            let [left, right] = [left, right].map(|index| index - sensor.size());
            assert_eq!(left % classes, right % classes);
            let sum = sensor.angles[left / classes] + sensor.angles[right / classes];
            let turns = sum / std::f32::consts::TAU;
            assert!((turns - turns.round()).abs() < 1e-5 && left != right, "{left} and {right}");
        }
    }
}

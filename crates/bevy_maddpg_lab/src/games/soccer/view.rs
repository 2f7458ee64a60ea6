//! What a player sees.
//!
//! Everything is seen from its own side: the team plays toward positive x. *Along* and *across* are components along the player's
//! own facing and to its right. Lengths are in m, speeds in m/s.
//!
//! | index | number |
//! |---|---|
//! | 0 to 3 | own position, own facing |
//! | 4, 5 | own velocity, along and across |
//! | 6 to 9 | ball: relative position and velocity, along and across |
//! | 10 to 13 | ball: position and velocity |
//! | 14 to 17 | relative position of their goal and of the own goal, along and across |
//! | 18 | distance to the ball |
//! | 19, 20 | cosine and sine of the angle from the way to the ball to the ball's way to their goal |
//! | 21, 22 | direction of the ball, along and across |
//! | 23 | exp(-gap / 2 m), with the gap between player and ball |
//! | 24 | where the line from the player through the ball crosses their goal line, in half goal widths, at most 3; 3 if it does not |
//! | 25, 26 | the ball's velocity relative to the own one, along and across |
//! | 27, 28 | if both go on as they move: exp(-t / 0.3 s) until they are closest, and how far the player then passes the ball by, in m, at most 3; positive if the ball is to the right of the way |
//! | 29, 30, 31 | if the ball rolls on: exp(-t / 0.5 s) until it reaches the own goal line, 0 if it does not; where, in half goal widths, at most 3; and where relative to the player, in m |
//! | 32, 33 | the same for their goal line, without the last |
//! | 34, 35 | relative position of the ball, along and across, each at most 2: fine enough for contacts |
//! | 36, 37 | the same at the next decision, if the player coasts and nothing is touched, each at most 3 |
//! | 38 to 44 | the mate: relative position and velocity, along and across; facing, along and across; distance to the ball |
//! | 45 to 51 | the same of the nearer opponent |
//! | 52 to 58 | the same of the other opponent |

use bevy::math::{Vec2, ops};

use super::{
    DRAG, PLAYERS, Team,
    dimensions::{BALL_RADIUS, GOAL_HALF_WIDTH, HALF_LENGTH, PLAYER_RADIUS},
};

/// Numbers in an observation.
pub const SIZE: usize = 59;

/// The state of a game, relative to the middle of the field: vectors along x and z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scene {
    /// The ball.
    pub ball: Motion,
    /// The players, by slot.
    pub players: [Motion; PLAYERS],
    /// Where the players look: unit vectors.
    pub facing: [Vec2; PLAYERS],
}

/// Where a body is, in m, and how it moves, in m/s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Motion {
    /// Its position.
    pub position: Vec2,
    /// Its velocity.
    pub velocity: Vec2,
}

impl Scene {
    /// The game as a team sees it: it plays toward positive x, and its slots are 0 and 1.
    #[must_use]
    pub fn seen_by(&self, team: Team) -> Self {
        match team {
            Team::Blue => *self,
            Team::Purple => {
                let turn = |motion: Motion| Motion { position: -motion.position, velocity: -motion.velocity };
                let order = [2, 3, 0, 1];
                Self {
                    ball: turn(self.ball),
                    players: order.map(|slot| turn(self.players[slot])),
                    facing: order.map(|slot| -self.facing[slot]),
                }
            }
        }
    }
}

/// How far ball and player coast in one decision of 0.1 s, per m/s: (1 - exp(-0.1 drag)) / drag.
const BALL_COASTS: f32 = 0.0952;
const PLAYER_COASTS: f32 = 0.0864;

/// The middle of the goal that a team attacks, as it sees the field.
pub(super) const THEIR_GOAL: Vec2 = Vec2::new(HALF_LENGTH, 0.0);

/// The observation of the player in this slot.
pub fn observe(scene: &Scene, slot: usize) -> [f32; SIZE] {
    let scene = scene.seen_by(Team::of_slots()[slot]);
    let slot = slot % 2;
    let (me, facing, ball) = (scene.players[slot], scene.facing[slot], scene.ball);
    let local = |vector: Vec2| [vector.dot(facing), vector.dot(right(facing))];
    let way = ball.position - me.position;
    let distance = way.length();
    let [to_ball, to_goal] = [way, THEIR_GOAL - ball.position].map(Vec2::normalize_or_zero);
    // Where the line from the player through the ball reaches their goal line.
    let aim = if to_ball.x > 0.01 {
        let reach = (HALF_LENGTH - ball.position.x) / to_ball.x;
        ((ball.position.y + reach * to_ball.y) / GOAL_HALF_WIDTH).clamp(-3.0, 3.0)
    } else {
        3.0_f32.copysign(to_ball.y)
    };
    let mut numbers = [0.0; SIZE];
    let mut rest = &mut numbers[..];
    let mut write = |values: &[f32]| {
        let (part, after) = std::mem::take(&mut rest).split_at_mut(values.len());
        part.copy_from_slice(values);
        rest = after;
    };
    write(&[me.position.x, me.position.y, facing.x, facing.y]);
    write(&local(me.velocity));
    write(&local(way));
    write(&local(ball.velocity));
    write(&[ball.position.x, ball.position.y, ball.velocity.x, ball.velocity.y]);
    write(&local(THEIR_GOAL - me.position));
    write(&local(-THEIR_GOAL - me.position));
    write(&[distance, to_ball.dot(to_goal), to_ball.perp_dot(to_goal)]);
    write(&local(to_ball));
    write(&[ops::exp(-(distance - BALL_RADIUS - PLAYER_RADIUS).max(0.0) / 2.0), aim]);
    write(&local(ball.velocity - me.velocity));
    write(&approach(way, me.velocity - ball.velocity));
    let [nearness, at] = crossing(ball, -HALF_LENGTH);
    write(&[nearness, (at / GOAL_HALF_WIDTH).clamp(-3.0, 3.0), at - me.position.y]);
    let [nearness, at] = crossing(ball, HALF_LENGTH);
    write(&[nearness, (at / GOAL_HALF_WIDTH).clamp(-3.0, 3.0)]);
    let next = way + BALL_COASTS * ball.velocity - PLAYER_COASTS * me.velocity;
    write(&local(way).map(|number| number.clamp(-2.0, 2.0)));
    write(&local(next).map(|number| number.clamp(-3.0, 3.0)));
    let mut opponents = [2, 3];
    opponents.sort_by(|a, b| {
        let far = |slot: usize| scene.players[slot].position.distance_squared(me.position);
        far(*a).total_cmp(&far(*b))
    });
    for other in [1 - slot, opponents[0], opponents[1]] {
        let Motion { position, velocity } = scene.players[other];
        write(&local(position - me.position));
        write(&local(velocity));
        write(&local(scene.facing[other]));
        write(&[position.distance(ball.position)]);
    }
    numbers
}

/// When two bodies are closest if they go on as they move, as a number from 1 (now) to 0, and how far they pass each other by. `way`
/// leads from the first to the second, `velocity` is that of the first relative to the second.
fn approach(way: Vec2, velocity: Vec2) -> [f32; 2] {
    let speed = velocity.length();
    if speed < 0.1 {
        return [0.0, 0.0];
    }
    let along = way.dot(velocity) / speed;
    if along <= 0.0 {
        return [0.0, 0.0];
    }
    let aside = way.dot(right(velocity)) / speed;
    [ops::exp(-along / speed / 0.3), aside.clamp(-3.0, 3.0)]
}

/// When the ball reaches the line x = `line` if it rolls on without touching anything, as a number from 1 (now) to 0 (never), and
/// where along z. The ball loses a share of its speed each second, and so gets no farther than its speed times one second.
fn crossing(ball: Motion, line: f32) -> [f32; 2] {
    let share = (line - ball.position.x) / (ball.velocity.x + f32::MIN_POSITIVE.copysign(line)) * DRAG;
    if !(0.0..0.99).contains(&share) {
        return [0.0, 0.0];
    }
    let seconds = -ops::ln(1.0 - share) / DRAG;
    [ops::exp(-seconds / 0.5), ball.position.y + ball.velocity.y * share / DRAG]
}

/// What is to the right of a facing.
pub(super) fn right(facing: Vec2) -> Vec2 {
    facing.perp()
}

/// The numbers that change their sign in a mirror along the field.
pub(super) fn negated_in_mirror() -> Vec<usize> {
    let is_across = |name: &str| {
        let [last, whole] = [name.rsplit('.').next().unwrap_or_default(), name];
        matches!(last, "across" | "z" | "at" | "aside") || matches!(whole, "shot.sine" | "aim")
    };
    names().iter().enumerate().filter(|(_, name)| is_across(name)).map(|(index, _)| index).collect()
}

/// The names of an observation's numbers.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "x",
        "z",
        "facing.x",
        "facing.z",
        "velocity.along",
        "velocity.across",
        "ball.along",
        "ball.across",
        "ball.velocity.along",
        "ball.velocity.across",
        "ball.x",
        "ball.z",
        "ball.velocity.x",
        "ball.velocity.z",
        "their_goal.along",
        "their_goal.across",
        "own_goal.along",
        "own_goal.across",
        "ball.distance",
        "shot.cosine",
        "shot.sine",
        "ball.direction.along",
        "ball.direction.across",
        "ball.nearness",
        "aim",
        "ball.relative.along",
        "ball.relative.across",
        "contact.nearness",
        "contact.aside",
        "own_goal.threat",
        "own_goal.threat.at",
        "own_goal.threat.aside",
        "their_goal.threat",
        "their_goal.threat.at",
        "ball.near.along",
        "ball.near.across",
        "ball.next.along",
        "ball.next.across",
    ]
    .map(String::from)
    .to_vec();
    for other in ["mate", "near_opponent", "far_opponent"] {
        for number in [
            "along",
            "across",
            "velocity.along",
            "velocity.across",
            "facing.along",
            "facing.across",
            "ball_distance",
        ] {
            names.push(format!("{other}.{number}"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::random::{Random, stream};
    use rand::RngExt;

    fn scene(random: &mut Random) -> Scene {
        let mut vector =
            |size: f32| Vec2::new(random.random_range(-size..size), random.random_range(-size..size));
        let mut motion = || Motion { position: vector(7.0), velocity: vector(20.0) };
        let (ball, players) = (motion(), std::array::from_fn(|_| motion()));
        Scene { ball, players, facing: std::array::from_fn(|_| vector(1.0).normalize()) }
    }

    /// The same game with the teams on the other sides.
    fn turned(scene: &Scene) -> Scene {
        scene.seen_by(Team::Purple)
    }

    #[test]
    fn the_game_seen_from_the_other_side_is_the_same_bit_by_bit() {
        let mut random = stream(1, "view", 0);
        for _ in 0..1_000 {
            let scene = scene(&mut random);
            for slot in 0..PLAYERS {
                let [here, there] = [observe(&scene, slot), observe(&turned(&scene), (slot + 2) % 4)];
                assert_eq!(here.map(f32::to_bits), there.map(f32::to_bits));
            }
        }
    }

    #[test]
    fn in_a_mirror_only_the_numbers_that_are_named_change_their_sign() {
        let mut random = stream(2, "view", 0);
        let negated = negated_in_mirror();
        for _ in 0..1_000 {
            let scene = scene(&mut random);
            let flip = |vector: Vec2| Vec2::new(vector.x, -vector.y);
            let flipped =
                |motion: Motion| Motion { position: flip(motion.position), velocity: flip(motion.velocity) };
            let mirrored = Scene {
                ball: flipped(scene.ball),
                players: scene.players.map(flipped),
                facing: scene.facing.map(flip),
            };
            for slot in 0..PLAYERS {
                let mut expected = observe(&scene, slot);
                negated.iter().for_each(|index| expected[*index] *= -1.0);
                assert_eq!(observe(&mirrored, slot), expected);
            }
        }
    }

    #[test]
    fn a_player_sees_what_is_ahead_and_to_its_right() {
        assert_eq!(names().len(), SIZE);
        let at = |x, z| Motion { position: Vec2::new(x, z), velocity: Vec2::ZERO };
        let scene = Scene {
            ball: Motion { velocity: Vec2::new(0.0, 2.0), ..at(3.0, 4.0) },
            players: [at(0.0, 0.0), at(-1.0, 0.0), at(8.0, 0.0), at(5.0, 0.0)],
            facing: [Vec2::X, Vec2::X, Vec2::NEG_X, Vec2::NEG_X],
        };
        let named = |slot| {
            names().into_iter().zip(observe(&scene, slot)).collect::<std::collections::HashMap<_, _>>()
        };
        let seen = named(0);
        assert_eq!([seen["ball.along"], seen["ball.across"], seen["ball.distance"]], [3.0, 4.0, 5.0]);
        assert_eq!([seen["ball.velocity.along"], seen["ball.velocity.across"]], [0.0, 2.0]);
        assert_eq!(
            [seen["mate.along"], seen["near_opponent.along"], seen["far_opponent.along"]],
            [-1.0, 5.0, 8.0]
        );
        assert_eq!([seen["their_goal.along"], seen["own_goal.along"]], [15.5, -15.5]);
        assert_eq!(seen["near_opponent.facing.along"], -1.0);
        // Purple sees itself play toward positive x, with the ball behind it and to its left.
        let seen = named(3);
        assert_eq!(
            [seen["x"], seen["facing.x"], seen["ball.along"], seen["ball.across"]],
            [-5.0, 1.0, 2.0, -4.0]
        );
    }
}

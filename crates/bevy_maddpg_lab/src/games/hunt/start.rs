//! Random places for obstacles and agents.

use bevy::math::Vec2;
use bevy_maddpg::random::Random;
use rand::RngExt;

use super::{HALF_FIELD, HUNTERS, HuntWorld, OBSTACLE_RADIUS, OBSTACLES};

/// Each obstacle is about this far from both axes, m, one in each quarter of the field.
const OBSTACLE_OFFSET: f32 = 0.45;
/// How far an obstacle may be from that place along x and y, m. The widest body still fits between any two obstacles,
/// and between an obstacle and a wall.
const OBSTACLE_SHIFT: f32 = 0.2;
/// Places among which [`free_place`] chooses.
const CANDIDATES: usize = 12;
/// A gap to an opponent counts this much less than a gap to anything else, so that nobody starts next to an opponent.
const OPPONENT_SHARE: f32 = 0.25;

/// Random centers of the obstacles, m.
pub(super) fn obstacles(random: &mut Random) -> [Vec2; OBSTACLES] {
    [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)].map(|(x, y)| {
        let shift = Vec2::from_array([0; 2].map(|_| random.random_range(-OBSTACLE_SHIFT..OBSTACLE_SHIFT)));
        Vec2::new(x, y) * OBSTACLE_OFFSET + shift
    })
}

/// A random place for the agent at `slot`: of a few places, the one with the most room.
pub(super) fn free_place(world: &HuntWorld, slot: usize, random: &mut Random) -> Vec2 {
    let limit = HALF_FIELD - world.bodies()[slot].build.radius;
    let places =
        (0..CANDIDATES).map(|_| Vec2::from_array([0; 2].map(|_| random.random_range(-limit..limit))));
    let room = |place: &Vec2| room(world, slot, *place);
    places.max_by(|a, b| room(a).total_cmp(&room(b))).expect("there are candidates")
}

/// The least gap around the agent at `slot` if it were at `place`, m.
fn room(world: &HuntWorld, slot: usize, place: Vec2) -> f32 {
    let own = &world.bodies()[slot];
    let obstacles = world
        .obstacles()
        .iter()
        .map(|obstacle| obstacle.distance(place) - OBSTACLE_RADIUS - own.build.radius);
    let others = world.bodies().iter().enumerate().filter(|(other, body)| *other != slot && body.in_play);
    let gaps = others.map(|(other, body)| {
        let share = if (other < HUNTERS) == (slot < HUNTERS) { 1.0 } else { OPPONENT_SHARE };
        share * (body.position.distance(place) - body.build.radius - own.build.radius)
    });
    obstacles.chain(gaps).fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::{AGENTS, HUNTER};
    use bevy_maddpg::random::stream;

    #[test]
    fn every_body_fits_between_obstacles_and_walls() {
        let mut random = stream(0, "test", 0);
        for _ in 0..1_000 {
            let obstacles = obstacles(&mut random);
            for (index, a) in obstacles.iter().enumerate() {
                let wall = HALF_FIELD - a.abs().max_element() - OBSTACLE_RADIUS;
                assert!(wall > 2.0 * HUNTER.radius, "{wall}");
                for b in &obstacles[..index] {
                    let gap = a.distance(*b) - 2.0 * OBSTACLE_RADIUS;
                    assert!(gap > 2.0 * HUNTER.radius, "{gap}");
                }
            }
        }
    }

    #[test]
    fn nobody_starts_in_an_obstacle_or_next_to_an_opponent() {
        let mut random = stream(1, "test", 0);
        let mut world = HuntWorld::default();
        for _ in 0..1_000 {
            world.place(&mut random);
            let rooms = (0..AGENTS).map(|slot| room(&world, slot, world.bodies()[slot].position));
            assert!(rooms.fold(f32::INFINITY, f32::min) > 0.0);
            let gaps =
                (0..HUNTERS).filter_map(|slot| Some(world.bodies()[slot].gap(world.nearest_opponent(slot)?)));
            let least = gaps.fold(f32::INFINITY, f32::min);
            assert!(least > 0.1, "{least}");
        }
    }
}

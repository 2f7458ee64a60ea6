//! What the agents observe.

use bevy::math::Vec2;

use super::{Body, Gear, HUNTERS, HuntWorld};
use bevy_maddpg::typed::AgentObservation;

/// Numbers that a hunter observes.
pub(super) const HUNTER_OBSERVATION: usize = 4 + 5 * OPPONENTS_SEEN + 3 * (HUNTERS - 1) + 2 * OBSTACLES_SEEN;
/// Numbers that a prey observes.
pub(super) const PREY_OBSERVATION: usize = 4 + 5 * OPPONENTS_SEEN + 3 + 2 * OBSTACLES_SEEN;

/// Opponents that an agent sees, nearest first.
const OPPONENTS_SEEN: usize = 3;
/// Obstacles that an agent sees, nearest first.
const OBSTACLES_SEEN: usize = 2;

/// Numbers that the agent at `slot` observes.
pub(super) fn size(slot: usize, gear: Gear) -> usize {
    if slot < HUNTERS { HUNTER_OBSERVATION + gear.observation_size() } else { PREY_OBSERVATION }
}

/// Writes the observation of the agent at `slot`: only zeros if it is not in play.
pub(super) fn observe(world: &HuntWorld, slot: usize, gear: Gear, observation: &mut Vec<f32>) {
    observation.clear();
    let own = &world.bodies()[slot];
    let is_hunter = slot < HUNTERS;
    if !own.in_play {
        observation.resize(size(slot, gear), 0.0);
        return;
    }
    let mut see = |vector: Vec2| observation.extend(vector.to_array());
    see(own.position);
    see(own.velocity);
    let obstacles = world.obstacles().iter().map(|obstacle| (*obstacle, ()));
    for (obstacle, ()) in nearest::<_, OBSTACLES_SEEN>(own.position, obstacles).into_iter().flatten() {
        see(obstacle - own.position);
    }
    let opponents = world.opponents(slot).map(|body| (body.position, body.velocity));
    for opponent in nearest::<_, OPPONENTS_SEEN>(own.position, opponents) {
        let (position, velocity) = opponent.unwrap_or((own.position, own.velocity));
        observation.extend((position - own.position).to_array());
        observation.extend((velocity - own.velocity).to_array());
        observation.push(presence(opponent.is_some()));
    }
    if is_hunter {
        for (other, body) in world.bodies()[..HUNTERS].iter().enumerate() {
            if other != slot {
                see_mate(own, Some(body).filter(|body| body.in_play), observation);
            }
        }
        if gear != Gear::None {
            world.gear(slot).view().write(observation);
        }
    } else {
        let others = world.bodies().iter().enumerate().skip(HUNTERS);
        let mates = others.filter(|(other, body)| *other != slot && body.in_play);
        let [mate] = nearest(own.position, mates.map(|(_, body)| (body.position, body)));
        see_mate(own, mate.map(|(_, body)| body), observation);
    }
}

/// Appends the relative position of an agent of the same team, and whether there is one.
fn see_mate(own: &Body, mate: Option<&Body>, observation: &mut Vec<f32>) {
    let relative = mate.map_or(Vec2::ZERO, |mate| mate.position - own.position);
    observation.extend([relative.x, relative.y, presence(mate.is_some())]);
}

fn presence(is_present: bool) -> f32 {
    f32::from(is_present)
}

/// The `N` items nearest to a point, nearest first; `None` where there are fewer. An item is its position and what
/// belongs to it.
fn nearest<T: Copy, const N: usize>(
    point: Vec2,
    items: impl Iterator<Item = (Vec2, T)>,
) -> [Option<(Vec2, T)>; N] {
    let mut found = [None; N];
    let distance = |item: &(Vec2, T)| item.0.distance_squared(point);
    for item in items {
        let mut next = item;
        // Each place keeps the nearer of two items and hands the other one on.
        for place in &mut found {
            match place {
                Some(present) if distance(present) <= distance(&next) => {}
                Some(present) => std::mem::swap(present, &mut next),
                None => {
                    *place = Some(next);
                    break;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::{AGENTS, HALF_FIELD, HUNTER, PREY};
    use bevy_maddpg::random::stream;

    fn observed(world: &HuntWorld, slot: usize) -> Vec<f32> {
        let mut observation = Vec::new();
        observe(world, slot, Gear::None, &mut observation);
        observation
    }

    #[test]
    fn the_nearest_come_first_and_the_rest_is_empty() {
        let items = [3.0, 1.0, 2.0, 4.0].map(|x| (Vec2::new(x, 0.0), x));
        let seen = |count: usize| {
            nearest::<_, 3>(Vec2::ZERO, items.into_iter().take(count)).map(|item| item.map(|item| item.1))
        };
        assert_eq!(seen(4), [Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!(seen(2), [Some(1.0), Some(3.0), None]);
        assert_eq!(seen(0), [None; 3]);
    }

    #[test]
    fn a_hunter_sees_zeros_in_place_of_prey_that_are_gone() {
        let mut world = HuntWorld::default();
        world.place(&mut stream(0, "test", 0));
        (4..AGENTS).for_each(|slot| world.leave(slot));
        world.bodies_mut()[0].position = Vec2::new(0.5, 0.0);
        world.bodies_mut()[0].velocity = Vec2::new(0.1, 0.2);
        world.bodies_mut()[3].position = Vec2::new(0.75, -0.25);
        let observation = observed(&world, 0);
        assert_eq!(observation[..4], [0.5, 0.0, 0.1, 0.2]);
        assert_eq!(observation[8..13], [0.25, -0.25, -0.1, -0.2, 1.0]);
        assert_eq!(observation[13..23], [0.0; 10]);
    }

    #[test]
    fn hunters_and_prey_that_are_out_of_play_neither_see_nor_are_seen() {
        let mut world = HuntWorld::default();
        world.place(&mut stream(0, "test", 0));
        world.leave(2);
        assert_eq!(observed(&world, 2), [0.0; HUNTER_OBSERVATION]);
        assert_eq!(observed(&world, 0)[HUNTER_OBSERVATION - 3..], [0.0; 3], "the third hunter is missing");
        assert_eq!(observed(&world, 0)[HUNTER_OBSERVATION - 4], 1.0, "the second one is there");
        let prey = observed(&world, 5);
        assert_eq!(prey[18..23], [0.0; 5], "only two hunters are there");
        (3..AGENTS).filter(|slot| *slot != 5).for_each(|slot| world.leave(slot));
        assert_eq!(observed(&world, 5)[23..], [0.0; 3], "no other prey is left");
    }

    #[test]
    fn observations_are_bounded_and_have_their_size() {
        let mut random = stream(5, "test", 0);
        let mut world = HuntWorld::default();
        world.place(&mut random);
        let bound = (2.0 * HALF_FIELD).max(HUNTER.top_speed + PREY.top_speed);
        for step in 0..300 {
            for slot in 0..AGENTS {
                world.act(slot, Vec2::from_angle((step / 15 * 5 + slot) as f32));
                let observation = observed(&world, slot);
                let size = if slot < HUNTERS { HUNTER_OBSERVATION } else { PREY_OBSERVATION };
                assert_eq!(observation.len(), size);
                assert!(observation.iter().all(|number| number.abs() <= bound), "{observation:?}");
            }
            world.step();
        }
    }
}

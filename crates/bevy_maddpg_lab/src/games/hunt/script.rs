//! Scripts that play without learning: the measure that learned policies have to beat. Each is a pure function from
//! the world to an action.

use bevy::math::Vec2;

use super::{Body, HALF_FIELD, HuntWorld, OBSTACLE_RADIUS};

/// A hunter keeps this gap to an obstacle that it runs around, m.
const BERTH: f32 = 0.03;
/// A prey flees from hunters within this gap, m.
const ALARM: f32 = 0.5;
/// A prey that flees keeps away from walls within this gap, m, and from obstacles within half of it.
const WALL_ALARM: f32 = 0.6;
/// Smaller gaps to a hunter count as this, m, so that weights stay finite.
const LEAST_GAP: f32 = 0.02;

/// The action of a hunter that runs after the nearest prey by the shortest way around the obstacle in between.
pub fn greedy(world: &HuntWorld, slot: usize) -> Vec2 {
    let own = &world.bodies()[slot];
    let Some(prey) = world.nearest_opponent(slot) else {
        return Vec2::ZERO;
    };
    run(own, way(world, own, prey.position))
}

/// The action of a prey that runs away from the hunters near it, most from the nearest, and from walls and obstacles.
/// It stands still while no hunter is near.
pub fn fleeing(world: &HuntWorld, slot: usize) -> Vec2 {
    let own = &world.bodies()[slot];
    let mut away = Vec2::ZERO;
    for hunter in world.opponents(slot) {
        let gap = own.gap(hunter);
        if gap < ALARM {
            let urgency = 1.0 / gap.max(LEAST_GAP) - 1.0 / ALARM;
            away += (own.position - hunter.position).normalize_or_zero() * urgency;
        }
    }
    // A wall that the prey touches counts as much as all hunters together, so that the prey runs along it.
    let urgency = away.length();
    if urgency == 0.0 {
        return run(own, Vec2::ZERO);
    }
    for axis in 0..2 {
        let place = own.position[axis];
        let gap = HALF_FIELD - place.abs() - own.build.radius;
        away[axis] -= urgency * nearness(gap, WALL_ALARM).copysign(place);
    }
    for obstacle in world.obstacles() {
        let from = own.position - *obstacle;
        let gap = from.length() - OBSTACLE_RADIUS - own.build.radius;
        away += from.normalize_or_zero() * (urgency * nearness(gap, WALL_ALARM / 2.0));
    }
    run(own, away.normalize_or_zero())
}

/// 1 for something that is touched, falling to 0 for something at a gap of `alarm` or more.
fn nearness(gap: f32, alarm: f32) -> f32 {
    (1.0 - gap / alarm).clamp(0.0, 1.0)
}

/// The action that brings a body to its top speed in this direction, or to rest if the direction is zero.
fn run(own: &Body, direction: Vec2) -> Vec2 {
    let change = direction * own.build.top_speed - own.velocity;
    // Within a tenth of the top speed the action is proportional, so that a body does not tremble.
    (change / (0.1 * own.build.top_speed)).clamp_length_max(1.0)
}

/// The direction of the way from a body to `goal`: straight, or past the edge of the nearest obstacle on that line.
fn way(world: &HuntWorld, own: &Body, goal: Vec2) -> Vec2 {
    let straight = (goal - own.position).normalize_or_zero();
    let distance = own.position.distance(goal);
    let berth = OBSTACLE_RADIUS + own.build.radius + BERTH;
    let ahead = |obstacle: &&Vec2| {
        let to = **obstacle - own.position;
        let along = to.dot(straight);
        along > 0.0 && along < distance && straight.perp_dot(to).abs() < berth
    };
    let nearest = world
        .obstacles()
        .iter()
        .filter(ahead)
        .min_by(|a, b| own.position.distance_squared(**a).total_cmp(&own.position.distance_squared(**b)));
    let Some(obstacle) = nearest else {
        return straight;
    };
    let to = *obstacle - own.position;
    // The edge on the side of the straight line.
    let side = if straight.perp_dot(to) > 0.0 { -to.perp() } else { to.perp() }.normalize_or_zero();
    (to + side * berth).normalize_or_zero()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::{AGENTS, DECISION_PERIOD, HUNTERS, OBSTACLES, STEP, TIME_LIMIT};
    use bevy_maddpg::random::stream;
    use rand::RngExt;

    /// A script, with the number of the decision.
    type Script = fn(&HuntWorld, usize, u32) -> Vec2;

    /// Plays episodes with these scripts and returns the mean number of catches and the mean seconds to the last one.
    fn hunt(hunters: Script, prey: Script) -> (f32, f32) {
        const EPISODES: u64 = 100;
        let (mut catches, mut steps) = (0, 0);
        for number in 0..EPISODES {
            let mut world = HuntWorld::default();
            world.place(&mut stream(1, "hunt test", number));
            for step in 0..TIME_LIMIT * DECISION_PERIOD {
                if step.is_multiple_of(DECISION_PERIOD) {
                    for slot in 0..AGENTS {
                        let script = if slot < HUNTERS { hunters } else { prey };
                        let action = script(&world, slot, step / DECISION_PERIOD);
                        assert!(action.is_finite() && action.abs().max_element() <= 1.0, "{action}");
                        world.act(slot, action);
                    }
                }
                if world.prey().count() > 0 {
                    world.step();
                    steps += 1;
                    catches += world.catches().len();
                }
            }
        }
        let mean = |sum: f32| sum / EPISODES as f32;
        (mean(catches as f32), mean(steps as f32) * STEP)
    }

    fn still(_: &HuntWorld, _: usize, _: u32) -> Vec2 {
        Vec2::ZERO
    }

    /// A new random direction every half second.
    fn random(_: &HuntWorld, slot: usize, decision: u32) -> Vec2 {
        let mut random = stream(2, "random script", u64::from(decision / 5) * 16 + slot as u64);
        Vec2::from_angle(random.random_range(0.0..6.0))
    }

    #[test]
    fn greedy_hunters_catch_all_prey_and_fleeing_prey_make_it_hard() {
        let play = [still, random, |world: &HuntWorld, slot, _| fleeing(world, slot)];
        let greedy: Script = |world, slot, _| greedy(world, slot);
        let [(all, quick), (_, evading), (most, long)] = play.map(|prey| hunt(greedy, prey));
        assert!(all == 6.0 && quick < 6.0, "{all} in {quick} s");
        assert!(most > 3.0 && long > 1.5 * evading, "{most} in {long} s, random prey {evading} s");
        let (random_catches, _) = hunt(random, |world, slot, _| fleeing(world, slot));
        assert!(random_catches < 0.5 * most, "{random_catches}");
    }

    #[test]
    fn a_greedy_hunter_goes_around_an_obstacle() {
        let mut world = HuntWorld::default();
        *world.obstacles_mut() = [Vec2::new(0.0, 0.01), Vec2::splat(0.8), Vec2::splat(0.8), Vec2::splat(0.8)];
        assert_eq!(world.obstacles().len(), OBSTACLES);
        for slot in 0..AGENTS {
            world.leave(slot);
        }
        for (slot, x) in [(0, -0.5), (HUNTERS, 0.5)] {
            world.bodies_mut()[slot].in_play = true;
            world.bodies_mut()[slot].position = Vec2::new(x, 0.0);
        }
        let first = greedy(&world, 0);
        assert!(first.x > 0.5 && first.y < -0.1, "it passes on the side of the straight line: {first}");
        let mut steps = 0;
        while world.prey().count() > 0 && steps < 60 {
            world.act(0, greedy(&world, 0));
            world.step();
            steps += 1;
        }
        assert_eq!(world.prey().count(), 0);
    }

    #[test]
    fn a_prey_flees_from_a_near_hunter_and_turns_at_a_wall() {
        let mut world = HuntWorld::default();
        *world.obstacles_mut() = [Vec2::splat(-0.6); OBSTACLES];
        (0..AGENTS).for_each(|slot| world.leave(slot));
        for slot in [0, HUNTERS] {
            world.bodies_mut()[slot].in_play = true;
        }
        world.bodies_mut()[HUNTERS].position = Vec2::new(0.3, 0.0);
        let open = fleeing(&world, HUNTERS);
        assert!(open.x > 0.9 && open.y.abs() < 0.1, "{open}");
        world.bodies_mut()[0].position = Vec2::new(0.5, 0.3);
        world.bodies_mut()[HUNTERS].position = Vec2::new(0.9, 0.1);
        let wall = fleeing(&world, HUNTERS);
        assert!(wall.y < -0.5, "along the wall: {wall}");
        world.bodies_mut()[0].position = Vec2::new(-0.9, 0.9);
        assert_eq!(fleeing(&world, HUNTERS), Vec2::ZERO, "nobody is near");
    }
}

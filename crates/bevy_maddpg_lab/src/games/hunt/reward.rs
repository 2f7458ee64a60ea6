//! What the agents earn.

use super::{HUNTERS, HuntWorld, STEP};

/// Reward of every hunter in play for each prey that is caught.
const CATCH: f32 = 1.0;
/// Additional reward of the hunter that has caught it.
const CATCHER: f32 = 0.5;
/// Reward of a hunter per meter that it comes nearer to the nearest prey.
const APPROACH: f32 = 0.2;
/// Reward of a prey that is caught.
const CAUGHT: f32 = -1.0;
/// Reward of a prey per second at a safe distance from all hunters.
const SAFETY: f32 = 0.1;
/// Gap to the nearest hunter from which on a prey is safe, m. Nearer, the reward is proportional to the gap.
const SAFE_GAP: f32 = 0.5;

/// The reward of the agent at `slot` for the last step.
pub(super) fn reward(world: &HuntWorld, slot: usize) -> f32 {
    if slot < HUNTERS { hunter(world, slot) } else { prey(world, slot) }
}

fn hunter(world: &HuntWorld, slot: usize) -> f32 {
    if !world.bodies()[slot].in_play {
        return 0.0;
    }
    let own = world.catches().iter().filter(|catch| catch.hunter == slot).count();
    CATCH * world.catches().len() as f32 + CATCHER * own as f32 + APPROACH * world.gain(slot)
}

fn prey(world: &HuntWorld, slot: usize) -> f32 {
    let own = &world.bodies()[slot];
    if world.catches().iter().any(|catch| catch.prey == slot) {
        return CAUGHT;
    }
    if !own.in_play {
        return 0.0;
    }
    let gap = world.nearest_opponent(slot).map_or(SAFE_GAP, |hunter| own.gap(hunter));
    SAFETY * STEP * (gap / SAFE_GAP).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::Vec2;

    /// Hunter 1 has just caught prey 4; everybody else is far away.
    fn after_a_catch() -> HuntWorld {
        let mut world = HuntWorld::default();
        for (slot, body) in world.bodies_mut().iter_mut().enumerate() {
            body.position = Vec2::new(slot as f32 * 0.2 - 0.8, if slot < HUNTERS { 0.8 } else { -0.8 });
        }
        world.bodies_mut()[4].position = world.bodies()[1].position + Vec2::X * 0.08;
        world.step();
        world
    }

    #[test]
    fn a_catch_rewards_all_hunters_and_the_catcher_most() {
        let world = after_a_catch();
        assert_eq!([0, 1, 2].map(|slot| reward(&world, slot)), [1.0, 1.5, 1.0]);
        let mut absent = world.clone();
        absent.leave(2);
        assert_eq!(reward(&absent, 2), 0.0, "a hunter that is not there earns nothing");
    }

    #[test]
    fn a_catch_costs_only_the_prey_and_only_once() {
        let mut world = after_a_catch();
        assert_eq!(reward(&world, 4), CAUGHT);
        let safe = SAFETY * STEP;
        assert!((reward(&world, 7) - safe).abs() < 1e-6, "the others are safe");
        world.step();
        assert_eq!(reward(&world, 4), 0.0);
    }

    #[test]
    fn prey_near_a_hunter_earn_less() {
        let mut world = after_a_catch();
        world.bodies_mut()[7].position =
            world.bodies()[0].position - Vec2::Y * (0.06 + 0.045 + SAFE_GAP / 2.0);
        let half = SAFETY * STEP / 2.0;
        assert!((reward(&world, 7) - half).abs() < 1e-6, "{}", reward(&world, 7));
    }

    #[test]
    fn hunters_earn_by_coming_nearer() {
        let mut world = after_a_catch();
        world.act(0, Vec2::NEG_Y);
        world.step();
        assert!(reward(&world, 0) > 0.0 && (reward(&world, 0) - APPROACH * world.gain(0)).abs() < 1e-9);
    }
}

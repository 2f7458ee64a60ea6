//! Predator and prey: three slow predators hunt one fast prey among two obstacles.

use super::{
    rules::{Measure, Over, Role, Rules, see, see_everything},
    world::{Body, ParticleWorld, Voice},
};
use bevy_maddpg::random::Random;

/// `simple_tag`.
pub(super) struct Tag;

const PREDATORS: usize = 3;
const PREY: usize = 3;
const PREDATOR_ROLE: Role =
    Role { behavior: "predator", team: "predators", observation_size: 16, action_size: 2 };
const PREY_ROLE: Role = Role { behavior: "prey", team: "prey", observation_size: 14, action_size: 2 };
/// Reward of every predator for each touch; the prey loses as much.
const TOUCH_REWARD: f64 = 10.0;
/// Obstacles are placed within this distance of both axes.
const OBSTACLES_WITHIN: f64 = 0.9;

impl Rules for Tag {
    fn roles(&self) -> &'static [Role] {
        &[PREDATOR_ROLE, PREDATOR_ROLE, PREDATOR_ROLE, PREY_ROLE]
    }

    fn world(&self) -> ParticleWorld {
        let predator = Body { acceleration: 3.0, max_speed: Some(1.0), ..Body::agent(0.075) };
        let prey = Body { acceleration: 4.0, max_speed: Some(1.3), ..Body::agent(0.05) };
        let obstacle = Body { collides: true, ..Body::landmark(0.2) };
        let agents = [predator.clone(), predator.clone(), predator, prey];
        ParticleWorld::new(agents.map(|body| (body, Voice::default())), [obstacle.clone(), obstacle])
    }

    fn reset(&self, world: &mut ParticleWorld, random: &mut Random) {
        world.scatter(OBSTACLES_WITHIN, random);
    }

    /// Own velocity and position, relative positions of obstacles and other agents; for predators, the prey's velocity.
    fn observe(&self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        see_everything(world, slot, observation);
        if slot != PREY {
            see(observation, world.agents()[PREY].velocity);
        }
    }

    /// Per touch, 10 for every predator and -10 for the prey, which is also penalized for leaving the field.
    fn reward(&self, world: &ParticleWorld, rewards: &mut [f64]) {
        let touched = touches(world) * TOUCH_REWARD;
        rewards[..PREDATORS].fill(touched);
        let prey = world.agents()[PREY].position.abs();
        rewards[PREY] = -touched - outside(prey.x) - outside(prey.y);
    }

    fn measures(&self) -> &'static [Measure] {
        // Number of predators that touch the prey.
        &[Measure { name: "touches", over: Over::Sum }]
    }

    fn measure(&self, world: &ParticleWorld, values: &mut [f64]) {
        values[0] = touches(world);
    }
}

fn touches(world: &ParticleWorld) -> f64 {
    let (predators, prey) = world.agents().split_at(PREDATORS);
    predators.iter().filter(|predator| predator.overlaps(&prey[0])).count() as f64
}

/// Penalty of the prey for its distance from an axis: 0 up to 0.9, then rising to at most 10.
fn outside(distance: f64) -> f64 {
    match distance {
        ..0.9 => 0.0,
        0.9..1.0 => (distance - 0.9) * 10.0,
        _ => libm::exp(2.0 * distance - 2.0).min(10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_is_worth_ten_to_every_predator_and_costs_the_prey_as_much() {
        let mut world = Tag.world();
        world.agents_mut()[0].position.x = 0.12;
        world.agents_mut()[1].position.x = 0.13;
        world.agents_mut()[2].position.x = -0.12;
        let (mut rewards, mut values) = ([0.0; 4], [0.0]);
        Tag.reward(&world, &mut rewards);
        Tag.measure(&world, &mut values);
        assert_eq!(rewards, [20.0, 20.0, 20.0, -20.0]);
        assert_eq!(values, [2.0]);
    }

    #[test]
    fn leaving_the_field_costs_ever_more() {
        let costs = [0.5, 0.95, 1.0, 1.5, 9.0].map(outside);
        let expected = [0.0, 0.5, 1.0, libm::exp(1.0), 10.0];
        assert!(
            costs.iter().zip(expected).all(|(cost, expected)| (cost - expected).abs() < 1e-12),
            "{costs:?}"
        );
    }
}

use bevy::prelude::*;

use super::{CartPole, TIME_LIMIT};
use bevy_maddpg::{
    agent::{Agent, Observation, Reward},
    arena::{Arena, Episode},
    random::{Random, stream},
    typed::{AgentAction, AgentObservation, Chosen},
};

/// The behavior of all agents.
pub(super) const BEHAVIOR: &str = "cart";

/// What the agent does.
#[derive(AgentAction, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// Pushes the cart to the left.
    Left,
    /// Pushes the cart to the right.
    Right,
}

/// What the agent senses, in the units of [`CartPole`].
#[derive(AgentObservation, Debug, Clone, Copy)]
pub struct View {
    position: f32,
    velocity: f32,
    angle: f32,
    angular_velocity: f32,
}

/// A cart. On the entity with the [`Agent`] and its [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct Cart {
    /// Its current state.
    pub state: CartPole,
    /// The last push.
    pub push: Option<Push>,
    random: Random,
}

/// Spawns cart number `index`, with starts seeded by `seed`.
pub(super) fn spawn(commands: &mut Commands, index: usize, seed: u64) {
    let random = stream(seed, "cart start", index as u64);
    commands.spawn((
        Agent::of::<View, Push>(BEHAVIOR),
        Arena::with_time_limit(TIME_LIMIT),
        Cart { state: CartPole::default(), push: None, random },
    ));
}

/// Places the carts for new episodes.
pub(super) fn place(mut carts: Query<(&mut Cart, &Episode)>) {
    for (mut cart, _) in carts.iter_mut().filter(|(_, episode)| episode.needs_reset()) {
        cart.state = CartPole::at_start(&mut cart.random);
        cart.push = None;
    }
}

/// Writes the observations.
pub(super) fn sense(mut carts: Query<(&Cart, &mut Observation)>) {
    for (cart, mut observation) in &mut carts {
        let CartPole { position, velocity, angle, angular_velocity } = cart.state;
        let [position, velocity, angle, angular_velocity] =
            [position, velocity, angle, angular_velocity].map(|number| number as f32);
        observation.write_view(&View { position, velocity, angle, angular_velocity });
    }
}

/// Advances the carts by one step, rewards it, and ends the episodes of those that have failed.
pub(super) fn drive(mut carts: Query<(&mut Cart, &Chosen<Push>, &mut Reward, &mut Episode)>) {
    for (mut cart, chosen, mut reward, mut episode) in &mut carts {
        let Some(&push) = chosen.get() else { continue };
        cart.push = Some(push);
        cart.state.step(push == Push::Right);
        reward.add(1.0);
        if cart.state.has_failed() {
            episode.terminate();
        }
    }
}

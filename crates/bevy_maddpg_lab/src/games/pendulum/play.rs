use bevy::prelude::*;

use super::{MAX_TORQUE, Pendulum, TIME_LIMIT, UPRIGHT};
use bevy_maddpg::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, Episode, InArena, Measures},
    random::{Random, stream},
};

/// The behavior of all agents.
pub(super) const BEHAVIOR: &str = "pendulum";
/// Numbers in an observation.
pub(super) const OBSERVATION_SIZE: usize = 3;
/// Numbers in an action.
pub(super) const ACTION_SIZE: usize = 1;

/// The state of an arena with one pendulum. A component of the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct PendulumArena {
    /// The pendulum's current state.
    pub pendulum: Pendulum,
    /// The agent that applies the torque.
    pub agent: Entity,
    /// The torque of the last step, N m.
    pub torque: f64,
    /// The reward of the last step.
    pub reward: f64,
    /// Steps of the episode after which the pendulum was upright.
    upright_steps: u32,
    random: Random,
}

/// Spawns arena number `index`, with starts seeded by `seed`. [`PendulumPlugin`](super::PendulumPlugin) does this.
pub fn spawn(commands: &mut Commands, index: usize, seed: u64) {
    let arena = commands.spawn(Arena::with_time_limit(TIME_LIMIT)).id();
    let agent = Agent::new(BEHAVIOR, OBSERVATION_SIZE, ACTION_SIZE);
    let agent = commands.spawn((agent, InArena::slot(arena, 0))).id();
    commands.entity(arena).insert((
        Measures::new(["upright"]),
        PendulumArena {
            pendulum: Pendulum::default(),
            agent,
            torque: 0.0,
            reward: 0.0,
            upright_steps: 0,
            random: stream(seed, "pendulum start", index as u64),
        },
    ));
}

/// Places the pendulums for new episodes.
pub(super) fn place(mut arenas: Query<(&mut PendulumArena, &Episode)>) {
    for (mut arena, _) in arenas.iter_mut().filter(|(_, episode)| episode.needs_reset()) {
        arena.pendulum = Pendulum::at_start(&mut arena.random);
        (arena.torque, arena.reward, arena.upright_steps) = (0.0, 0.0, 0);
    }
}

/// Writes the observations.
pub(super) fn sense(arenas: Query<&PendulumArena>, mut agents: Query<&mut Observation>) {
    for arena in &arenas {
        if let Ok(mut observation) = agents.get_mut(arena.agent) {
            observation.write(&arena.pendulum.observation());
        }
    }
}

/// Turns actions into torques.
pub(super) fn act(mut arenas: Query<&mut PendulumArena>, actions: Query<&Action>) {
    for mut arena in &mut arenas {
        if let Ok(action) = actions.get(arena.agent) {
            arena.torque = MAX_TORQUE * f64::from(action[0]).clamp(-1.0, 1.0);
        }
    }
}

/// Advances the pendulums by one step. The reward depends on the state before the step.
pub(super) fn simulate(mut arenas: Query<&mut PendulumArena>) {
    for mut arena in &mut arenas {
        let torque = arena.torque;
        arena.reward = arena.pendulum.reward(torque);
        arena.pendulum.step(torque);
        arena.upright_steps += u32::from(arena.pendulum.normalized_angle().abs() < UPRIGHT);
    }
}

/// Adds the rewards for the last step.
pub(super) fn reward(arenas: Query<&PendulumArena>, mut rewards: Query<&mut Reward>) {
    for arena in &arenas {
        if let Ok(mut reward) = rewards.get_mut(arena.agent) {
            reward.add(arena.reward as f32);
        }
    }
}

/// Updates the measures of the episodes after a step.
pub(super) fn measure(mut arenas: Query<(&PendulumArena, &mut Measures, &Episode)>) {
    for (arena, mut measures, episode) in &mut arenas {
        for upright in measures.values_mut() {
            *upright = arena.upright_steps as f32 / episode.decisions() as f32;
        }
    }
}

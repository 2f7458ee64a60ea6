use bevy::prelude::*;

use super::{Over, ParticleWorld, Scenario, TIME_LIMIT, Team};
use bevy_maddpg::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, ArenasToObserve, Episode, InArena, Measures},
    random::{Random, stream},
};

/// The state of an arena with a particle world. A component of the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct ParticleArena {
    /// The scenario.
    pub scenario: Scenario,
    /// The current state of bodies, voices and goals.
    pub world: ParticleWorld,
    /// The agents, by slot.
    pub agents: Vec<Entity>,
    /// Whether the agents choose one of mpe2's discrete actions.
    pub discrete: bool,
    /// The teams whose returns are measured; empty if all agents form one team.
    teams: Vec<Team>,
    /// The scenario's measures: sums over the episode, or values of the last step for [`Over::Last`].
    sums: Vec<f64>,
    /// Buffer for the rewards or measures of one step.
    values: Vec<f64>,
    random: Random,
}

/// Spawns arena number `index`, with starts seeded by `seed`. [`ParticlePlugin`](super::ParticlePlugin) does this.
pub fn spawn(commands: &mut Commands, scenario: Scenario, discrete: bool, index: usize, seed: u64) {
    let arena = commands.spawn(Arena::with_time_limit(TIME_LIMIT)).id();
    let spec = if discrete { scenario.discrete_spec() } else { scenario.spec() };
    let agents: Vec<_> = spec
        .slots
        .into_iter()
        .enumerate()
        .map(|(slot, spec)| {
            let agent = Agent::new(spec.behavior, spec.observation_size, 0).with_action(spec.action);
            commands.spawn((agent, InArena::slot(arena, slot))).id()
        })
        .collect();
    let teams = Some(scenario.teams()).filter(|teams| teams.len() > 1).unwrap_or_default();
    let returns = teams.iter().map(|team| format!("{}_return", team.name));
    let measures = scenario.measures().iter().map(|measure| measure.name.into());
    commands.entity(arena).insert((
        Measures::new(returns.chain(measures)),
        ParticleArena {
            scenario,
            discrete,
            world: scenario.world(),
            teams,
            sums: vec![0.0; scenario.measures().len()],
            values: vec![0.0; scenario.measures().len().max(agents.len())],
            agents,
            random: stream(seed, "particle start", index as u64),
        },
    ));
}

/// Sets up the worlds for new episodes.
pub(super) fn place(mut arenas: Query<(&mut ParticleArena, &Episode)>) {
    for (mut arena, _) in arenas.iter_mut().filter(|(_, episode)| episode.needs_reset()) {
        let ParticleArena { scenario, world, sums, random, .. } = &mut *arena;
        scenario.reset(world, random);
        sums.fill(0.0);
    }
}

/// Writes the observations.
pub(super) fn sense(
    observed: ArenasToObserve,
    arenas: Query<(Entity, &ParticleArena)>,
    mut agents: Query<&mut Observation>,
    mut frame: Local<Vec<f32>>,
) {
    for (_, arena) in arenas.iter().filter(|(entity, _)| observed.contains(*entity)) {
        let mut slot = 0;
        let mut members = agents.iter_many_mut(&arena.agents);
        while let Some(mut observation) = members.fetch_next() {
            arena.scenario.observe(&arena.world, slot, &mut frame);
            observation.write(&frame);
            slot += 1;
        }
    }
}

/// Turns actions into forces and words.
pub(super) fn act(mut arenas: Query<&mut ParticleArena>, actions: Query<&Action>) {
    for mut arena in &mut arenas {
        let ParticleArena { world, agents, discrete, .. } = &mut *arena;
        for (slot, action) in actions.iter_many(&*agents).enumerate() {
            // As vectors, choices are what mpe2 makes of its discrete actions.
            if *discrete { world.act_as_mpe2(slot, action) } else { world.act(slot, action) }
        }
    }
}

/// Advances the worlds by one step.
pub(super) fn simulate(mut arenas: Query<&mut ParticleArena>) {
    for mut arena in &mut arenas {
        arena.world.step();
    }
}

/// Adds the rewards for the last step.
pub(super) fn reward(mut arenas: Query<&mut ParticleArena>, mut rewards: Query<&mut Reward>) {
    for mut arena in &mut arenas {
        let ParticleArena { scenario, world, agents, values, .. } = &mut *arena;
        let values = &mut values[..agents.len()];
        scenario.reward(world, values);
        for (agent, value) in agents.iter().zip(values) {
            if let Ok(mut reward) = rewards.get_mut(*agent) {
                reward.add(*value as f32);
            }
        }
    }
}

/// Updates the measures of the episodes after a step.
pub(super) fn measure(
    mut arenas: Query<(&mut ParticleArena, &mut Measures, &Episode)>,
    rewards: Query<&Reward>,
) {
    for (mut arena, mut measures, episode) in &mut arenas {
        let ParticleArena { scenario, world, agents, teams, sums, values, .. } = &mut *arena;
        let mut shown = measures.values_mut();
        for (team, shown) in teams.iter().zip(&mut shown) {
            let returns = rewards.iter_many(team.slots.iter().map(|slot| agents[*slot]));
            *shown = returns.map(Reward::episode_return).sum::<f32>() / team.slots.len() as f32;
        }
        let steps = f64::from(episode.decisions());
        let values = &mut values[..sums.len()];
        scenario.measure(world, values);
        for (((sum, value), measure), shown) in
            sums.iter_mut().zip(values).zip(scenario.measures()).zip(shown)
        {
            *sum = if measure.over == Over::Last { *value } else { *sum + *value };
            *shown = if measure.over == Over::Mean { *sum / steps } else { *sum } as f32;
        }
    }
}

use bevy::prelude::*;

use super::{Over, ParticleWorld, Scenario, TIME_LIMIT};
use crate::{
    agent::{Action, Agent, Observation, Reward},
    arena::{Arena, Episode, EpisodeStatus, InArena},
    random::{Random, stream},
};

/// A particle world as an arena. On the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct ParticleArena {
    /// What is played.
    pub scenario: Scenario,
    /// Bodies, voices and goals as they stand.
    pub world: ParticleWorld,
    /// The agents, by slot.
    pub agents: Vec<Entity>,
    /// Measures so far, see [`measures`](Self::measures).
    sums: Vec<f64>,
    /// Memory for one step's rewards or measures.
    values: Vec<f64>,
    random: Random,
}

/// Written when an episode of a particle world has ended, before the arena is reset; beside
/// [`EpisodeEnded`](crate::arena::EpisodeEnded).
#[derive(Message, Debug, Clone, PartialEq)]
pub struct ParticleEpisode {
    /// The arena.
    pub arena: Entity,
    /// What was played.
    pub scenario: Scenario,
    /// Undiscounted return of each team, in the order of [`Scenario::teams`]: the mean of its agents'.
    pub team_returns: Vec<f32>,
    /// In the order of [`Scenario::measures`].
    pub measures: Vec<f32>,
}

impl ParticleArena {
    /// The measures of an episode of `decisions` decisions, in the order of [`Scenario::measures`]; zeros before the
    /// first.
    fn measures(&self, decisions: u32) -> Vec<f32> {
        let decisions = f64::from(decisions.max(1));
        let over = self.scenario.measures().iter().map(|measure| measure.over);
        let value = |(sum, over): (&f64, Over)| match over {
            Over::Sum | Over::Last => *sum as f32,
            Over::Mean => (*sum / decisions) as f32,
        };
        self.sums.iter().zip(over).map(value).collect()
    }

    fn measure(&mut self) {
        let measures = self.scenario.measures();
        let values = &mut self.values[..measures.len()];
        self.scenario.measure(&self.world, values);
        for ((sum, value), measure) in self.sums.iter_mut().zip(values).zip(measures) {
            match measure.over {
                Over::Sum | Over::Mean => *sum += *value,
                Over::Last => *sum = *value,
            }
        }
    }
}

/// Spawns arena number `index`, whose starts are seeded by `seed`. [`ParticlePlugin`](super::ParticlePlugin) does this.
pub fn spawn(commands: &mut Commands, scenario: Scenario, index: usize, seed: u64) {
    let arena = commands.spawn(Arena::with_time_limit(TIME_LIMIT)).id();
    let agents: Vec<_> = scenario
        .roles()
        .iter()
        .enumerate()
        .map(|(slot, role)| {
            let agent = Agent::new(role.behavior, role.observation_size, role.action_size);
            commands.spawn((agent, InArena::slot(arena, slot))).id()
        })
        .collect();
    commands.entity(arena).insert(ParticleArena {
        scenario,
        world: scenario.world(),
        sums: vec![0.0; scenario.measures().len()],
        values: vec![0.0; scenario.measures().len().max(agents.len())],
        agents,
        random: stream(seed, "particle start", index as u64),
    });
}

/// Reports the episodes that have ended.
pub(super) fn report(
    arenas: Query<(Entity, &ParticleArena, &Episode)>,
    rewards: Query<&Reward>,
    mut ended: MessageWriter<ParticleEpisode>,
) {
    for (entity, arena, episode) in &arenas {
        if episode.is_running() || episode.status() == EpisodeStatus::New {
            continue;
        }
        let returns: Vec<f32> = rewards.iter_many(&arena.agents).map(Reward::episode_return).collect();
        ended.write(ParticleEpisode {
            arena: entity,
            scenario: arena.scenario,
            team_returns: arena.scenario.team_returns(&returns),
            measures: arena.measures(episode.decisions()),
        });
    }
}

/// Sets the worlds up for new episodes.
pub(super) fn place(mut arenas: Query<(&mut ParticleArena, &Episode)>) {
    for (mut arena, _) in arenas.iter_mut().filter(|(_, episode)| episode.needs_reset()) {
        let ParticleArena { scenario, world, sums, random, .. } = &mut *arena;
        scenario.reset(world, random);
        sums.fill(0.0);
    }
}

/// Writes what each agent sees and hears.
pub(super) fn sense(
    arenas: Query<&ParticleArena>,
    mut agents: Query<&mut Observation>,
    mut frame: Local<Vec<f32>>,
) {
    for arena in &arenas {
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
        let ParticleArena { world, agents, .. } = &mut *arena;
        for (slot, action) in actions.iter_many(&*agents).enumerate() {
            world.act(slot, action);
        }
    }
}

/// Moves the worlds on by one step.
pub(super) fn simulate(mut arenas: Query<&mut ParticleArena>) {
    for mut arena in &mut arenas {
        arena.world.step();
    }
}

/// Rewards the step just made and measures it.
pub(super) fn judge(mut arenas: Query<&mut ParticleArena>, mut rewards: Query<&mut Reward>) {
    for mut arena in &mut arenas {
        let arena = &mut *arena;
        let values = &mut arena.values[..arena.agents.len()];
        arena.scenario.reward(&arena.world, values);
        for (agent, value) in arena.agents.iter().zip(values) {
            if let Ok(mut reward) = rewards.get_mut(*agent) {
                reward.add(*value as f32);
            }
        }
        arena.measure();
    }
}

use bevy::prelude::*;
use rayon::prelude::*;

use super::{Camera, ControlPlugin, Planner, Sight, Simulation};
use crate::game::Scripted;
use bevy_maddpg::{
    agent::{Action, ActionOverride, Observation, Reward},
    arena::{Arena, Episode, InArena, Measures},
    random::{Random, stream},
};

/// One body that is controlled. A component of the entity with the [`Arena`].
#[derive(Component, Clone)]
pub struct ControlArena {
    /// The body and its world.
    pub simulation: Simulation,
    /// The agent that controls it.
    pub agent: Entity,
    /// The reward of the last control step, 0 to 1.
    pub reward: f32,
    /// The sum of the task's sparse scores over the episode.
    sparse: f32,
    /// Control steps of the episode so far.
    steps: u32,
    random: Random,
    /// Takes the pictures that the agent sees, if it sees any.
    camera: Option<Camera>,
    /// The last observation, kept to write it without allocating.
    observation: Vec<f32>,
}

impl ControlArena {
    /// Control steps of the episode so far.
    pub fn steps(&self) -> u32 {
        self.steps
    }
}

/// Plans the actions of an arena's agent instead of a policy. A component of the entity with the [`Arena`].
#[derive(Component)]
pub struct Planned(Planner);

/// Spawns arena number `index`.
pub(super) fn spawn(commands: &mut Commands, index: usize, plugin: &ControlPlugin) {
    let ControlPlugin { task, seed, sight, is_planned, .. } = *plugin;
    let limit = if is_planned { task.decisions() * task.action_repeat() } else { task.decisions() };
    let arena = commands.spawn(Arena::with_time_limit(limit)).id();
    let agent = commands.spawn((sight.agent(task), InArena::slot(arena, 0))).id();
    let simulation = Simulation::new(task);
    commands.entity(arena).insert(ControlArena {
        simulation,
        agent,
        reward: 0.0,
        sparse: 0.0,
        steps: 0,
        random: stream(seed, "control start", index as u64),
        camera: Camera::of(task).filter(|_| sight == Sight::Pixels),
        observation: Vec::new(),
    });
    if task.is_sparse_in_the_suite() {
        commands.entity(arena).insert(Measures::new(["sparse"]));
    }
    if is_planned {
        let planner = Planner::new(task, seed.wrapping_add(index as u64));
        commands.entity(arena).insert(Planned(planner));
        commands.entity(agent).insert((Scripted, ActionOverride(vec![0.0; task.action_size()])));
    }
}

/// Starts new episodes.
pub(super) fn place(mut arenas: Query<(&mut ControlArena, &Episode, Option<&mut Planned>)>) {
    for (mut arena, _, planned) in arenas.iter_mut().filter(|(_, episode, _)| episode.needs_reset()) {
        let ControlArena { simulation, random, .. } = &mut *arena;
        simulation.reset(random);
        (arena.reward, arena.sparse, arena.steps) = (0.0, 0.0, 0);
        if let Some(mut planned) = planned {
            planned.0.restart();
        }
    }
}

/// Writes the observations.
pub(super) fn sense(mut arenas: Query<&mut ControlArena>, mut agents: Query<&mut Observation>) {
    for mut arena in &mut arenas {
        let ControlArena { simulation, agent, camera, observation: numbers, .. } = &mut *arena;
        if let Ok(mut observation) = agents.get_mut(*agent) {
            match camera {
                None => simulation.observe(numbers),
                Some(camera) => camera.take(simulation.parts(), numbers),
            }
            observation.write(numbers);
        }
    }
}

/// Plans the next action of each agent that a planner plays. The planners share the cores.
pub(super) fn plan(
    mut arenas: Query<(&ControlArena, &mut Planned)>,
    mut agents: Query<&mut ActionOverride, With<Scripted>>,
) {
    let mut planners: Vec<_> = arenas.iter_mut().collect();
    planners.par_iter_mut().for_each(|(arena, planned)| _ = planned.0.act(&arena.simulation));
    for (arena, planned) in planners {
        if let Ok(mut action) = agents.get_mut(arena.agent) {
            action.0.copy_from_slice(planned.0.action());
        }
    }
}

/// Advances every body by one control step and adds its reward. The bodies share the cores; each moves as it would alone.
pub(super) fn simulate(
    mut arenas: Query<(&mut ControlArena, &mut Episode)>,
    mut agents: Query<(&Action, &mut Reward)>,
) {
    let actions = agents.as_readonly();
    let mut moving: Vec<_> = arenas
        .iter_mut()
        .filter_map(|(arena, episode)| Some((actions.get(arena.agent).ok()?.0, arena, episode)))
        .collect();
    moving.par_iter_mut().for_each(|(action, arena, episode)| {
        arena.reward = arena.simulation.step(action);
        arena.sparse += arena.simulation.sparse_score().unwrap_or(0.0);
        arena.steps += 1;
        if arena.simulation.terminated() {
            episode.terminate();
        }
    });
    for (arena, _) in &arenas {
        if let Ok((_, mut reward)) = agents.get_mut(arena.agent) {
            reward.add(arena.reward);
        }
    }
}

/// Updates the measures of the episodes after a step.
pub(super) fn measure(mut arenas: Query<(&ControlArena, &mut Measures)>) {
    for (arena, mut measures) in &mut arenas {
        measures.values_mut().for_each(|sparse| *sparse = arena.sparse);
    }
}

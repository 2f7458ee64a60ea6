use bevy::prelude::*;

use super::{Arenas, experience::CONSTANT_AFTER};
use crate::{
    agent::{Agent, Life, Observation, Reward},
    problems::Problems,
};

/// What [`push_frames`] reads and writes on each agent.
pub(super) type Observer<'a> = (Entity, &'a Agent, &'a mut Observation, &'a mut Reward, &'a Life);

/// Appends the newest observation of every agent to its stacked observations, and reports what is wrong with it.
pub(super) fn push_frames(arenas: Res<Arenas>, mut agents: Query<Observer>, mut problems: ResMut<Problems>) {
    for agent in &mut agents {
        push_frame(agent, &arenas, &mut problems);
    }
}

/// Appends an agent's newest observation to its stacked observations, and reports observations and rewards that cannot be
/// used.
pub(super) fn push_frame(
    (entity, agent, mut observation, mut reward, life): (
        Entity,
        &Agent,
        Mut<Observation>,
        Mut<Reward>,
        &Life,
    ),
    arenas: &Arenas,
    problems: &mut Problems,
) {
    let behavior = &agent.behavior;
    if let Some(found) = observation.take_refused() {
        problems.tell("length", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` was given an observation of {found} numbers, expected {}: it \
                 keeps its previous one; write as many numbers as the agent's `observation_size`, and declare those of rays \
                 with `Agent::with_rays`",
                agent.observation_size - agent.sensed
            )
        });
    }
    if !life.is_over() {
        tell_problems(entity, agent, &observation, &mut reward, arenas, problems);
    }
    observation.push_frame();
}

/// Reports what is wrong with the observation and the reward of an agent that takes part.
fn tell_problems(
    entity: Entity,
    agent: &Agent,
    observation: &Observation,
    reward: &mut Reward,
    arenas: &Arenas,
    problems: &mut Problems,
) {
    let behavior = &agent.behavior;
    if !observation.is_written() {
        problems.tell("unwritten", behavior, || {
            format!(
                "no system writes the observation of agent {entity} of behavior `{behavior}`, so it stays zero; write \
                 it in the schedule `Observe`"
            )
        });
    } else if arenas.has_learner && observation.unchanged() >= CONSTANT_AFTER {
        problems.tell("constant observation", behavior, || {
            format!(
                "the observation of agent {entity} of behavior `{behavior}` has been the same for {CONSTANT_AFTER} \
                 decisions, so its policy cannot react to anything; check the system that writes it"
            )
        });
    }
    if arenas.has_learner && observation.blind() >= CONSTANT_AFTER {
        problems.tell("blind", behavior, || {
            format!(
                "the rays of agent {entity} of behavior `{behavior}` have found nothing in {CONSTANT_AFTER} decisions; check that the app has \
                 `RayPlugin`, that `AnalyticRays` or a system in `RaySystems::Cast` casts them, and that what they should find is \
                 `Detectable`, with one of the sensor's classes"
            )
        });
    }
    if let Some(index) = observation.frame().iter().position(|number| !number.is_finite()) {
        problems.tell("observation", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` observes {} at index {index}: its policy sees 0 there, and \
                 the transition is dropped; check for divisions by zero",
                observation.frame()[index]
            )
        });
    }
    let pixels = agent.image.map_or(0, |image| image.frame_size());
    if let Some(pixel) = observation.frame()[..pixels].iter().find(|pixel| **pixel < 0.0 || **pixel > 1.0) {
        problems.tell("pixel", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` observes a pixel of {pixel}, expected a brightness from 0 to 1: the \
                 learner sees the nearest number in this range; divide pixels of 8 bits by 255"
            )
        });
    }
    if let Some(refused) = reward.refused.take() {
        problems.tell("reward", behavior, || {
            format!(
                "agent {entity} of behavior `{behavior}` was given the reward {refused}, which is ignored; rewards \
                 must be finite, so check for divisions by zero"
            )
        });
    }
}

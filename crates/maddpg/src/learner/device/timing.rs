use std::time::{Duration, Instant};

use rand::RngExt;

use crate::{
    learner::{Device, Learner, LearnerConfig, LearnerError},
    policy::ArenaSpec,
    random::stream,
    transition::{SlotState, TransitionBlock},
};

/// How long updates are timed, after one warm-up round.
const TIMED: Duration = Duration::from_millis(100);

/// The time of one update on `device`: the mean over the fastest round, since other programs can only make a round
/// slower. A round has `policy_delay` updates, so that it includes one update of the actors.
pub(super) fn update_time(
    device: &Device,
    config: &LearnerConfig,
    spec: &ArenaSpec,
) -> Result<Duration, LearnerError> {
    let mut learner = Learner::new(config.clone(), spec.clone(), device.clone(), 0)?;
    learner.remember(&random_transitions(config.batch_size, spec));
    let updates = config.policy_delay.max(1);
    let mut round = || {
        let start = Instant::now();
        for _ in 0..updates {
            learner.update(false)?;
        }
        device.synchronize()?;
        Ok::<_, LearnerError>(start.elapsed() / updates)
    };
    round()?;
    let start = Instant::now();
    let mut least = round()?;
    while start.elapsed() < TIMED {
        least = least.min(round()?);
    }
    Ok(least)
}

pub(super) fn random_transitions(rows: usize, spec: &ArenaSpec) -> TransitionBlock {
    let mut random = stream(0, "device timing", 0);
    let mut draw = |count: usize| (0..count).map(|_| random.random_range(-1.0..=1.0)).collect::<Vec<f32>>();
    TransitionBlock {
        observations: draw(rows * spec.joint_observation_size()),
        actions: draw(rows * spec.joint_action_size()),
        rewards: draw(rows * spec.agents()),
        next_observations: draw(rows * spec.joint_observation_size()),
        discounts: vec![1.0; rows],
        masks: vec![1.0; rows * spec.joint_choices()],
        next_masks: vec![1.0; rows * spec.joint_choices()],
        slots: vec![SlotState::PRESENT; rows * spec.agents()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::Preset,
        policy::{ActionSpace, AgentSpec},
    };

    #[test]
    fn every_preset_can_be_timed() {
        let action = ActionSpace::of_numbers(1).with_choices("jump", 2);
        let jumper = AgentSpec { action, ..AgentSpec::new("jumper", 8, 1) };
        let spec = ArenaSpec::new(vec![AgentSpec::new("walker", 8, 2), jumper]);
        for preset in Preset::ALL {
            let time = update_time(&Device::cpu(), &preset.config().learner, &spec).unwrap();
            assert!(time > Duration::ZERO, "{preset}");
        }
    }
}

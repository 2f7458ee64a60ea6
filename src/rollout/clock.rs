use bevy::prelude::*;

use super::StepTiming;
use crate::agent::{DecisionClock, Life};

/// The resource that counts steps and decisions.
#[derive(Resource, Reflect, Debug, Clone, PartialEq, Eq)]
#[reflect(Resource)]
#[non_exhaustive]
pub struct RolloutClock {
    /// Number of finished steps.
    pub step: u64,
    /// Steps from one decision to the next.
    pub decision_period: u32,
    /// Number of joint decisions: at each decision, one for each arena. If a training is continued, the count includes those of earlier
    /// runs.
    pub decisions: u64,
    /// How many of the joint `decisions` earlier runs made.
    #[reflect(ignore)]
    pub(crate) earlier: u64,
    /// Whether `Observe` runs because episodes have ended.
    #[reflect(ignore)]
    observes_ends: bool,
    /// Whether steps are Bevy's fixed steps.
    #[reflect(ignore)]
    counts_fixed_steps: bool,
}

impl RolloutClock {
    pub(super) fn new(decision_period: u32, timing: StepTiming) -> Self {
        Self {
            step: 0,
            decision_period: decision_period.max(1),
            decisions: 0,
            earlier: 0,
            observes_ends: false,
            counts_fixed_steps: timing == StepTiming::FixedStep,
        }
    }

    /// The time from one decision to the next, in seconds of the game. `None` if it is not always the same.
    pub(crate) fn decision_seconds(&self, fixed: Option<&Time<Fixed>>) -> Option<f64> {
        let step = fixed.filter(|_| self.counts_fixed_steps)?.timestep();
        Some(step.as_secs_f64() * f64::from(self.decision_period))
    }

    /// Whether this step starts with a decision.
    pub fn is_decision(&self) -> bool {
        self.step.is_multiple_of(u64::from(self.decision_period))
    }

    /// Whether agents decide after the present run of [`Observe`](super::Observe). False if it runs because episodes have ended.
    pub fn is_deciding(&self) -> bool {
        !self.observes_ends
    }

    /// Whether this step is the last before a decision.
    pub fn is_last_of_decision(&self) -> bool {
        (self.step + 1).is_multiple_of(u64::from(self.decision_period))
    }
}

pub(crate) fn decision_is_due(clock: Res<RolloutClock>) -> bool {
    clock.is_decision()
}

/// A run condition for systems in [`Observe`](super::Observe) that must run exactly once per decision, such as scripts that decide for
/// agents. It is true if agents decide afterwards, and false if `Observe` runs because episodes have ended.
pub fn agents_decide(clock: Res<RolloutClock>) -> bool {
    clock.is_deciding()
}

/// Finds out which agents decide at this decision. Agents that were revived have no action to keep, so they decide.
pub(super) fn advance_agents(clock: Res<RolloutClock>, mut agents: Query<(&mut DecisionClock, &mut Life)>) {
    let decision = clock.step / u64::from(clock.decision_period);
    for (mut agent, mut life) in &mut agents {
        let agent = agent.bypass_change_detection();
        if life.bypass_change_detection().take_revival() {
            agent.request();
        }
        agent.advance(decision);
    }
}

/// Runs before (`NOW` is true) and after (`NOW` is false) the last observations of ended episodes.
pub(super) fn observes_ends<const NOW: bool>(mut clock: ResMut<RolloutClock>) {
    clock.observes_ends = NOW;
}

pub(super) fn advance(mut clock: ResMut<RolloutClock>) {
    clock.step += 1;
}

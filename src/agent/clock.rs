use bevy::prelude::*;

/// When an agent decides. A *decision of the world* takes place every `decision_period` steps.
#[derive(Reflect, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// At every n-th decision of the world.
    Every {
        /// The number of decisions of the world from one decision of the agent to the next, at least 1.
        decisions: u32,
        /// Offset of the agent's decisions, in decisions of the world. If `None`, each new agent gets another offset, so that agents
        /// take turns.
        phase: Option<u32>,
    },
    /// When the game asks for a decision with [`DecisionClock::request`], and once at the start of each episode.
    OnDemand,
}

impl Default for Clock {
    fn default() -> Self {
        Self::Every { decisions: 1, phase: Some(0) }
    }
}

/// Tells when the agent last decided and whether it decides now. Every agent has this component; it is useful only for agents with a
/// [`Clock`] of their own.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// #[derive(Component)]
/// struct Turn;
///
/// /// The player whose turn it is decides at the next decision of the world.
/// fn ask(mut players: Query<&mut DecisionClock, Added<Turn>>) {
///     for mut clock in &mut players {
///         clock.request();
///     }
/// }
/// # bevy::ecs::system::assert_is_system(ask);
/// ```
#[derive(Component, Reflect, Debug, Clone, PartialEq, Eq)]
#[reflect(Component)]
pub struct DecisionClock {
    clock: Clock,
    phase: u32,
    /// Whether it decides at the next decision of the world even if its clock says otherwise.
    is_requested: bool,
    /// Whether it decides at the current decision of the world.
    is_due: bool,
    /// Decisions of the world since it decided.
    age: u8,
}

impl Default for DecisionClock {
    fn default() -> Self {
        Self::new(Clock::default(), 0)
    }
}

impl DecisionClock {
    pub(super) fn new(clock: Clock, phase: u32) -> Self {
        Self { clock, phase, is_requested: true, is_due: true, age: 0 }
    }

    /// Lets the agent decide at the next decision of the world, in addition to those of its clock.
    pub fn request(&mut self) {
        self.is_requested = true;
    }

    /// Whether the agent decides, or has decided, at the current decision of the world. If not, it keeps its action.
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Decisions of the world since it decided, at most 255.
    pub(crate) fn age(&self) -> u8 {
        self.age
    }

    /// Takes note of the decision of the world with this number.
    pub(crate) fn advance(&mut self, decision: u64) {
        let is_regular = match self.clock {
            // With the default clock, the agent decides every time, without a division.
            Clock::Every { decisions: 1, .. } => true,
            Clock::Every { decisions, .. } => {
                (decision + u64::from(self.phase)).is_multiple_of(decisions.into())
            }
            Clock::OnDemand => false,
        };
        self.is_due = is_regular || self.is_requested;
        self.is_requested = false;
        self.age = if self.is_due { 0 } else { self.age.saturating_add(1) };
    }
}

/// Gives each agent that takes turns another phase.
#[derive(Resource, Debug, Default)]
pub(crate) struct Stagger(u32);

impl Stagger {
    pub(super) fn next(&mut self) -> u32 {
        let phase = self.0;
        self.0 = self.0.wrapping_add(1);
        phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of the first 12 decisions of the world an agent decides.
    fn decisions(mut clock: DecisionClock, requests: &[u64]) -> Vec<u64> {
        let decides = |decision: &u64| {
            if requests.contains(decision) {
                clock.request();
            }
            clock.advance(*decision);
            clock.is_due()
        };
        (0..12).filter(decides).collect()
    }

    #[test]
    fn clocks_say_when_an_agent_decides() {
        let every =
            |decisions, phase| DecisionClock::new(Clock::Every { decisions, phase: Some(phase) }, phase);
        assert_eq!(decisions(every(1, 0), &[]), (0..12).collect::<Vec<_>>());
        assert_eq!(decisions(every(5, 0), &[]), [0, 5, 10]);
        // A new agent decides at once, then in its turn.
        assert_eq!(decisions(every(5, 2), &[]), [0, 3, 8]);
        assert_eq!(decisions(every(5, 0), &[6]), [0, 5, 6, 10]);
        assert_eq!(decisions(DecisionClock::new(Clock::OnDemand, 0), &[4, 9]), [0, 4, 9]);
    }
}

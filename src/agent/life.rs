use bevy::prelude::*;

/// Whether the agent takes part in the episode. With [`terminate`](Self::terminate) or [`truncate`](Self::truncate), the game ends the
/// agent's part in the episode, while the others in its arena play on:
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// #[derive(Component)]
/// struct Health(f32);
///
/// /// A guard without health is out until its arena is reset.
/// fn die(mut guards: Query<(&Health, &mut Life, &mut Reward), Changed<Health>>) {
///     for (health, mut life, mut reward) in &mut guards {
///         if health.0 <= 0.0 && !life.is_over() {
///             reward.add(-1.0);
///             life.terminate();
///         }
///     }
/// }
/// # bevy::ecs::system::assert_is_system(die);
/// ```
///
/// From the next decision on, the agent does nothing, and its policy does not learn from what happens to it. You may also despawn it.
/// If you despawn it without a call of `terminate`, its part counts as cut off, and the learner does not learn from its last decision.
///
/// When the arena is reset, all its agents take part again. When the parts of all agents of an arena are over, the episode ends by
/// itself. In a game with respawns, [`revive`](Self::revive) lets an agent take part again while the episode goes on.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq, Eq)]
#[reflect(Component)]
pub struct Life {
    end: Option<LifeEnd>,
    /// The first end since the last decision. It is kept until it is recorded, even if the agent has been revived by then.
    unrecorded: Option<LifeEnd>,
    /// Whether it was revived since the last decision.
    is_revived: bool,
}

/// How an agent's part in an episode ended.
#[derive(Reflect, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// By the rules of the game. The agent can get no more rewards, unless its behavior shares the rewards of its team
    /// ([`LearnerConfig::team_fate`](crate::learner::LearnerConfig::team_fate)).
    Terminated,
    /// For a reason that is not part of the game. Nobody knows which rewards would have followed.
    Truncated,
}

impl Life {
    /// Ends the agent's part by the rules of the game, for example because it died or reached its goal.
    pub fn terminate(&mut self) {
        self.finish(LifeEnd::Terminated);
    }

    /// Ends the agent's part for a reason that is not part of the game, for example because its player left.
    pub fn truncate(&mut self) {
        self.finish(LifeEnd::Truncated);
    }

    fn finish(&mut self, end: LifeEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            self.unrecorded.get_or_insert(end);
        }
    }

    /// Lets the agent take part again in an episode that is still running. It decides at the next decision of the world, even if its
    /// [`Clock`](super::Clock) says otherwise.
    pub fn revive(&mut self) {
        self.is_revived |= self.end.take().is_some();
    }

    /// How the agent's part ended, if it did.
    pub fn end(&self) -> Option<LifeEnd> {
        self.end
    }

    /// Whether the agent's part is over.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The end since the last decision, if there was one.
    pub(crate) fn unrecorded(&self) -> Option<LifeEnd> {
        self.unrecorded
    }

    pub(crate) fn set_recorded(&mut self) {
        self.unrecorded = None;
    }

    /// Whether the agent was revived since the last call.
    pub(crate) fn take_revival(&mut self) -> bool {
        std::mem::take(&mut self.is_revived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_of_a_part_is_recorded_even_if_the_agent_is_back() {
        let mut life = Life::default();
        life.terminate();
        life.truncate();
        assert_eq!(life.end(), Some(LifeEnd::Terminated));
        life.revive();
        life.truncate();
        assert_eq!((life.end(), life.unrecorded()), (Some(LifeEnd::Truncated), Some(LifeEnd::Terminated)));
        life.set_recorded();
        assert!(life.is_over() && life.unrecorded().is_none());
    }
}

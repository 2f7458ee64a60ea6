use bevy::prelude::*;

/// Whether the agent takes part in the episode. The game ends an agent's own part with [`terminate`](Self::terminate) or
/// [`truncate`](Self::truncate), while the others in its arena play on:
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
/// From the next decision on, the agent does nothing, and nothing that happens is learned from as its own. It may also be
/// despawned. If `terminate` was not called first, the learner takes the agent's part as cut off, and does not learn from its last decision.
/// When the arena is reset, all its agents take part again. When the parts of all agents of an arena are over, the episode ends by itself.
/// In a game with respawns, [`revive`](Self::revive) lets an agent take part again while the episode goes on.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq, Eq)]
#[reflect(Component)]
pub struct Life {
    end: Option<LifeEnd>,
    /// The first end since the last decision, kept until it is recorded, even if the agent is back by then.
    unrecorded: Option<LifeEnd>,
    /// Whether it was revived since the last decision.
    is_revived: bool,
}

/// How an agent's part in an episode ended.
#[derive(Reflect, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// By the rules of the game. Nothing follows for the agent, unless its behavior shares the fate of its team.
    Terminated,
    /// For a reason that is not part of the game. What would have followed is not known.
    Truncated,
}

impl Life {
    /// Ends the agent's part by the rules of the game: it died, or it reached its goal.
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

    /// Lets the agent take part again, in an episode that is still running. It decides at the next decision of the world, whatever its
    /// [`Clock`](super::Clock) says.
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

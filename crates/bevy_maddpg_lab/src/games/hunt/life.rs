use bevy::prelude::*;

/// Whether an agent still takes part in the episode.
#[derive(Component, Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Life {
    is_over: bool,
}

impl Life {
    /// Ends the agent's part in the episode by the rules of the game: it does nothing and earns nothing until the
    /// arena is reset.
    pub(super) fn terminate(&mut self) {
        self.is_over = true;
    }

    /// Whether its part in the episode has ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

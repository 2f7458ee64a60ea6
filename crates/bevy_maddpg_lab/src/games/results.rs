//! What is measured of a game between two teams, from the side of the home team.

use bevy_maddpg::arena::Measures;

/// The measures: 1 for what the game ended with, goals of both teams, and the length of the game.
pub(crate) const WINS: &str = "wins";
pub(crate) const DRAWS: &str = "draws";
pub(crate) const LOSSES: &str = "losses";
pub(crate) const GOALS_FOR: &str = "goals_for";
pub(crate) const GOALS_AGAINST: &str = "goals_against";
pub(crate) const SECONDS: &str = "seconds";

/// How a game stands for the home team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Won,
    Open,
    Lost,
}

impl Standing {
    /// The standing for the `home` team if this team has won.
    pub(super) fn of<T: PartialEq>(winner: Option<T>, home: T) -> Self {
        match winner {
            Some(winner) if winner == home => Self::Won,
            Some(_) => Self::Lost,
            None => Self::Open,
        }
    }
}

/// The measures of a game that has not begun.
pub(super) fn measures() -> Measures {
    Measures::new([WINS, DRAWS, LOSSES, GOALS_FOR, GOALS_AGAINST, SECONDS])
}

/// Notes how a game stands after this many seconds. A game ends with its first goal; one that ends without is a draw.
pub(super) fn record(measures: &mut Measures, standing: Standing, seconds: f32) {
    let is = |other: Standing| f32::from(standing == other);
    let [won, open, lost] = [Standing::Won, Standing::Open, Standing::Lost].map(is);
    let values = [won, open, lost, won, lost, seconds];
    measures.values_mut().zip(values).for_each(|(measure, value)| *measure = value);
}

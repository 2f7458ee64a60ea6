//! Ratings of players from the results of their games.

use std::{fmt, path::Path};

use bevy_maddpg::write_atomically;
use serde::{Deserialize, Serialize};

/// The results of games between players, and their ratings: the Bradley-Terry model, in which a player with strength `p` beats
/// one with strength `q` with probability `p / (p + q)`. A draw counts as half a win for each.
///
/// Strengths are fitted to all results at once (maximum likelihood, by Hunter's algorithm, Annals of Statistics 2004), so the order of the games
/// does not matter. A rating is `400 log10 p`, as in chess: 400 points more win 10 times as often as they lose. The first player's
/// rating is fixed at 1000.
///
/// ```
/// use bevy_maddpg_lab::rating::Tournament;
///
/// let mut tournament = Tournament::new(["script", "policy"]);
/// tournament.add(1, 0, 75.0, 100.0);
/// let ratings = tournament.ratings();
/// assert_eq!(ratings[0].rating, 1000.0);
/// // It won three games for each one that it lost: 191 points.
/// assert!((ratings[1].rating - 1191.0).abs() < 6.0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tournament {
    names: Vec<String>,
    /// Points of each player against each other one, row by row.
    points: Vec<f64>,
}

/// The rating of a player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The player's name.
    pub name: String,
    /// The rating.
    pub rating: f64,
    /// Half of the 95% confidence interval, with the other ratings held fixed; 0 for the first player.
    pub margin: f64,
    /// Games played.
    pub games: f64,
}

/// Points per factor e of strength.
const SCALE: f64 = 400.0 / std::f64::consts::LN_10;
/// The first player's rating.
const FIXED: f64 = 1000.0;

impl Tournament {
    /// A tournament of players with these names, without games.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self { points: vec![0.0; names.len() * names.len()], names }
    }

    /// Adds `games` games between two players, of which the first won `points`, with half a point for a draw.
    ///
    /// # Panics
    /// If there is no such player.
    pub fn add(&mut self, player: usize, other: usize, points: f64, games: f64) {
        let size = self.names.len();
        self.points[player * size + other] += points;
        self.points[other * size + player] += games - points;
    }

    fn points(&self, player: usize, other: usize) -> f64 {
        self.points[player * self.names.len() + other]
    }

    /// Games between two players. One draw is added to each pair that has met, so that who has won or lost all games also gets a
    /// finite rating.
    fn games(&self, player: usize, other: usize) -> f64 {
        let games = self.points(player, other) + self.points(other, player);
        if games > 0.0 { games + 1.0 } else { 0.0 }
    }

    /// The ratings of all players, in their order.
    pub fn ratings(&self) -> Vec<Rating> {
        let size = self.names.len();
        let mut strengths = vec![1.0f64; size];
        for _ in 0..10_000 {
            let mut change = 0.0f64;
            for player in 0..size {
                let others = || (0..size).filter(|other| self.games(player, *other) > 0.0);
                let won: f64 = others().map(|other| self.points(player, other) + 0.5).sum();
                let expected: f64 = others()
                    .map(|other| self.games(player, other) / (strengths[player] + strengths[other]))
                    .sum();
                if expected > 0.0 {
                    let fitted = won / expected;
                    change = change.max((fitted / strengths[player]).ln().abs());
                    strengths[player] = fitted;
                }
            }
            if change < 1e-9 {
                break;
            }
        }
        let rate = |player: usize| {
            let information: f64 = (0..size)
                .map(|other| {
                    let share = strengths[player] / (strengths[player] + strengths[other]);
                    self.games(player, other) * share * (1.0 - share)
                })
                .sum();
            let is_fixed = player == 0 || information == 0.0;
            let above = if is_fixed { 0.0 } else { SCALE * (strengths[player] / strengths[0]).ln() };
            Rating {
                name: self.names[player].clone(),
                rating: FIXED + above,
                margin: if is_fixed { 0.0 } else { 1.96 * SCALE / information.sqrt() },
                games: (0..size).map(|other| self.points(player, other) + self.points(other, player)).sum(),
            }
        };
        (0..size).map(rate).collect()
    }

    /// Writes the ratings as CSV: name, rating, margin and games of each player.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = String::from("player,rating,margin_95,games\n");
        for Rating { name, rating, margin, games } in self.ratings() {
            text += &format!("{name},{rating:.1},{margin:.1},{games}\n");
        }
        write_atomically(path, text.as_bytes())
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rating, margin, games } = self;
        write!(f, "{name}: {rating:.0}")?;
        if *margin > 0.0 {
            write!(f, " ± {margin:.0}")?;
        }
        write!(f, " ({games:.0} games)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::random::stream;
    use rand::RngExt;

    #[test]
    fn ratings_recover_the_strengths_that_made_the_results() {
        let strengths: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
        let mut tournament = Tournament::new(["a", "b", "c", "d"]);
        let mut random = stream(1, "ratings", 0);
        for player in 0..4 {
            for other in 0..player {
                let share = strengths[player] / (strengths[player] + strengths[other]);
                let points = (0..2_000).filter(|_| random.random::<f64>() < share).count();
                tournament.add(player, other, points as f64, 2_000.0);
            }
        }
        let ratings = tournament.ratings();
        for (rating, strength) in ratings.iter().zip(strengths) {
            let expected = 1000.0 + 400.0 * strength.log10();
            assert!((rating.rating - expected).abs() < 1.5 * rating.margin.max(10.0), "{rating}");
            assert_eq!(rating.games, 6_000.0);
        }
    }

    #[test]
    fn who_wins_everything_has_a_finite_rating_and_few_games_a_wide_margin() {
        let mut tournament = Tournament::new(["a", "b", "nobody"]);
        tournament.add(1, 0, 10.0, 10.0);
        let ratings = tournament.ratings();
        assert!((1_100.0..2_000.0).contains(&ratings[1].rating), "{}", ratings[1]);
        assert!(ratings[1].margin > 100.0);
        assert_eq!((ratings[2].rating, ratings[2].margin), (1000.0, 0.0));
    }
}

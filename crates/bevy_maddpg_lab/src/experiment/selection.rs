//! The choice of a run's result among its policies, by rating.

use std::sync::Arc;

use bevy_maddpg::{
    parameters::ParametersConfig,
    policy::PolicySnapshot,
    self_play::{Pool, Rival, RivalKind},
};

use super::{
    Evaluation, GameResults, OutputError, RunFolder, evaluation::evaluate_with, rating_curve::draw_ratings,
};
use crate::{
    game::Game,
    rating::{Rating, Tournament},
};

/// Newest snapshots that may become the result, besides the last policy.
const CANDIDATES: usize = 8;
/// Older snapshots that are rated, spread over the run.
const OLDER: usize = 4;
/// Games of each snapshot against each fixed rival.
const ANCHOR_GAMES: u32 = 128;
/// Games of each snapshot against each of its [`PREDECESSORS`].
const PAST_GAMES: u32 = 64;
/// Past policies that each snapshot meets, spread over its past.
const PREDECESSORS: usize = 2;
/// The best candidates, which play on, and how many games more each plays against each fixed rival.
const FINALISTS: usize = 3;
const FINAL_GAMES: u32 = 512;
/// The games of the selection start differently from those of evaluations.
const SEED: u64 = 0x5e1e_c7ed;

/// The ratings of a run's policies, and the best of them.
pub(super) struct Selection {
    /// The policy with the highest rating among the newest.
    pub(super) policy: Arc<PolicySnapshot>,
    /// Its rating.
    pub(super) rating: Rating,
    /// All games.
    pub(super) tournament: Tournament,
    /// How many fixed rivals there are, which are the first players.
    anchors: usize,
}

impl Selection {
    /// Writes the ratings to `ratings.csv` and draws them. The last policy was trained for `decisions`.
    pub(super) fn write(&self, folder: &RunFolder, decisions: u64, title: &str) -> Result<(), OutputError> {
        let path = folder.ratings();
        self.tournament.write(&path).map_err(OutputError::io("write", &path))?;
        let ratings = self.tournament.ratings();
        let (anchors, policies) = ratings.split_at(self.anchors);
        let policies: Vec<(u64, Rating)> = policies
            .iter()
            .map(|rating| (rating.name.parse().unwrap_or(decisions), rating.clone()))
            .collect();
        draw_ratings(folder.ratings_picture(), &policies, anchors, title)
    }
}

/// Lets the policies of a run play against the game's fixed rivals and against each other. `None` if the game has no rivals, or if
/// `stop` returns true before the end.
pub(super) fn select(
    game: &dyn Game,
    pool: &Pool,
    last: &PolicySnapshot,
    parameters: &ParametersConfig,
    seed: u64,
    mut stop: impl FnMut() -> bool,
) -> Option<Selection> {
    let anchors = game.rivals();
    if anchors.is_empty() {
        return None;
    }
    let mut snapshots: Vec<(String, Arc<PolicySnapshot>)> = pool
        .rivals()
        .iter()
        .filter_map(|rival| match rival {
            Rival { kind: RivalKind::Policy(policy), decisions: Some(_), name, .. } => {
                Some((name.clone(), policy.clone()))
            }
            _ => None,
        })
        .collect();
    let older = snapshots.len().saturating_sub(CANDIDATES);
    let is_rated = |index: usize| index >= older || (index * OLDER / older) != ((index + 1) * OLDER / older);
    let mut number = 0;
    snapshots.retain(|_| {
        number += 1;
        is_rated(number - 1)
    });
    snapshots.push(("last".into(), Arc::new(last.clone())));
    let names = anchors.iter().map(|(name, _)| name).chain(snapshots.iter().map(|(name, _)| name));
    let mut tournament = Tournament::new(names);
    let mut play = |tournament: &mut Tournament, player: usize, other: usize, games: u32, round: u64| {
        let (name, kind) = match other.checked_sub(anchors.len()) {
            None => anchors[other].clone(),
            Some(past) => (snapshots[past].0.clone(), RivalKind::Policy(snapshots[past].1.clone())),
        };
        let against = game.against(&name, &kind)?;
        let policy = &snapshots[player - anchors.len()].1;
        let seed = seed ^ SEED ^ round << 32 ^ (player * 1_000 + other) as u64;
        let Evaluation { results: Some(GameResults { games, wins, draws, .. }), .. } =
            evaluate_with(&*against, policy, parameters, games, seed, &mut stop)?
        else {
            return None;
        };
        tournament.add(player, other, wins as f64 + 0.5 * draws as f64, games as f64);
        Some(())
    };
    let first = anchors.len();
    let candidates =
        (first + snapshots.len()).saturating_sub(CANDIDATES + 1).max(first)..first + snapshots.len();
    for player in first..first + snapshots.len() {
        for anchor in 0..first {
            play(&mut tournament, player, anchor, ANCHOR_GAMES, 0)?;
        }
        let past = player - first;
        for number in 0..PREDECESSORS.min(past) {
            let earlier = first + number * past / PREDECESSORS.min(past);
            play(&mut tournament, player, earlier, PAST_GAMES, 0)?;
        }
    }
    let best_first = |tournament: &Tournament| {
        let ratings = tournament.ratings();
        let mut order: Vec<usize> = candidates.clone().collect();
        order.sort_by(|a, b| ratings[*b].rating.total_cmp(&ratings[*a].rating));
        (order, ratings)
    };
    let (finalists, _) = best_first(&tournament);
    for player in finalists.into_iter().take(FINALISTS) {
        for anchor in 0..first {
            play(&mut tournament, player, anchor, FINAL_GAMES, 1)?;
        }
    }
    let (order, ratings) = best_first(&tournament);
    let best = *order.first()?;
    Some(Selection {
        policy: snapshots[best - first].1.clone(),
        rating: ratings[best].clone(),
        tournament,
        anchors: first,
    })
}

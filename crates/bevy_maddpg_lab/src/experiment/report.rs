//! What a run tells at its end: to people on standard error, to programs as JSON.

use std::{collections::BTreeMap, fs};

use super::{
    Evaluation, ExperimentError, GameResults, Run, RunFolder, Summary, eprintln_line, println_line,
    selection::Selection,
};
use bevy_maddpg::policy::PolicySnapshot;

impl Run {
    /// The summary of a run that plays with `policy` instead of training.
    pub(super) fn policy_summary(&self, policy: &PolicySnapshot) -> Summary {
        Summary {
            updates: policy.updates(),
            policy: self.options.policy.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            policy_version: policy.version(),
            ..Summary::default()
        }
    }

    /// Reports the result: to people on standard error, to programs as JSON on standard output and in `summary.json`.
    pub(super) fn report(
        &self,
        summary: &mut Summary,
        folder: Option<&RunFolder>,
    ) -> Result<(), ExperimentError> {
        summary.game = self.game.name().into();
        summary.seed = self.options.seed;
        summary.preset = self.options.preset.to_string();
        if let Some(seconds) = summary.solved_at_seconds {
            let (episodes, decisions) =
                (summary.solved_at_episodes.unwrap_or(0), summary.solved_at_decisions.unwrap_or(0));
            eprintln_line(&format!(
                "solved after {seconds:.1} s, {episodes} episodes, {decisions} joint decisions"
            ));
        } else if let Some(bar) = self.game.solved().filter(|_| folder.is_some()) {
            let best = summary.best_score_100.map_or("none yet".into(), |best| format!("{best:.3}"));
            eprintln_line(&if self.parameters.lessons.is_empty() {
                format!("not solved: best mean score of 100 episodes {best}, needed {bar}")
            } else {
                format!("not solved: needed a mean score of {bar} over 100 episodes of the last lesson")
            });
        }
        tell_measures("the last 100 training episodes", &summary.measures);
        if let Some(evaluation) = &summary.evaluation {
            tell_evaluation(evaluation, self.game.yardstick());
        }
        if let Some(folder) = folder {
            summary.write(folder.summary())?;
            eprintln_line(&format!("output written to {}: {}", folder.path().display(), files(folder)));
        }
        println_line(&summary.to_json_line());
        Ok(())
    }
}

/// Prints how the policy plays, compared with the game's yardstick if there is one.
fn tell_evaluation(evaluation: &Evaluation, yardstick: Option<[f32; 2]>) {
    if let Some(results) = &evaluation.results {
        let GameResults { games, wins, draws, losses, goals_for, goals_against, .. } = results;
        eprintln_line(&format!(
            "{games} games without exploration: {wins} won ({:.1}%), {draws} drawn, {losses} lost, goals \
             {goals_for}:{goals_against}, {:.1} s a game",
            100.0 * results.win_rate,
            results.seconds_a_game
        ));
        return;
    }
    let Evaluation { episodes, mean, min, max, normalized, measures, .. } = evaluation;
    eprintln_line(&format!(
        "{episodes} episodes without exploration: mean {mean:.3}, minimum {min:.3}, maximum {max:.3}"
    ));
    if let (Some(normalized), Some([random, good])) = (normalized, yardstick) {
        eprintln_line(&format!(
            "normalized mean: {normalized:.3} (0 is the score of random actions, {random:.1}; 1 is that of a good player, \
             {good:.1})"
        ));
    }
    tell_measures("the episodes without exploration", measures);
}

/// Prints all ratings, best first.
pub(super) fn tell_ratings(selection: &Selection) {
    let mut ratings = selection.tournament.ratings();
    ratings.sort_by(|a, b| b.rating.total_cmp(&a.rating));
    for rating in &ratings {
        eprintln_line(&format!("  {rating}"));
    }
    eprintln_line(&format!("the result is the policy `{}`", selection.rating.name));
}

/// Prints the means of the game's measures, if it has any.
fn tell_measures(of: &str, measures: &BTreeMap<String, f32>) {
    let words: Vec<_> =
        measures.iter().map(|(name, value)| format!("{} {value:.3}", name.replace('_', " "))).collect();
    if !words.is_empty() {
        eprintln_line(&format!("means over {of}: {}", words.join(", ")));
    }
}

/// The names of the run's files that are there, those first that people look for.
fn files(folder: &RunFolder) -> String {
    let paths = [
        folder.policy(),
        folder.last_policy(),
        folder.curve(),
        folder.metrics(),
        folder.evaluations(),
        folder.ratings(),
        folder.ratings_picture(),
        folder.config(),
        folder.checkpoint(),
        folder.summary(),
    ];
    let mut names: Vec<String> = paths
        .iter()
        .filter(|path| path.exists())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let mut others = fs::read_dir(folder.path()).into_iter().flatten().flatten();
    if others.any(|file| file.file_name().to_string_lossy().starts_with("events.out.tfevents.")) {
        names.push("TensorBoard events".into());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_there_are_named() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "walk").unwrap();
        assert_eq!(files(&folder), "");
        fs::write(folder.last_policy(), "x").unwrap();
        fs::write(folder.metrics(), "x").unwrap();
        fs::write(folder.path().join("events.out.tfevents.1.bevy_maddpg.2.0"), "x").unwrap();
        assert_eq!(files(&folder), "policy-last.safetensors, metrics.csv, TensorBoard events");
    }
}

//! Soccer, two against two, learned by self-play, in a window or headless.
//!
//! ```sh
//! cargo run --example soccer                                # watch them learn; press T to play
//! cargo run --example soccer -- --headless --max-minutes 20
//! cargo run --example soccer -- --policy runs/soccer-001/policy.safetensors --headless --evaluate 1000 --against chaser
//! cargo run --example soccer -- --help
//! ```

use std::{path::Path, process::ExitCode, sync::Arc};

use bevy_maddpg::{
    policy::PolicySnapshot,
    self_play::{RivalKind, SelfPlayPlugin},
};
use bevy_maddpg_lab::{
    catalog::Soccer,
    experiment::{Experiment, Options},
    game::Game,
    games::soccer::{Opponent, Scatter, Script, Shaping, Sight},
};
use clap::Parser;

/// Trains two teams of two against themselves, or plays with trained ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Who plays against the policy in the evaluation, and with --policy in the window: random, simple, chaser or a policy file. The sides
    /// alternate [default: the policy plays against itself].
    #[arg(long, value_name = "WHO", value_parser = opponent)]
    against: Option<Opponent>,
    /// How players see the game: vector (numbers for everything on the field) or rays.
    #[arg(long, value_name = "SIGHT", default_value = "vector", value_parser = sight)]
    sight: Sight,
    /// Scripts that also play in some games of the training, separated by commas: random, simple, chaser [default: none; the
    /// policy then plays only against itself and its past policies].
    #[arg(long, value_name = "SCRIPTS", value_delimiter = ',', value_parser = script)]
    anchors: Vec<Script>,
    /// The share of the games of the training in which a past policy or a script plays one of the teams, once there are
    /// any.
    #[arg(long, value_name = "SHARE", default_value_t = SelfPlayPlugin::default().share, value_parser = share)]
    rivals: f32,
    /// Factor on the shaping rewards for coming closer to the ball and for moving it toward the opponents' goal; with
    /// 0, only goals are rewarded.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    shaping: f32,
    /// Joint decisions over which these rewards fall to 0.
    #[arg(long, value_name = "DECISIONS", default_value_t = Shaping::default().decisions)]
    shaping_decisions: u64,
    /// The share of the games of the training that start with players and ball anywhere.
    #[arg(long, value_name = "SHARE", default_value_t = Scatter::default().share, value_parser = share)]
    scatter: f32,
    #[command(flatten)]
    run: Options,
}

/// Reads a number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".into())
}

/// Reads a number that is not negative.
fn factor(text: &str) -> Result<f32, String> {
    let factor = text.parse().ok().filter(|factor: &f32| *factor >= 0.0 && factor.is_finite());
    factor.ok_or_else(|| "expected a number of 0 or more".into())
}

/// Reads how players see.
fn sight(text: &str) -> Result<Sight, String> {
    let found = Sight::ALL.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, sight)| sight).ok_or_else(|| "expected `vector` or `rays`".into())
}

/// Reads a script's name.
fn script(text: &str) -> Result<Script, String> {
    Script::named(text).ok_or_else(|| format!("expected {}", script_names()))
}

/// The names of the scripts, for people.
fn script_names() -> String {
    Script::ALL.map(|(name, _)| format!("`{name}`")).join(", ")
}

/// Reads a script's name or a policy file.
fn opponent(text: &str) -> Result<Opponent, String> {
    if let Some(script) = Script::named(text) {
        return Ok(Opponent::Script(script));
    }
    if !Path::new(text).exists() {
        return Err(format!("it is neither a script ({}) nor a policy file", script_names()));
    }
    PolicySnapshot::load(text)
        .map(|policy| Opponent::Policy(Arc::new(policy)))
        .map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let Arguments { against, sight, anchors, rivals, shaping, shaping_decisions, scatter, run } =
        Arguments::parse();
    let anchors = anchors.into_iter().map(|script| (script.name().to_owned(), RivalKind::Script)).collect();
    let self_play = SelfPlayPlugin { share: rivals, anchors, ..SelfPlayPlugin::default() };
    let game = match run.policy {
        Some(_) => Soccer::played(sight, against),
        None => Soccer {
            against,
            sight,
            shaping: Shaping { decisions: shaping_decisions, ..Shaping::default().scaled(shaping) },
            scatter: Scatter { share: scatter, ..Scatter::default() },
            self_play: Some(self_play),
            ..Soccer::default()
        },
    };
    if let Some(Opponent::Policy(policy)) = &game.against
        && let Some(difference) =
            policy.spec().slots.first().and_then(|player| game.spec().slots[0].difference(player))
    {
        eprintln!(
            "error: the policy of --against was trained for another game: a soccer player has {difference}"
        );
        return ExitCode::FAILURE;
    }
    Experiment::new(game).run_by(run)
}

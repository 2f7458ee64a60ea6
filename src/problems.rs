//! Reports of problems with the game's arenas and agents.

use std::collections::{HashMap, HashSet};

use bevy::prelude::*;

/// The problems with the game's arenas and agents that were found so far, for example an observation of the wrong length. The game
/// and the training go on.
///
/// Each kind of problem is reported once per behavior and cause. The report is a warning in the log or, in an app without a logger,
/// a line on standard error. In tests, set [`RolloutPlugin::strict`](crate::rollout::RolloutPlugin::strict) to panic instead.
///
/// ```
/// use bevy::prelude::*;
/// use bevy_maddpg::{headless, prelude::*, problems::Problems};
///
/// let mut app = headless::app(5);
/// app.add_plugins(MaddpgPlugins::train(TrainingConfig::default()));
/// app.world_mut().spawn(Agent::new("guard", 2, 1));
/// headless::start(&mut app);
/// app.update();
/// assert!(app.world().resource::<Problems>().told()[0].contains("`guard`"));
/// ```
#[derive(Resource, Debug, Default)]
pub struct Problems {
    strict: bool,
    /// For each kind of problem, the `of` of its reports.
    known: HashMap<&'static str, HashSet<String>>,
    told: Vec<String>,
}

impl Problems {
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// The problems reported so far, oldest first.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Reports a problem, unless one of the same `kind` was reported `of` the same thing before. `of` is a behavior, a behavior and a
    /// cause, or empty if the problem concerns the whole app.
    ///
    /// # Panics
    /// If the app is strict; see [`RolloutPlugin::strict`](crate::rollout::RolloutPlugin::strict).
    pub(crate) fn tell(&mut self, kind: &'static str, of: &str, text: impl FnOnce() -> String) {
        let known = self.known.entry(kind).or_default();
        // The same problem may be found at every decision, so only a new one builds its text.
        if known.contains(of) {
            return;
        }
        known.insert(of.to_owned());
        let text = text();
        assert!(!self.strict, "{text}");
        warn(&text);
        self.told.push(text);
    }
}

/// Writes a warning to the log or, without a logger, to standard error.
pub(crate) fn warn(text: &str) {
    if log::max_level() == log::LevelFilter::Off {
        eprintln!("bevy_maddpg: {text}");
    } else {
        log::warn!("{text}");
    }
}

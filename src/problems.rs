//! Problems with the game's arenas and agents, each reported once and by name.

use std::collections::{HashMap, HashSet};

use bevy::prelude::*;

/// Problems with the game's arenas and agents. None of them stops the game or the training.
///
/// Each kind of problem is reported once per behavior and cause: as a warning in the log or, in an app without a logger, on
/// standard error.
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
    /// What each kind of problem was reported for.
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

    /// Reports a problem, unless one of the same kind was reported `of` the same before: a behavior, a behavior and a cause, or nothing in
    /// particular (an empty text).
    ///
    /// # Panics
    /// If the app is strict; see [`RolloutPlugin::strict`](crate::rollout::RolloutPlugin::strict).
    pub(crate) fn tell(&mut self, kind: &'static str, of: &str, text: impl FnOnce() -> String) {
        let known = self.known.entry(kind).or_default();
        // A problem may be found at every decision, so a known one must cost nothing.
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

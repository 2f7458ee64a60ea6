use std::{error::Error, path::PathBuf};

use bevy::prelude::*;

use super::{Autosave, KindLearner, Training, TrainingPlugin, few_arenas, kind_path, note::Note};
use crate::{
    exploration::{ExplorationConfig, Noise},
    learner::{CheckpointError, CheckpointInfo, Learner, LearnerConfig, LearnerError, LearnerThread},
    policy::{ArenaSpec, PolicySnapshot},
    problems::warn,
    rollout::{ActingPolicy, Arenas, Experience, Exploration, Kind, RolloutClock, default_name_of},
    transition::TransitionBlock,
};

/// Starts a learner for each new kind of arenas.
pub(super) fn start(
    mut training: ResMut<Training>,
    mut acting: ResMut<ActingPolicy>,
    mut experience: ResMut<Experience>,
    exploration: Res<Exploration>,
    mut clock: ResMut<RolloutClock>,
    mut arenas: ResMut<Arenas>,
    fixed: Option<Res<Time<Fixed>>>,
) {
    let decision_seconds = clock.decision_seconds(fixed.as_deref());
    // The kinds with a learner come first, in the order in which the learners started.
    for index in training.learners.len()..arenas.kinds().len() {
        if arenas.kinds[index].arenas() == 0 {
            return;
        }
        if index == 0 {
            training.plugin.warn_of_likely_mistakes(arenas.kinds(), &exploration.config);
        }
        let started = training.start(index, arenas.kinds(), &exploration.config, decision_seconds);
        let kind = &mut arenas.kinds[index];
        let mut learner = KindLearner {
            kind: kind.name().into(),
            has_own_file: false,
            earlier_updates: 0,
            thread: None,
            spare: TransitionBlock::default(),
            last_note: String::new(),
            failure: None,
        };
        match started {
            Ok(Started { thread, transitions, config, random_decisions, note, has_own_file }) => {
                kind.random_decisions = random_decisions;
                learner.has_own_file = has_own_file;
                learner.earlier_updates = thread.updates();
                kind.decisions = transitions.max(note.as_ref().map_or(0, |note| note.decisions));
                clock.decisions += kind.decisions;
                clock.earlier += kind.decisions;
                learner.last_note = note.as_ref().map(Note::to_string).unwrap_or_default();
                acting.learn(kind.name(), thread.latest_policy().clone());
                experience.team_fate.extend(config.team_fate);
                experience.record(index, config.gamma, config.n_step as usize);
                learner.thread = Some(thread);
            }
            Err(error) => {
                let instead = training.plugin.play_without_learner(kind.name(), &mut acting);
                learner.failure = Some(format!("the learner cannot start: {error}. {instead}"));
            }
        }
        kind.is_fixed = true;
        training.learners.push(learner);
    }
}

/// Why a learner cannot start. Unlike `BevyError`, it has no backtrace.
type StartError = Box<dyn Error>;

/// A learner at its start.
struct Started {
    thread: LearnerThread,
    /// Joint transitions that it received in earlier runs.
    transitions: u64,
    config: LearnerConfig,
    /// The number of random joint decisions at the start, if it is not the usual one.
    random_decisions: Option<u64>,
    /// The note of [`Autosave`](super::Autosave) in its checkpoint.
    note: Option<Note>,
    /// Whether it continues from the file of `resume` for its kind alone.
    has_own_file: bool,
}

/// A checkpoint to continue from.
struct Earlier {
    path: PathBuf,
    /// Whether the learner takes the settings in it instead of the plugin's.
    keeps_settings: bool,
    /// Whether [`Autosave`](super::Autosave) wrote it.
    is_autosaved: bool,
    /// Whether it is the file of `resume` for its kind alone.
    has_own_file: bool,
}

impl Training {
    /// Starts the learner of one of the `kinds` of arenas.
    fn start(
        &mut self,
        index: usize,
        kinds: &[Kind],
        exploration: &ExplorationConfig,
        decision_seconds: Option<f64>,
    ) -> Result<Started, StartError> {
        let kind = &kinds[index];
        if let Some(autosave) = self.plugin.autosave.as_ref().filter(|_| self.lock.is_none()) {
            self.lock = Some(autosave.lock()?);
        }
        let earlier = self.plugin.earlier(kind.name());
        let keeps_settings = earlier.as_ref().is_some_and(|earlier| earlier.keeps_settings);
        let is_autosaved = earlier.as_ref().is_some_and(|earlier| earlier.is_autosaved);
        let has_own_file = earlier.as_ref().is_some_and(|earlier| earlier.has_own_file);
        let (config, random_decisions) = if keeps_settings {
            (self.plugin.config.clone(), None)
        } else {
            let mut config = self.plugin.settings(kind, kinds)?;
            let random_decisions = self.plugin.adapt(&mut config, kind, exploration);
            config.check()?;
            (config, random_decisions)
        };
        exploration.check()?;
        if earlier.is_none()
            && let Some(autosave) = &self.plugin.autosave
        {
            warn_of_other_kinds(autosave, kind, kinds);
        }
        let from =
            earlier.as_ref().map_or("nothing".into(), |earlier| format!("`{}`", earlier.path.display()));
        let mut learner = self.plugin.open(kind, config, earlier)?;
        learner.set_decision_seconds(decision_seconds);
        log::info!("a learner for arenas of the kind `{}` starts from {from}", kind.name());
        let (transitions, config) = (learner.transitions(), learner.config().clone());
        let note = is_autosaved.then(|| Note::parse(learner.note()));
        let thread = LearnerThread::spawn_on(learner, self.plugin.pace, &self.cores, &self.stop)?;
        Ok(Started { thread, transitions, config, random_decisions, note, has_own_file })
    }
}

/// Warns if the folder has no checkpoint of this kind, but has checkpoints that no kind uses. The behaviors of the kind have probably
/// changed since they were saved.
fn warn_of_other_kinds(autosave: &Autosave, kind: &Kind, kinds: &[Kind]) {
    let used: Vec<PathBuf> = kinds.iter().map(|kind| autosave.checkpoint(kind.name())).collect();
    let others = autosave.checkpoints().filter(|name| used.iter().all(|path| !path.ends_with(name)));
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        warn(&format!(
            "the learner for arenas of the kind `{}` starts from nothing, although its folder has {}; to go on with a training whose \
             behaviors have changed is not possible; if some of its behaviors only come later, give the kind a name with \
             `Arena::of_kind`, or reserve slots with `Arena::with_slots_for`",
            kind.name(),
            others.join(", ")
        ));
    }
}

impl TrainingPlugin {
    /// Warns of likely mistakes in the game's setup when the first learner starts.
    fn warn_of_likely_mistakes(&self, kinds: &[Kind], exploration: &ExplorationConfig) {
        if !maddpg::IS_OPTIMIZED {
            warn(
                "the learner is compiled without optimization and needs hundreds of times as long to learn; add to Cargo.toml: \
                 [profile.dev.package.\"*\"] opt-level = 3",
            );
        }
        if exploration.noise == Noise::None && exploration.random_decisions == 0 {
            warn(
                "agents learn without exploration, which seldom works: set `RolloutPlugin::exploration`, or add `MaddpgPlugins::train`, \
                 which sets it",
            );
        }
        for name in self.kinds.keys().filter(|name| kinds.iter().all(|kind| kind.name() != name.as_str())) {
            let known: Vec<&str> = kinds.iter().map(Kind::name).collect();
            warn(&format!(
                "`TrainingPlugin::kinds` has settings for arenas of the kind `{name}`, but so far there are only: {}",
                known.join(", ")
            ));
        }
    }

    /// The agents in the checkpoint from which the learner of a kind of arenas continues, if the checkpoint is of this kind. `None` also
    /// if it cannot be read; the learner then reports why.
    pub(super) fn earlier_agents(&self, kind: &str) -> Option<ArenaSpec> {
        let earlier = self.earlier(kind)?;
        let agents = CheckpointInfo::read(&earlier.path).ok()?.agents;
        (earlier.is_autosaved || earlier.has_own_file || default_name_of(&agents) == kind).then_some(agents)
    }

    /// The note of [`Autosave`](super::Autosave) in the checkpoint from which the learner of a kind of arenas continues.
    pub(super) fn autosaved_note(&self, kind: &str) -> Option<Note> {
        let earlier = self.earlier(kind).filter(|earlier| earlier.is_autosaved)?;
        Some(Note::parse(&CheckpointInfo::read(earlier.path).ok()?.note))
    }

    /// The checkpoint from which the learner of a kind of arenas continues.
    fn earlier(&self, kind: &str) -> Option<Earlier> {
        let saved = self.autosave.as_ref().map(|autosave| autosave.checkpoint(kind));
        if let Some(path) = saved.filter(|path| path.exists()) {
            return Some(Earlier { path, keeps_settings: false, is_autosaved: true, has_own_file: false });
        }
        let path = self.resume.as_ref()?;
        let own = kind_path(path, kind);
        let has_own_file = own.exists();
        let path = if has_own_file { own } else { path.clone() };
        Some(Earlier { path, keeps_settings: !self.override_settings, is_autosaved: false, has_own_file })
    }

    /// The settings for one of the kinds of arenas.
    fn settings(&self, kind: &Kind, kinds: &[Kind]) -> Result<LearnerConfig, StartError> {
        if let Some(own) = self.kinds.get(kind.name()) {
            return Ok(own.clone());
        }
        let mut common = self.config.clone();
        let has = |kind: &Kind, behavior: &String| kind.spec().check_behavior(behavior).is_ok();
        let LearnerConfig { independent, own_observation, team_fate, mirror, .. } = &mut common;
        let named = independent.iter().chain(&*own_observation).chain(&*team_fate).chain(mirror.keys());
        for behavior in named {
            if !kinds.iter().any(|kind| has(kind, behavior)) {
                return Err(format!(
                    "the settings name the behavior `{behavior}`, which no agent has so far; correct the name or, if such agents appear \
                     later, give their kind of arenas settings of its own with `TrainingPlugin::kinds`"
                )
                .into());
            }
        }
        // Removes the behaviors of other kinds. Their own learners get them.
        for named in [independent, own_observation, team_fate] {
            named.retain(|behavior| has(kind, behavior));
        }
        mirror.retain(|behavior, _| has(kind, behavior));
        Ok(common)
    }

    /// If the learner of a kind cannot start, makes its agents use the policy that was saved last, if there is one. Returns a text that
    /// says what they do.
    fn play_without_learner(&self, kind: &str, acting: &mut ActingPolicy) -> &'static str {
        let saved = self.autosave.as_ref().map(|autosave| autosave.policy(kind));
        match saved.and_then(|path| PolicySnapshot::load(path).ok()) {
            Some(policy) => {
                acting.add_for(kind, policy);
                "Its agents use the policy that was saved last, and do not learn"
            }
            None if acting.snapshot().is_some() => {
                "Its agents do not learn; they use the other policies, as far as these fit"
            }
            None => "Its agents do nothing",
        }
    }

    /// Adapts default settings to the number of arenas. If this changes the number of random joint decisions at the start, returns it.
    fn adapt(&self, config: &mut LearnerConfig, kind: &Kind, exploration: &ExplorationConfig) -> Option<u64> {
        let arenas = kind.arenas();
        if self.keep_defaults || !few_arenas::adapt(config, arenas) {
            return None;
        }
        let is_default = exploration.random_decisions == ExplorationConfig::default().random_decisions;
        let random_decisions = is_default.then_some(few_arenas::RANDOM_DECISIONS);
        log::info!(
            "{arenas} arenas of the kind `{}` are few, so the default settings were replaced: learning_starts {}, \
             updates_per_decision {}, random_decisions {}",
            kind.name(),
            config.learning_starts,
            config.updates_per_decision,
            random_decisions.unwrap_or(exploration.random_decisions)
        );
        random_decisions
    }

    /// Makes the learner of a kind of arenas, or loads an earlier one.
    fn open(
        &self,
        kind: &Kind,
        config: LearnerConfig,
        earlier: Option<Earlier>,
    ) -> Result<Learner, StartError> {
        let device = self.device.open(&config, kind.spec())?;
        let Some(Earlier { path, keeps_settings, is_autosaved, .. }) = earlier else {
            return Ok(Learner::new(config, kind.spec().clone(), device, self.seed)?);
        };
        let settings = (!keeps_settings).then_some(&config);
        let loaded = Learner::load_with(&path, kind.spec(), device, settings).inspect(|learner| {
            if is_autosaved && learner.seed() != self.seed {
                warn(&format!(
                    "`{}` is of a training with the seed {}, which goes on, although this one has the seed {}; to begin one with this seed, \
                     give it another folder",
                    path.display(),
                    learner.seed(),
                    self.seed
                ));
            }
        });
        loaded.map_err(|error| {
            let is_of_file = match &error {
                CheckpointError::File(_) | CheckpointError::Mismatch { .. } => true,
                CheckpointError::Learner(error) => matches!(error, LearnerError::Config(_)),
                _ => false,
            };
            if is_autosaved && is_of_file {
                format!("{error}; to start from nothing, move `{}` away", path.display()).into()
            } else {
                error.into()
            }
        })
    }
}

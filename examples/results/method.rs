use bevy_maddpg::learner::Preset;

use super::runs::EPISODES;

/// How a task is trained and evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) preset: Preset,
    /// Joint decisions of a training.
    pub(crate) decisions: u64,
    /// Behaviors that use independent critics (DDPG) while the rest use MADDPG.
    pub(crate) independent: &'static [&'static str],
    /// Noise-free episodes that the policy is evaluated on.
    pub(crate) episodes: u32,
    /// Whether a training ends when the task is solved.
    pub(crate) until_solved: bool,
}

impl Method {
    /// The crate's default settings.
    pub(crate) const DEFAULT: Self = Self::new(Preset::Matd3, 125_000);
    /// The MADDPG paper's settings, for its 25,000 episodes.
    pub(crate) const MADDPG_2017: Self = Self::new(Preset::Maddpg2017, 625_000);
    /// The paper's baseline.
    pub(crate) const DDPG_2017: Self = Self::new(Preset::Ddpg2017, 625_000);

    pub(crate) const fn new(preset: Preset, decisions: u64) -> Self {
        Self { preset, decisions, independent: &[], episodes: EPISODES, until_solved: false }
    }

    /// The method's name in tables.
    pub(crate) fn label(&self) -> String {
        let name = match self.preset {
            Preset::Matd3 => "default".into(),
            preset => preset.to_string(),
        };
        match self.independent {
            [] => name,
            behaviors => format!("{name}, {} by ddpg_2017", behaviors.join(" and ")),
        }
    }

    /// The command-line options of a training.
    pub(crate) fn arguments(&self, seed: u64) -> Vec<String> {
        let Self { preset, decisions, episodes, until_solved, .. } = self;
        let mut arguments = vec!["--headless".to_owned(), "--lockstep".to_owned()];
        if *until_solved {
            arguments.push("--until-solved".into());
        }
        for (option, value) in [
            ("--preset", preset.to_string()),
            ("--seed", seed.to_string()),
            ("--max-decisions", decisions.to_string()),
            ("--evaluate", episodes.to_string()),
        ] {
            arguments.extend([option.to_owned(), value]);
        }
        arguments
    }

    /// Changes to the preset's hyper-parameters, as TOML.
    pub(crate) fn changes(&self) -> Option<String> {
        let behaviors = self.independent;
        (!behaviors.is_empty()).then(|| format!("[learner]\nindependent = {behaviors:?}\n"))
    }

    /// The method's name in paths.
    pub(crate) fn slug(&self) -> String {
        let label = self.label().replace(", ", "-").replace(' ', "_");
        let end = if self.until_solved { "-until_solved" } else { "" };
        format!("{label}-{}{end}", self.decisions)
    }
}

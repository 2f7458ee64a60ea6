use bevy_maddpg::learner::Preset;

use super::runs::EPISODES;

/// How it is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) preset: Preset,
    /// Joint decisions of a training.
    pub(crate) decisions: u64,
    /// The behaviors that learn by independent critics among agents that do not.
    pub(crate) independent: &'static [&'static str],
    /// Episodes without noise that its policy is judged by.
    pub(crate) episodes: u32,
    /// Whether a training ends when the task is solved.
    pub(crate) until_solved: bool,
}

impl Method {
    /// What the crate does if nothing else is asked for.
    pub(crate) const DEFAULT: Self = Self::new(Preset::Matd3, 125_000);
    /// The MADDPG paper's 25,000 episodes.
    pub(crate) const MADDPG_2017: Self = Self::new(Preset::Maddpg2017, 625_000);
    /// What the paper compares with.
    pub(crate) const DDPG_2017: Self = Self::new(Preset::Ddpg2017, 625_000);

    pub(crate) const fn new(preset: Preset, decisions: u64) -> Self {
        Self { preset, decisions, independent: &[], episodes: EPISODES, until_solved: false }
    }

    /// Its name in tables.
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

    /// The options of a training.
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

    /// The hyper-parameters that differ from the preset's.
    pub(crate) fn changes(&self) -> Option<String> {
        let behaviors = self.independent;
        (!behaviors.is_empty()).then(|| format!("[learner]\nindependent = {behaviors:?}\n"))
    }

    /// Its name in paths.
    pub(crate) fn slug(&self) -> String {
        let end = if self.until_solved { "-until_solved" } else { "" };
        self.label().replace(", ", "-").replace(' ', "_") + end
    }
}

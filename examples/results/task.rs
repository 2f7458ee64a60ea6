use std::{fmt, str::FromStr};

use bevy_maddpg_lab::{
    catalog::{Control, Particle, Pendulum, Tennis},
    game::Game,
    games::{control, particle::Scenario},
};

/// A task to train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Control(control::Task),
    Particle(Scenario),
    Pendulum,
    Tennis,
}

impl Task {
    pub(crate) fn game(self) -> Box<dyn Game> {
        match self {
            Self::Control(task) => {
                Box::new(Control { task, sight: control::Sight::Numbers, is_planned: false })
            }
            Self::Particle(scenario) => Box::new(Particle::new(scenario)),
            Self::Pendulum => Box::new(Pendulum),
            Self::Tennis => Box::new(Tennis),
        }
    }

    /// The command that runs the task's own example.
    pub(crate) fn command(self) -> String {
        match self {
            Self::Control(task) => format!("cargo run --example control -- --task {task}"),
            Self::Particle(scenario) => format!("cargo run --example particle -- --scenario {scenario}"),
            Self::Pendulum | Self::Tennis => format!("cargo run --example {self} --"),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // There is a control task `pendulum` as well.
            Self::Control(task) => formatter.pad(&format!("control/{task}")),
            other => formatter.pad(other.game().name()),
        }
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(task) = name.strip_prefix("control/") {
            return task.parse().map(Self::Control).map_err(|error: control::UnknownTask| error.to_string());
        }
        match name {
            "pendulum" => Ok(Self::Pendulum),
            "tennis" => Ok(Self::Tennis),
            scenario => scenario.parse().map(Self::Particle).map_err(|error| format!("{error}")),
        }
    }
}

use std::{fmt, str::FromStr};

use bevy_maddpg_lab::{
    catalog::{Particle, Pendulum, Tennis},
    game::Game,
    games::particle::Scenario,
};

/// A task to train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Particle(Scenario),
    Pendulum,
    Tennis,
}

impl Task {
    pub(crate) fn game(self) -> Box<dyn Game> {
        match self {
            Self::Particle(scenario) => Box::new(Particle::new(scenario)),
            Self::Pendulum => Box::new(Pendulum),
            Self::Tennis => Box::new(Tennis),
        }
    }

    /// The command that runs the task's own example.
    pub(crate) fn command(self) -> String {
        match self {
            Self::Particle(scenario) => format!("cargo run --example particle -- --scenario {scenario}"),
            other => format!("cargo run --example {other} --"),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.game().name())
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "pendulum" => Ok(Self::Pendulum),
            "tennis" => Ok(Self::Tennis),
            scenario => scenario.parse().map(Self::Particle).map_err(|error| format!("{error}")),
        }
    }
}

use std::{fmt, str::FromStr};

use bevy_maddpg::{
    experiment::Experiment,
    games::{
        particle::{self, ParticlePlugin, Scenario},
        pendulum::{self, PendulumPlugin},
        tennis::{self, TennisPlugin},
    },
};

/// What is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Particle(Scenario),
    Pendulum,
    Tennis,
}

impl Task {
    /// The game, as its own example has it.
    pub(crate) fn experiment(self) -> Experiment {
        match self {
            Self::Particle(scenario) => {
                Experiment::new(scenario.name(), scenario.spec(), move |app, setup| {
                    let (arenas, seed) = (setup.arenas, setup.seed);
                    app.add_plugins(ParticlePlugin { scenario, arenas, seed, ..Default::default() });
                })
                .with_score(scenario.score())
                .with_decision_period(particle::DECISION_PERIOD)
                .with_settings(move |config| scenario.adapt(config))
            }
            Self::Pendulum => Experiment::new("pendulum", pendulum::spec(), |app, setup| {
                let (arenas, seed) = (setup.arenas, setup.seed);
                app.add_plugins(PendulumPlugin { arenas, seed, ..Default::default() });
            })
            .with_score(pendulum::score)
            .with_settings(pendulum::adapt)
            .with_solved(pendulum::SOLVED)
            .with_arenas(8)
            .with_decision_period(pendulum::DECISION_PERIOD),
            Self::Tennis => Experiment::new("tennis", tennis::spec(), |app, setup| {
                let (arenas, seed) = (setup.arenas, setup.seed);
                app.add_plugins(TennisPlugin { arenas, seed, ..Default::default() });
            })
            .with_score(tennis::score)
            .with_settings(tennis::adapt)
            .with_solved(tennis::SOLVED)
            .with_decision_period(tennis::DECISION_PERIOD),
        }
    }

    /// The command of its own example.
    pub(crate) fn command(self) -> String {
        match self {
            Self::Particle(scenario) => format!("cargo run --example particle -- --scenario {scenario}"),
            other => format!("cargo run --example {other} --"),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Particle(scenario) => scenario.name(),
            Self::Pendulum => "pendulum",
            Self::Tennis => "tennis",
        })
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

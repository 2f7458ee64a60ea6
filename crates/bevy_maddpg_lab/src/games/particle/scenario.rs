use std::{fmt, str::FromStr};

use super::{
    adversary::Adversary,
    crypto::Crypto,
    push::Push,
    rules::{Measure, Role, Rules},
    speaker_listener::SpeakerListener,
    spread::Spread,
    tag::Tag,
    world::ParticleWorld,
};
use bevy_maddpg::{
    learner::TrainingConfig,
    policy::{ActionSpace, AgentSpec, ArenaSpec},
    random::Random,
};

/// The particle worlds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// Cooperative navigation: three agents cover three landmarks without colliding.
    #[default]
    Spread,
    /// Predator and prey: three slow predators hunt one fast prey among obstacles.
    Tag,
    /// Physical deception: two agents hide from the adversary which landmark is the goal.
    Adversary,
    /// Keep-away: the adversary pushes the agent away from its goal.
    Push,
    /// Cooperative communication: one agent knows the goal and speaks, the other moves.
    SpeakerListener,
    /// Covert communication: Alice and Bob share a key, Eve listens.
    Crypto,
}

/// The discrete moves of mpe2, in its order.
const MOVES: [&str; 5] = ["nothing", "left", "right", "down", "up"];

/// Agents that win and lose together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: &'static str,
    /// The slots of its agents, in ascending order.
    pub slots: Vec<usize>,
}

/// No scenario has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario is named `{found}`; the scenarios are {}", Scenario::ALL.map(Scenario::name).join(", "))]
pub struct UnknownScenario {
    /// The unknown name.
    pub found: String,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 6] =
        [Self::Spread, Self::Tag, Self::Adversary, Self::Push, Self::SpeakerListener, Self::Crypto];

    /// Its name: that of mpe2 without the version.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spread => "simple_spread",
            Self::Tag => "simple_tag",
            Self::Adversary => "simple_adversary",
            Self::Push => "simple_push",
            Self::SpeakerListener => "simple_speaker_listener",
            Self::Crypto => "simple_crypto",
        }
    }

    /// The agents, by slot.
    pub fn roles(self) -> &'static [Role] {
        self.rules().roles()
    }

    /// Behaviors and sizes of the agents, by slot.
    pub fn spec(self) -> ArenaSpec {
        let spec = |role: &Role| AgentSpec::new(role.behavior, role.observation_size, role.action_size);
        ArenaSpec::new(self.roles().iter().map(spec).collect())
    }

    /// The agents with the discrete actions of mpe2, by slot: agents that move choose one of five moves, agents that speak one
    /// word.
    pub fn discrete_spec(self) -> ArenaSpec {
        let world = self.world();
        let slots = self.roles().iter().zip(world.agents()).map(|(role, body)| {
            let action = match body.movable {
                true => ActionSpace::default().with_branch("move", MOVES),
                false => ActionSpace::default().with_choices("say", role.action_size),
            };
            AgentSpec::new(role.behavior, role.observation_size, 0).with_action(action)
        });
        ArenaSpec::new(slots.collect())
    }

    /// The teams, in the order of their first agents.
    pub fn teams(self) -> Vec<Team> {
        let mut teams: Vec<Team> = Vec::new();
        for (slot, role) in self.roles().iter().enumerate() {
            match teams.iter_mut().find(|team| team.name == role.team) {
                Some(team) => team.slots.push(slot),
                None => teams.push(Team { name: role.team, slots: vec![slot] }),
            }
        }
        teams
    }

    /// The score of an episode for a learning curve, from its returns by slot. If all agents form one team, their mean
    /// return; otherwise the return of the predators, or of the agents that play against the adversary or Eve.
    pub fn score(self, returns: &[f32]) -> f32 {
        match self {
            Self::Spread | Self::SpeakerListener => returns.iter().sum::<f32>() / returns.len() as f32,
            Self::Tag => returns[0],
            Self::Adversary | Self::Push | Self::Crypto => returns[1],
        }
    }

    /// Whether all agents want the same, so that a higher score means better play.
    pub fn is_cooperative(self) -> bool {
        matches!(self, Self::Spread | Self::SpeakerListener)
    }

    /// Settings for the scenario. An action usually takes effect within a second, so the horizon is short. There are
    /// more updates per decision than by default. `docs/experiments.md` has the trials.
    pub fn adapt(self, config: &mut TrainingConfig) {
        let learner = &mut config.learner;
        // Where opponents learn too, old transitions are worth less, so new ones are collected faster.
        learner.updates_per_decision = if self.teams().len() > 1 { 0.1 } else { 0.25 };
        if !matches!(self, Self::Tag | Self::Adversary) {
            learner.target_noise = 0.4;
            learner.target_noise_clip = 1.0;
        }
        match self {
            // A chase takes longer than a second, so `gamma` stays at its default.
            Self::Tag => {}
            Self::Adversary => {
                learner.gamma = 0.9;
                learner.action_penalty = 1e-2;
            }
            Self::Push => learner.gamma = 0.8,
            Self::Spread | Self::Crypto => {
                learner.gamma = 0.8;
                learner.action_penalty = 1e-2;
            }
            Self::SpeakerListener => {
                // The reward is for where the listener is now, so a short horizon is enough. With only the default
                // action penalty, the speaker's messages stay far enough apart to be told apart. A long average of the
                // actor steadies the point where the listener comes to rest.
                learner.gamma = 0.5;
                learner.policy_average = 0.002;
            }
        }
    }

    /// The measures by which episodes are judged, in addition to returns.
    pub fn measures(self) -> &'static [Measure] {
        self.rules().measures()
    }

    /// A world with the bodies of the scenario; [`reset`](Self::reset) places them.
    pub fn world(self) -> ParticleWorld {
        self.rules().world()
    }

    /// Sets the world up for a new episode.
    pub fn reset(self, world: &mut ParticleWorld, random: &mut Random) {
        self.rules().reset(world, random);
    }

    /// Writes the observation of the agent at `slot`, in units of length and units of length per second.
    pub fn observe(self, world: &ParticleWorld, slot: usize, observation: &mut Vec<f32>) {
        observation.clear();
        self.rules().observe(world, slot, observation);
    }

    /// Writes each agent's reward for the last step, by slot.
    pub fn reward(self, world: &ParticleWorld, rewards: &mut [f64]) {
        self.rules().reward(world, rewards);
    }

    /// Writes the measures of the last step, in the order of [`measures`](Self::measures).
    pub fn measure(self, world: &ParticleWorld, values: &mut [f64]) {
        self.rules().measure(world, values);
    }

    fn rules(self) -> &'static dyn Rules {
        match self {
            Self::Spread => &Spread,
            Self::Tag => &Tag,
            Self::Adversary => &Adversary,
            Self::Push => &Push,
            Self::SpeakerListener => &SpeakerListener,
            Self::Crypto => &Crypto,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, UnknownScenario> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| UnknownScenario { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_maddpg::random::stream;

    #[test]
    fn a_name_reads_back_and_a_wrong_one_is_told_the_right_ones() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        let error = "simple".parse::<Scenario>().unwrap_err().to_string();
        assert!(
            error.contains("`simple`") && error.contains("simple_speaker_listener, simple_crypto"),
            "{error}"
        );
    }

    #[test]
    fn worlds_fit_what_the_roles_say() {
        for scenario in Scenario::ALL {
            let mut world = scenario.world();
            scenario.reset(&mut world, &mut stream(1, "test", 0));
            assert!(scenario.spec().groups(true).is_ok());
            assert_eq!(world.agents().len(), scenario.roles().len());
            let mut observation = Vec::new();
            for (slot, role) in scenario.roles().iter().enumerate() {
                scenario.observe(&world, slot, &mut observation);
                assert_eq!(observation.len(), role.observation_size, "{scenario}, slot {slot}");
                world.act(slot, &vec![0.0; role.action_size]);
            }
        }
    }

    #[test]
    fn teams_have_their_slots_and_one_of_them_is_scored() {
        let teams = |scenario: Scenario| {
            scenario.teams().into_iter().map(|team| (team.name, team.slots)).collect::<Vec<_>>()
        };
        assert_eq!(teams(Scenario::Tag), [("predators", vec![0, 1, 2]), ("prey", vec![3])]);
        assert_eq!(teams(Scenario::Crypto), [("eve", vec![0]), ("alice_and_bob", vec![1, 2])]);
        assert_eq!(teams(Scenario::SpeakerListener), [("pair", vec![0, 1])]);
        assert_eq!(Scenario::Spread.score(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(Scenario::Adversary.score(&[-1.0, 0.5, 0.5]), 0.5);
    }
}

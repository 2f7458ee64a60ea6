//! Exploration: Gaussian or Ornstein-Uhlenbeck noise on numbers, random choices in branches, with a schedule and a separate
//! scale for each arena. At the start of training, actions are random.

use std::ops::Range;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::policy::{
    ActionSpace, AgentSpec,
    choices::{draw_possible, set_one_hot},
};

/// How agents explore while they are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplorationConfig {
    /// The random process that makes the noise on the numbers of the actions.
    pub noise: Noise,
    /// Smallest and largest scale of the noise, 0 or more, in units of the action (-1 to 1). At the start of each episode, each
    /// arena draws its own scale uniformly between them, so that the learner gets both transitions with little noise and
    /// transitions with much (FastTD3, arXiv 2505.22642).
    ///
    /// Choices are drawn with the probabilities of the policy. With a probability of half the scale, a branch instead
    /// draws one of its possible choices, all with the same probability.
    pub scale: [f32; 2],
    /// Number of decisions after which an arena draws a new scale within the same episode; 0 keeps the scale until the
    /// episode ends. Set it in games in which good play makes episodes long. Otherwise, arenas with little noise make
    /// most of the decisions there.
    pub redraw_decisions: u64,
    /// Factor on the scale at the end of the schedule, 0 or more; 1 keeps the scale constant.
    pub final_factor: f32,
    /// Number of joint decisions over which the factor changes linearly from 1 to `final_factor`.
    pub schedule_decisions: u64,
    /// Number of joint decisions at the start of training whose actions are uniformly random: numbers from -1 to 1, and
    /// any possible choice.
    pub random_decisions: u64,
    /// Number of decisions for which each of these random actions is kept; 1 or more.
    pub random_hold: u32,
}

/// A random process over the decisions of an episode. [`ExplorationConfig::scale`] multiplies its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Noise {
    /// No noise.
    None,
    /// Independent standard normal numbers.
    Gaussian,
    /// At each decision, `x += -theta x + sigma N(0, 1)`, with `x = 0` at the start of the episode (Uhlenbeck and
    /// Ornstein 1930; the DDPG paper uses theta 0.15, sigma 0.2).
    OrnsteinUhlenbeck {
        /// Pull toward 0 per decision, 0 to 2.
        theta: f32,
        /// Standard deviation of the random increment per decision, 0 or more.
        sigma: f32,
    },
}

impl Default for ExplorationConfig {
    fn default() -> Self {
        Self {
            noise: Noise::Gaussian,
            scale: [0.05, 0.6],
            redraw_decisions: 0,
            final_factor: 1.0,
            schedule_decisions: 0,
            random_decisions: 2_000,
            random_hold: 3,
        }
    }
}

impl ExplorationConfig {
    /// The factor of the schedule on the scale, after `decisions` joint decisions of the training.
    pub fn factor(&self, decisions: u64) -> f32 {
        if decisions >= self.schedule_decisions {
            return self.final_factor;
        }
        let progress = decisions as f32 / self.schedule_decisions as f32;
        1.0 + (self.final_factor - 1.0) * progress
    }
}

/// The exploration of one arena: its present scale and the state of its random process.
#[derive(Debug, Clone, Default)]
pub struct Explorer {
    /// The scale that was drawn, and the present scale, which is the drawn one times the factor of the schedule.
    drawn: f32,
    scale: f32,
    /// Decisions since the scale was drawn.
    since_draw: u64,
    rests: bool,
    state: Vec<f32>,
    held: Vec<f32>,
    hold_left: u32,
}

impl Explorer {
    /// Starts an episode: draws a scale and resets the random process. `decisions` is the number of joint decisions of
    /// the training so far.
    pub fn begin(&mut self, config: &ExplorationConfig, decisions: u64, random: &mut impl Rng) {
        self.draw_scale(config, decisions, random);
        self.rests = false;
        self.state.fill(0.0);
        self.hold_left = 0;
    }

    /// Counts a decision. Before that, draws a new scale if [`redraw_decisions`](ExplorationConfig::redraw_decisions)
    /// says so. Call it before each decision.
    pub fn count(&mut self, config: &ExplorationConfig, decisions: u64, random: &mut impl Rng) {
        let is_due = config.redraw_decisions > 0 && self.since_draw >= config.redraw_decisions;
        if is_due && !self.rests {
            self.draw_scale(config, decisions, random);
        }
        self.scale = self.drawn * config.factor(decisions);
        self.since_draw += 1;
    }

    fn draw_scale(&mut self, config: &ExplorationConfig, decisions: u64, random: &mut impl Rng) {
        let [least, largest] = config.scale;
        self.drawn = match config.noise {
            Noise::None => 0.0,
            _ => least + (largest - least) * random.random::<f32>(),
        };
        self.scale = self.drawn * config.factor(decisions);
        self.since_draw = 0;
    }

    /// Turns exploration off until the next [`begin`](Self::begin).
    pub fn rest(&mut self) {
        (self.drawn, self.scale) = (0.0, 0.0);
        self.rests = true;
    }

    /// Whether agents explore in this episode. If so, they draw their choices, even if the scale is 0.
    pub fn explores(&self, config: &ExplorationConfig) -> bool {
        !self.rests && config.noise != Noise::None
    }

    /// The present scale of the noise, in units of the action.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Replaces the joint action of these agents with a random one, which is kept for `random_hold` decisions. `masks` has
    /// one number per choice of all agents: 1 if the choice is possible and 0 if not. If it is empty, all choices are
    /// possible.
    pub fn act_randomly(
        &mut self,
        config: &ExplorationConfig,
        agents: &[AgentSpec],
        masks: &[f32],
        action: &mut [f32],
        random: &mut impl Rng,
    ) {
        let is_new = self.hold_left == 0 || self.held.len() != action.len();
        if is_new {
            self.held.resize(action.len(), 0.0);
            self.hold_left = config.random_hold.max(1);
        }
        for Part { space, columns, mask } in parts(agents, masks) {
            let held = &mut self.held[columns];
            if is_new {
                held[..space.numbers()]
                    .iter_mut()
                    .for_each(|number| *number = random.random_range(-1.0..=1.0f32));
            }
            for branch in 0..space.branches().len() {
                let columns = space.columns(branch);
                let mask = mask.get(space.mask_columns(branch)).unwrap_or(&[]);
                let held = &mut held[columns];
                let kept = held.iter().position(|number| *number == 1.0);
                if is_new || !kept.is_some_and(|choice| mask.get(choice) != Some(&0.0)) {
                    set_one_hot(held, draw_possible(held.len(), mask, random));
                }
            }
        }
        self.hold_left -= 1;
        action.copy_from_slice(&self.held);
        parts(agents, masks).for_each(|part| part.space.close_gates(&mut action[part.columns]));
    }

    /// Adds noise for one decision to the joint action of these agents: noise on numbers, which are clipped to -1 to 1,
    /// and random choices. On entry, `action` contains the probabilities of the choices, as
    /// [`Policy::distribution`](crate::policy::Policy::distribution) gives them. `masks` is as in
    /// [`act_randomly`](Self::act_randomly).
    pub fn perturb(
        &mut self,
        config: &ExplorationConfig,
        agents: &[AgentSpec],
        masks: &[f32],
        action: &mut [f32],
        random: &mut impl Rng,
    ) {
        self.state.resize(action.len(), 0.0);
        for Part { space, columns, mask } in parts(agents, masks) {
            let (own, states) = (&mut action[columns.clone()], &mut self.state[columns]);
            for (action, state) in own[..space.numbers()].iter_mut().zip(states) {
                let normal: f32 = StandardNormal.sample(random);
                let noise = match config.noise {
                    Noise::None => 0.0,
                    Noise::Gaussian => normal,
                    Noise::OrnsteinUhlenbeck { theta, sigma } => {
                        *state += -theta * *state + sigma * normal;
                        *state
                    }
                };
                *action = (*action + self.scale * noise).clamp(-1.0, 1.0);
            }
            if !space.branches().is_empty() {
                space.sample(own, mask, (0.5 * self.scale).min(1.0), random);
            }
        }
    }
}

/// One agent's part of a joint action.
struct Part<'a> {
    space: &'a ActionSpace,
    /// Where the part is in the joint action.
    columns: Range<usize>,
    /// The agent's part of the masks; empty if all choices are possible.
    mask: &'a [f32],
}

/// The parts of a joint action, by agent.
fn parts<'a>(agents: &'a [AgentSpec], masks: &'a [f32]) -> impl Iterator<Item = Part<'a>> {
    agents.iter().scan((0, 0), move |(start, mask_start), agent| {
        let space = &agent.action;
        let columns = *start..*start + space.size();
        let mask = masks.get(*mask_start..*mask_start + space.choices()).unwrap_or(&[]);
        (*start, *mask_start) = (columns.end, *mask_start + space.choices());
        Some(Part { space, columns, mask })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn the_schedule_shrinks_the_scale_linearly() {
        let config = ExplorationConfig { final_factor: 0.2, schedule_decisions: 100, ..Default::default() };
        assert_eq!(config.factor(0), 1.0);
        assert!((config.factor(50) - 0.6).abs() < 1e-6);
        assert_eq!(config.factor(1_000), 0.2);
    }

    #[test]
    fn ornstein_uhlenbeck_has_its_stationary_deviation_and_correlation() {
        let (theta, sigma) = (0.15f32, 0.2f32);
        let config = ExplorationConfig {
            noise: Noise::OrnsteinUhlenbeck { theta, sigma },
            scale: [0.5, 0.5],
            ..Default::default()
        };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut explorer = Explorer::default();
        explorer.begin(&config, 0, &mut random);
        let values: Vec<f32> = (0..200_000)
            .map(|_| {
                let mut action = [0.0];
                explorer.perturb(&config, &[AgentSpec::new("a", 1, 1)], &[], &mut action, &mut random);
                action[0] / 0.5
            })
            .collect();
        let mean_square = |lag: usize| {
            values.iter().zip(&values[lag..]).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                / values.len() as f64
        };
        // x' = (1 - theta) x + sigma n: variance sigma^2 / (1 - (1 - theta)^2), correlation 1 - theta.
        let variance = f64::from(sigma * sigma / (1.0 - (1.0 - theta) * (1.0 - theta)));
        assert!((mean_square(0) / variance - 1.0).abs() < 0.05);
        assert!((mean_square(1) / mean_square(0) - 0.85).abs() < 0.01);
    }

    #[test]
    fn each_episode_draws_its_own_scale_and_actions_stay_in_range() {
        let config = ExplorationConfig::default();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(4);
        let mut explorer = Explorer::default();
        let mut scales = Vec::new();
        for _ in 0..50 {
            explorer.begin(&config, 0, &mut random);
            scales.push(explorer.scale());
            let mut action = [0.9, -0.9];
            explorer.perturb(&config, &[AgentSpec::new("a", 1, 2)], &[], &mut action, &mut random);
            assert!(action.iter().all(|a| a.abs() <= 1.0));
        }
        let (least, largest) =
            (scales.iter().copied().fold(1.0, f32::min), scales.iter().copied().fold(0.0, f32::max));
        assert!((0.05..0.15).contains(&least) && (0.5..=0.6).contains(&largest));
    }

    #[test]
    fn a_scale_is_drawn_anew_after_some_decisions() {
        let config = ExplorationConfig { redraw_decisions: 3, ..ExplorationConfig::default() };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut explorer = Explorer::default();
        let mut scales = |config: &ExplorationConfig, rests: bool| {
            explorer.begin(config, 0, &mut random);
            if rests {
                explorer.rest();
            }
            let mut scales = (0..9).map(|_| {
                explorer.count(config, 0, &mut random);
                explorer.scale()
            });
            let mut runs = vec![(scales.next().unwrap(), 1)];
            for scale in scales {
                match runs.last_mut() {
                    Some((last, count)) if *last == scale => *count += 1,
                    _ => runs.push((scale, 1)),
                }
            }
            runs.iter().map(|(_, count)| *count).collect::<Vec<u32>>()
        };
        assert_eq!(scales(&config, false), [3, 3, 3]);
        assert_eq!(scales(&config, true), [9], "an arena that does not explore does not begin to");
        assert_eq!(scales(&ExplorationConfig::default(), false), [9]);
    }

    #[test]
    fn the_schedule_goes_on_within_an_episode() {
        let config = ExplorationConfig {
            scale: [0.4, 0.4],
            final_factor: 0.5,
            schedule_decisions: 100,
            ..ExplorationConfig::default()
        };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut explorer = Explorer::default();
        explorer.begin(&config, 0, &mut random);
        for (decisions, scale) in [(0, 0.4), (50, 0.3), (1_000, 0.2)] {
            explorer.count(&config, decisions, &mut random);
            assert!((explorer.scale() - scale).abs() < 1e-6, "{decisions}: {}", explorer.scale());
        }
        explorer.rest();
        explorer.count(&config, 0, &mut random);
        assert_eq!((explorer.scale(), explorer.explores(&config)), (0.0, false));
    }

    #[test]
    fn random_actions_are_held() {
        let config = ExplorationConfig::default();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut explorer = Explorer::default();
        let mut draw = || {
            let mut action = [0.0; 2];
            explorer.act_randomly(&config, &[AgentSpec::new("a", 1, 2)], &[], &mut action, &mut random);
            action
        };
        let (first, second, third, fourth) = (draw(), draw(), draw(), draw());
        assert_eq!((first, second), (second, third));
        assert_ne!(third, fourth);
    }

    #[test]
    fn a_held_choice_is_replaced_when_it_is_no_longer_possible() {
        let config = ExplorationConfig { random_hold: 1_000, ..ExplorationConfig::default() };
        let agents = [AgentSpec::new("a", 1, 1), AgentSpec::new("b", 1, 1)].map(|agent| {
            agent.with_action(crate::policy::ActionSpace::of_numbers(1).with_choices("move", 3))
        });
        let mut random = Xoshiro256PlusPlus::seed_from_u64(6);
        let mut explorer = Explorer::default();
        let mut draw = |masks: [f32; 6]| {
            let mut action = [0.0; 8];
            explorer.act_randomly(&config, &agents, &masks, &mut action, &mut random);
            [1, 5].map(|start| action[start..start + 3].iter().position(|number| *number == 1.0).unwrap())
        };
        let [first, second] = draw([1.0; 6]);
        assert_eq!(draw([1.0; 6]), [first, second]);
        let mut masks = [1.0; 6];
        masks[3 + second] = 0.0;
        let [kept, replaced] = draw(masks);
        assert!(kept == first && replaced != second);
    }
}

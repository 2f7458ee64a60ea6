//! Exploration noise: Gaussian or Ornstein-Uhlenbeck, with a schedule and a separate scale for each arena, after an
//! initial phase of random actions.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// How agents explore while they are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplorationConfig {
    /// The random process whose values are added to the actions.
    pub noise: Noise,
    /// Smallest and largest scale of the noise, in units of the action (-1 to 1). At the start of each episode, each
    /// arena draws its own scale uniformly between them, so that the learner sees both careful and bold play (FastTD3,
    /// arXiv 2505.22642).
    pub scale: [f32; 2],
    /// Factor on the scale at the end of the schedule; 1 keeps the scale constant.
    pub final_factor: f32,
    /// Joint decisions over which the factor changes linearly from 1 to `final_factor`.
    pub schedule_decisions: u64,
    /// Joint decisions at the start of training whose actions are uniformly random from -1 to 1.
    pub random_decisions: u64,
    /// Decisions for which each of these random actions is held.
    pub random_hold: u32,
}

/// A random process over the decisions of an episode, with unit scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Noise {
    /// No noise.
    None,
    /// Independent standard normal numbers.
    Gaussian,
    /// `x += -theta x + sigma N(0, 1)` each decision, from 0 at the start of the episode (Uhlenbeck and Ornstein
    /// 1930; the DDPG paper uses theta 0.15, sigma 0.2).
    OrnsteinUhlenbeck {
        /// Pull toward 0 per decision.
        theta: f32,
        /// Standard deviation of the random increment per decision.
        sigma: f32,
    },
}

impl Default for ExplorationConfig {
    fn default() -> Self {
        Self {
            noise: Noise::Gaussian,
            scale: [0.05, 0.6],
            final_factor: 1.0,
            schedule_decisions: 0,
            random_decisions: 2_000,
            random_hold: 3,
        }
    }
}

impl ExplorationConfig {
    /// The factor on the scale after `decisions` joint decisions.
    pub fn factor(&self, decisions: u64) -> f32 {
        if decisions >= self.schedule_decisions {
            return self.final_factor;
        }
        let progress = decisions as f32 / self.schedule_decisions as f32;
        1.0 + (self.final_factor - 1.0) * progress
    }
}

/// The exploration of one arena: the scale in this episode and the state of the random process.
#[derive(Debug, Clone, Default)]
pub struct Explorer {
    scale: f32,
    state: Vec<f32>,
    held: Vec<f32>,
    hold_left: u32,
}

impl Explorer {
    /// Starts an episode: draws a scale and resets the random process.
    pub fn begin(&mut self, config: &ExplorationConfig, decisions: u64, random: &mut impl Rng) {
        let [least, largest] = config.scale;
        self.scale = match config.noise {
            Noise::None => 0.0,
            _ => (least + (largest - least) * random.random::<f32>()) * config.factor(decisions),
        };
        self.state.fill(0.0);
        self.hold_left = 0;
    }

    /// Scale of the noise in this episode, in units of the action.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Replaces the joint action with a random one, which is held for `random_hold` decisions.
    pub fn act_randomly(&mut self, config: &ExplorationConfig, action: &mut [f32], random: &mut impl Rng) {
        if self.hold_left == 0 || self.held.len() != action.len() {
            self.held.clear();
            self.held.extend(action.iter().map(|_| random.random_range(-1.0..=1.0f32)));
            self.hold_left = config.random_hold.max(1);
        }
        self.hold_left -= 1;
        action.copy_from_slice(&self.held);
    }

    /// Adds noise for one decision to the joint action and clips the result to -1 to 1.
    pub fn perturb(&mut self, config: &ExplorationConfig, action: &mut [f32], random: &mut impl Rng) {
        self.state.resize(action.len(), 0.0);
        for (action, state) in action.iter_mut().zip(&mut self.state) {
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
    }
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
                explorer.perturb(&config, &mut action, &mut random);
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
            explorer.perturb(&config, &mut action, &mut random);
            assert!(action.iter().all(|a| a.abs() <= 1.0));
        }
        let (least, largest) =
            (scales.iter().copied().fold(1.0, f32::min), scales.iter().copied().fold(0.0, f32::max));
        assert!((0.05..0.15).contains(&least) && (0.5..=0.6).contains(&largest));
    }

    #[test]
    fn random_actions_are_held() {
        let config = ExplorationConfig::default();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut explorer = Explorer::default();
        let mut draw = || {
            let mut action = [0.0; 2];
            explorer.act_randomly(&config, &mut action, &mut random);
            action
        };
        let (first, second, third, fourth) = (draw(), draw(), draw(), draw());
        assert_eq!((first, second), (second, third));
        assert_ne!(third, fourth);
    }
}

//! The gradients of one update by candle's own autograd, as a reference to test the engines against.

use std::{ops::Range, sync::Arc};

use candle_core::{D, Device, Result, Tensor, Var};
use rand::RngExt;

use super::{BETA1, CpuEngine, Engine, GpuEngine, GroupSetup, Setup, UpdateStatistics, Weights};
use crate::{
    learner::{
        LearnerConfig, Preset,
        batch::{Batch, Draw, NextAction, Total, draw_noise},
        choices::{Branch, GAP, TEMPERATURE},
        replay::ReplayBuffer,
        update::count_decisions,
        values::{Rescaling, ValueScale},
        view::View,
    },
    policy::{ActionSpace, AgentSpec, ArenaSpec, Convolution, Encoder, ImageSpec, NetworkShape, Normalizer},
    random::{Random, stream},
    transition::{SlotState, TransitionBlock},
};

/// The network built from candle's operations, so that autograd can differentiate it.
fn network(shape: &NetworkShape, parameters: &Tensor, inputs: &Tensor) -> Result<Tensor> {
    let part = |range: &Range<usize>| parameters.narrow(0, range.start, range.len());
    let mut x = match shape.encoder() {
        None => inputs.clone(),
        Some(encoder) => encode(encoder, parameters, inputs)?,
    };
    for layer in shape.layers() {
        let weights = part(&layer.weights)?.reshape((layer.inputs, layer.outputs))?;
        x = x.matmul(&weights)?.broadcast_add(&part(&layer.bias)?)?;
        if let Some([gain, shift]) = &layer.norm {
            x = candle_nn::ops::layer_norm_slow(&x, &part(gain)?, &part(shift)?, 1e-5)?;
        }
        if layer.hidden {
            x = x.relu()?;
        }
    }
    Ok(x)
}

/// The convolutions, one filter at one place at a time, as in their definition.
fn encode(encoder: &Encoder, parameters: &Tensor, inputs: &Tensor) -> Result<Tensor> {
    let mut below = inputs.clone();
    for layer in encoder.layers() {
        let window = &layer.window;
        let weights = parameters.narrow(0, layer.weights.start, layer.weights.len())?;
        let weights = weights.reshape((layer.patch(), layer.filters))?;
        let bias = parameters.narrow(0, layer.bias.start, layer.filters)?;
        let mut places = Vec::new();
        for place in 0..window.positions() {
            let (y, x) = (place / window.columns() * window.stride, place % window.columns() * window.stride);
            let mut patch = Vec::new();
            for plane in &window.planes {
                for row in 0..window.kernel {
                    let start = plane + ((y + row) * window.width + x) * window.channels;
                    patch.push(below.narrow(1, start, window.kernel * window.channels)?);
                }
            }
            places.push(Tensor::cat(&patch, 1)?.matmul(&weights)?.broadcast_add(&bias)?.relu()?);
        }
        below = Tensor::cat(&places, 1)?;
    }
    let others = encoder.others().iter().map(|range| inputs.narrow(1, range.start, range.len()));
    Tensor::cat(&[vec![below], others.collect::<Result<_>>()?].concat(), 1)
}

fn tensor(numbers: &[f32], columns: usize) -> Tensor {
    Tensor::from_slice(numbers, (numbers.len() / columns, columns), &Device::Cpu).unwrap()
}

fn flat(numbers: &[f32]) -> Tensor {
    Tensor::from_slice(numbers, numbers.len(), &Device::Cpu).unwrap()
}

/// The update of one policy, slot by slot, as in the paper.
struct Reference<'a> {
    setup: &'a Setup,
    weights: &'a [Weights],
    batch: &'a Batch,
}

impl Reference<'_> {
    fn observations(&self, slot: usize, all: &[f32]) -> Tensor {
        let spec = &self.setup.spec;
        let (start, size) = (spec.observation_offset(slot), spec.slots[slot].observation_size);
        tensor(all, spec.joint_observation_size()).narrow(1, start, size).unwrap().contiguous().unwrap()
    }

    fn action(&self, slot: usize, all: &[f32]) -> Tensor {
        let spec = &self.setup.spec;
        let (start, size) = (spec.action_offset(slot), spec.slots[slot].action_size());
        tensor(all, spec.joint_action_size()).narrow(1, start, size).unwrap()
    }

    /// The critic's inputs, given each slot's action and which slots have an agent.
    fn joint(
        &self,
        view: &View,
        observations: &[f32],
        present: &[f32],
        action: impl Fn(usize) -> Tensor,
    ) -> Tensor {
        let observations = view.observed.iter().map(|&slot| self.observations(slot, observations));
        let actions = view.slots.iter().map(|&slot| action(slot));
        let mut parts: Vec<Tensor> = observations.chain(actions).collect();
        if self.setup.has_absences {
            parts.extend(view.slots.iter().map(|&slot| self.of_slot(slot, present)));
        }
        Tensor::cat(&parts, 1).unwrap()
    }

    /// One number per row for this slot.
    fn of_slot(&self, slot: usize, all: &[f32]) -> Tensor {
        tensor(all, self.setup.spec.agents()).narrow(1, slot, 1).unwrap()
    }

    /// The mean of one loss per row over `total` decisions, with the slot's weights.
    fn weighted(&self, losses: &Tensor, slot: usize, weights: &[f32], total: f32) -> Tensor {
        let weighted = losses.broadcast_mul(&self.of_slot(slot, weights)).unwrap();
        (weighted.sum_all().unwrap() / f64::from(total)).unwrap()
    }

    fn critics(&self, group: &GroupSetup, parameters: &Tensor, inputs: &Tensor) -> Vec<Tensor> {
        let size = group.critic.parameters();
        (0..group.critics)
            .map(|k| network(&group.critic, &parameters.narrow(0, k * size, size).unwrap(), inputs).unwrap())
            .collect()
    }

    fn target_action(&self, slot: usize) -> Tensor {
        let all = 0..self.batch.rows;
        let owner = self.setup.groups.iter().position(|group| group.group.slots.contains(&slot)).unwrap();
        let observations = self.observations(slot, self.batch.next_observations(all));
        let target = flat(&self.weights[owner].actor_target);
        let group = &self.setup.groups[owner];
        let outputs = network(&group.actor, &target, &observations).unwrap();
        let drawn = self.draw(group, slot, &outputs, self.batch.next_masks(0..self.batch.rows));
        let action = self.played(group, slot, &outputs, &drawn, None, Learned::Drawn);
        if self.setup.has_absences {
            let acts = self.batch.acts_next(0..self.batch.rows);
            let is = |wanted| {
                let flags: Vec<f32> = acts.iter().map(|next| f32::from(*next == wanted)).collect();
                self.of_slot(slot, &flags)
            };
            let kept = self.action(slot, self.batch.actions(0..self.batch.rows));
            let kept = kept.broadcast_mul(&is(NextAction::Kept)).unwrap();
            return (action.broadcast_mul(&is(NextAction::Chosen)).unwrap() + kept).unwrap();
        }
        action
    }

    /// The mask of a branch of this slot, `[rows, choices]`.
    fn mask(&self, slot: usize, branch: &Branch, masks: &[f32]) -> Tensor {
        let spec = &self.setup.spec;
        let start = spec.choice_offset(slot) + branch.mask.start;
        tensor(masks, spec.joint_choices()).narrow(1, start, branch.mask.len()).unwrap()
    }

    /// The one-hot vectors of the choices that the noise draws, by branch.
    fn draw(&self, group: &GroupSetup, slot: usize, outputs: &Tensor, masks: &[f32]) -> Vec<Tensor> {
        let noise = self.action(slot, &self.batch.noise);
        let branches = group.choices.branches.iter().map(|branch| {
            let of_branch = |tensor: &Tensor| part(tensor, branch).to_vec2::<f32>().unwrap();
            let (logits, noise) = (of_branch(outputs), of_branch(&noise));
            let masks = self.mask(slot, branch, masks).to_vec2::<f32>().unwrap();
            let rows = logits.iter().zip(noise).zip(masks).flat_map(|((logits, noise), mask)| {
                let numbers: Vec<f32> = logits
                    .iter()
                    .zip(noise)
                    .zip(mask)
                    .map(|((l, n), m)| if m == 0.0 { f32::NEG_INFINITY } else { l + n })
                    .collect();
                let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                numbers.into_iter().map(move |number| f32::from(number == largest))
            });
            tensor(&rows.collect::<Vec<_>>(), branch.columns.len())
        });
        branches.collect()
    }

    /// The action of a slot: its numbers with noise, clamped, and the drawn choices. The gradient passes through the clamp
    /// unchanged. With masks, it also passes to the logits of branches that are not exact.
    fn played(
        &self,
        group: &GroupSetup,
        slot: usize,
        outputs: &Tensor,
        drawn: &[Tensor],
        masks: Option<&[f32]>,
        learned: Learned,
    ) -> Tensor {
        let numbers = group.choices.numbers;
        let mut parts = Vec::new();
        for number in 0..numbers {
            let action = outputs.narrow(1, number, 1).unwrap().tanh().unwrap();
            let noise = self.action(slot, &self.batch.noise).narrow(1, number, 1).unwrap();
            let clamped = (&action + noise).unwrap().clamp(-1f32, 1f32).unwrap();
            let mut action = (&action + (clamped - &action).unwrap().detach()).unwrap();
            let gate = group.choices.gates.iter().find(|gate| gate.number == number);
            if let Some(gate) = gate {
                let all = Tensor::cat(drawn, 1).unwrap();
                action = (action * all.narrow(1, gate.choice - numbers, 1).unwrap()).unwrap();
            }
            let is_learned = match learned {
                Learned::Drawn => gate.is_none_or(|gate| !gate.is_exact),
                Learned::OfChoice(choice) => gate.is_some_and(|gate| gate.is_exact && gate.choice == choice),
            };
            parts.push(if is_learned { action } else { action.detach() });
        }
        for (branch, drawn) in group.choices.branches.iter().zip(drawn) {
            let Some(masks) = masks.filter(|_| !branch.is_exact) else {
                parts.push(drawn.clone());
                continue;
            };
            let (mask, logits) = (self.mask(slot, branch, masks), part(outputs, branch));
            let impossible = mask.affine(1e30, -1e30).unwrap();
            let masked = (&logits + &impossible).unwrap();
            let largest = masked.max_keepdim(1).unwrap();
            let raise = (drawn * largest.broadcast_sub(&logits).unwrap()).unwrap();
            let excess =
                ((&logits + f64::from(GAP)).unwrap().broadcast_sub(&largest).unwrap()).relu().unwrap();
            let lower = (excess * drawn.affine(-1.0, 1.0).unwrap()).unwrap();
            let gapped =
                ((&logits + (raise - lower).unwrap().detach()).unwrap() / f64::from(TEMPERATURE)).unwrap();
            let soft = candle_nn::ops::softmax(&(gapped + impossible).unwrap(), 1).unwrap();
            parts.push((drawn + (&soft - soft.detach()).unwrap()).unwrap());
        }
        Tensor::cat(&parts, 1).unwrap()
    }

    /// The gradient of the critics of policy `index`.
    fn critic_gradient(&self, index: usize) -> Vec<f32> {
        let (group, batch) = (&self.setup.groups[index], self.batch);
        let critics = Var::from_tensor(&flat(&self.weights[index].critics)).unwrap();
        let all = 0..batch.rows;
        let mut losses = Vec::new();
        for view in &group.views {
            let (present, present_next) = (batch.present(all.clone()), batch.present_next(all.clone()));
            let next = self
                .joint(view, batch.next_observations(all.clone()), present_next, |s| self.target_action(s));
            let values = self.critics(group, &flat(&self.weights[index].critics_target), &next);
            let least = values.iter().skip(1).fold(values[0].clone(), |a, b| a.minimum(b).unwrap());
            let (reward, discount) =
                (self.of_slot(view.slot, &batch.rewards), self.of_slot(view.slot, &batch.discounts));
            let target = (reward + (discount * least)).unwrap();
            let now = self.joint(view, batch.observations(all.clone()), present, |s| {
                self.action(s, batch.actions(all.clone()))
            });
            for value in self.critics(group, &critics, &now) {
                let errors = (value - &target).unwrap().sqr().unwrap();
                let total = batch.totals[index].critic;
                losses.push(self.weighted(&errors, view.slot, &batch.critic_weights, total));
            }
        }
        let loss = Tensor::stack(&losses, 0).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&critics).unwrap().to_vec1().unwrap()
    }

    /// The gradient of the actor of policy `index`, with the critics in `weights`.
    fn actor_gradient(&self, index: usize) -> Vec<f32> {
        let (group, batch) = (&self.setup.groups[index], self.batch);
        let actor = Var::from_tensor(&flat(&self.weights[index].actor)).unwrap();
        let all = 0..batch.rows;
        let mut losses = Vec::new();
        for view in &group.views {
            let own = self.observations(view.slot, batch.observations(all.clone()));
            let output = network(&group.actor, &actor, &own).unwrap();
            let present = batch.present(all.clone());
            let value_of = |own: Tensor| {
                let now = self.joint(view, batch.observations(all.clone()), present, |slot| {
                    if slot == view.slot {
                        own.clone()
                    } else {
                        self.action(slot, batch.actions(all.clone()))
                    }
                });
                self.critics(group, &flat(&self.weights[index].critics), &now).remove(0)
            };
            let masks = batch.masks(all.clone());
            let drawn = self.draw(group, view.slot, &output, masks);
            let own = self.played(group, view.slot, &output, &drawn, Some(masks), Learned::Drawn);
            let mut loss = value_of(own).neg().unwrap();
            let numbers = group.choices.numbers;
            if numbers > 0 {
                let squares = output.narrow(1, 0, numbers).unwrap().sqr().unwrap();
                let penalty =
                    squares.mean_keepdim(D::Minus1).unwrap() * f64::from(self.setup.config.action_penalty);
                loss = (loss + penalty).unwrap();
            }
            for (number, branch) in group.choices.branches.iter().enumerate() {
                let impossible = self.mask(view.slot, branch, masks).affine(1e30, -1e30).unwrap();
                let logits = (part(&output, branch) + impossible).unwrap();
                let logarithms = candle_nn::ops::log_softmax(&logits, 1).unwrap();
                let probabilities = logarithms.exp().unwrap();
                let entropy = (&probabilities * logarithms.clamp(-1e4f32, 0f32).unwrap()).unwrap();
                let entropy = entropy.sum_keepdim(1).unwrap() * f64::from(self.setup.config.choice_entropy);
                loss = (loss + entropy).unwrap();
                let squares = part(&output, branch).sqr().unwrap().sum_keepdim(D::Minus1).unwrap();
                loss = (loss + squares * f64::from(self.setup.config.logit_penalty)).unwrap();
                if branch.is_exact {
                    let count = branch.columns.len();
                    let values = (0..count).map(|choice| {
                        let row = (0..count).map(|other| f32::from(other == choice));
                        let one_hot = row.cycle().take(batch.rows * count).collect::<Vec<_>>();
                        let mut drawn = drawn.clone();
                        drawn[number] = tensor(&one_hot, count);
                        let learned = Learned::OfChoice(branch.columns.start + choice);
                        value_of(self.played(group, view.slot, &output, &drawn, None, learned))
                    });
                    let values = Tensor::cat(&values.collect::<Vec<_>>(), 1).unwrap();
                    // The numbers of each possible choice are learned when that choice is evaluated.
                    let of_numbers =
                        (&values * self.mask(view.slot, branch, masks)).unwrap().sum_keepdim(1).unwrap();
                    loss = (loss - of_numbers).unwrap();
                    let expected = (probabilities * values.detach()).unwrap().sum_keepdim(1).unwrap();
                    loss = (loss - expected).unwrap();
                }
            }
            losses.push(self.weighted(&loss, view.slot, &batch.actor_weights, batch.totals[index].actor));
        }
        let loss = Tensor::stack(&losses, 0).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&actor).unwrap().to_vec1().unwrap()
    }
}

/// Which numbers of an action get a gradient.
#[derive(Clone, Copy)]
enum Learned {
    /// The numbers that are learned for the drawn action.
    Drawn,
    /// The numbers that belong to this choice, a column of the action.
    OfChoice(usize),
}

/// The columns of a branch.
fn part(actions: &Tensor, branch: &Branch) -> Tensor {
    actions.narrow(1, branch.columns.start, branch.columns.len()).unwrap()
}

/// Three agents of two behaviors: the runners act with numbers and choices, the chaser only chooses.
fn choosing() -> ArenaSpec {
    let runner = ActionSpace::default()
        .with_number("turn")
        .with_number("aim")
        .with_choices("move", 3)
        .with_branch("throw", ["no", "yes"])
        .only_with("aim", "throw", "yes");
    let runner = AgentSpec::new("runner", 7, 0).with_action(runner);
    let chaser = AgentSpec::new("chaser", 5, 0).with_action(ActionSpace::default().with_choices("move", 4));
    ArenaSpec::new(vec![runner.clone(), chaser, runner])
}

/// Three agents, of two behaviors with different sizes.
fn spec() -> ArenaSpec {
    let agent = |behavior: &str, observation_size, action_size| {
        AgentSpec::new(behavior, observation_size, action_size)
    };
    ArenaSpec::new(vec![agent("runner", 7, 2), agent("chaser", 5, 3), agent("runner", 7, 2)])
}

/// A minibatch of every stored transition.
struct Whole {
    replay: ReplayBuffer,
    indices: Vec<usize>,
    normalizer: Normalizer,
    values: Vec<ValueScale>,
    gamma: f32,
    noise: Vec<f32>,
    totals: Vec<Total>,
    setup: Arc<Setup>,
}

impl Whole {
    fn new(setup: &Arc<Setup>, random: &mut Random) -> Self {
        let Setup { config, spec, .. } = &**setup;
        let rows = 70;
        let slots = if setup.has_absences { absences(rows) } else { vec![SlotState::PRESENT; rows * 3] };
        // At least the first choice of each branch is possible.
        let firsts: Vec<bool> = spec
            .slots
            .iter()
            .flat_map(|agent| agent.action.branches())
            .flat_map(|branch| (0..branch.choices.len()).map(|choice| choice == 0))
            .collect();
        let mut masks = || {
            let possible = firsts.iter().cycle().take(rows * firsts.len());
            possible.map(|first| f32::from(*first || random.random::<bool>())).collect::<Vec<_>>()
        };
        let (masks, next_masks) = (masks(), masks());
        let mut draw =
            |count: usize| (0..count).map(|_| random.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        let block = TransitionBlock {
            observations: draw(rows * spec.joint_observation_size()),
            actions: draw(rows * spec.joint_action_size()),
            rewards: draw(rows * spec.agents()),
            next_observations: draw(rows * spec.joint_observation_size()),
            // These are the discounts of ends of episodes, of several decisions, and of one decision.
            discounts: (0..rows).map(|row| [0.0, 1.0, 0.9, 1.0, 1.0][row % 5]).collect(),
            slots,
            masks,
            next_masks,
        };
        let mut replay = ReplayBuffer::of(spec, rows);
        replay.push(&block);
        let mut noise = Vec::new();
        draw_noise(&mut noise, rows, &setup.is_choice, config, random);
        let normalizer = Normalizer::identity(spec.joint_observation_size());
        let mut scale = ValueScale::fixed(1.0);
        scale.guess(&replay, &[0], &setup.fates, config.gamma);
        let values = vec![scale; spec.agents()];
        let indices: Vec<usize> = (0..rows).collect();
        let mut totals = Vec::new();
        count_decisions(setup, &replay, &indices, &mut totals);
        let gamma = config.gamma;
        Self { replay, indices, normalizer, values, gamma, noise, totals, setup: setup.clone() }
    }

    fn draw(&self) -> Draw<'_> {
        let Self { replay, indices, normalizer, values, gamma, noise, totals, setup } = self;
        let Setup { spec, fates, has_absences, images, .. } = &**setup;
        Draw {
            replay,
            indices,
            normalizer,
            values,
            gamma: *gamma,
            noise,
            spec,
            fates,
            totals,
            has_absences: *has_absences,
            reflection: None,
            images,
            shifts: &[],
        }
    }

    fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        batch.gather(&self.draw(), 0..self.indices.len());
        batch
    }
}

/// Slots in every state that the rollout can produce.
fn absences(rows: usize) -> Vec<SlotState> {
    let plays = SlotState::PRESENT;
    let states = [
        plays,
        SlotState { present_next: false, ended: true, ..plays },
        plays,
        SlotState::EMPTY,
        SlotState { present_next: false, ..plays },
        SlotState { present_next: true, ..SlotState::EMPTY },
        SlotState { learns: false, ..plays },
        SlotState { age_next: 1, ..plays },
        SlotState { age: 1, age_next: 2, ..plays },
        SlotState { age: 3, ..plays },
    ];
    (0..rows * 3).map(|place| states[(place + place / 7) % states.len()]).collect()
}

/// What the gradients are tested with: a name, settings, the agents, and whether slots can be empty.
fn cases() -> Vec<(String, LearnerConfig, ArenaSpec, bool)> {
    let configs = configs();
    let of = |name: &str| configs.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let team = LearnerConfig { team_fate: vec!["runner".into()], ..of("matd3") };
    let absent = ["matd3", "maddpg_2017", "ddpg", "layer norm", "own observation"];
    let absent = absent.map(|name| (format!("{name} with absences"), of(name), true));
    let full = configs.clone().into_iter().map(|(name, config)| (name, config, false));
    let numbers = full.chain(absent).chain([("team fate".into(), team, true)]);
    let numbers = numbers.map(|(name, config, has_absences)| (name, config, spec(), has_absences));
    // All branches are exact, only some are, or none is.
    let choices = [("matd3", 16, false), ("matd3", 3, false), ("maddpg", 0, false), ("matd3", 3, true)];
    let choices = choices.map(|(name, exact_choices, has_absences)| {
        let config = LearnerConfig { exact_choices, choice_entropy: 0.1, logit_penalty: 0.05, ..of(name) };
        let name = format!("{name} with choices, exact up to {exact_choices}");
        (name, config, choosing(), has_absences)
    });
    // Runners see two frames of 6 x 5 pixels, with one more number each.
    let images = [("own observation", false), ("layer norm", false), ("own observation", true)];
    let images = images.map(|(name, has_absences)| {
        let own = ["runner", "chaser"].map(String::from).to_vec();
        let convolutions = [[4, 3, 1], [3, 2, 2]].map(Convolution::from).to_vec();
        let config = LearnerConfig { own_observation: own, convolutions, ..of(name) };
        let mut spec = spec();
        for runner in [0, 2] {
            spec.slots[runner].observation_size = 62;
            spec.slots[runner].image = Some(ImageSpec { frames: 2, ..ImageSpec::grey(6, 5) });
        }
        (format!("{name} with images"), config, spec, has_absences)
    });
    numbers.chain(choices).chain(images).collect()
}

/// Every preset, MATD3 with layer normalization, and MATD3 with critics that see only their own observation.
fn configs() -> Vec<(String, LearnerConfig)> {
    let small = |config: LearnerConfig| LearnerConfig {
        actor_hidden: vec![24, 19],
        critic_hidden: vec![33, 16],
        // The last layers start as large as the others, so that no gradient is tiny. Clipping has its own test.
        last_layer_scale: 0.3,
        gradient_clip: f64::INFINITY,
        ..config
    };
    let presets = Preset::ALL.iter().map(|preset| (preset.to_string(), preset.config().learner));
    let norm = LearnerConfig { critic_layer_norm: true, ..Preset::Matd3.config().learner };
    let own = ["runner", "chaser"].map(String::from).to_vec();
    let own = LearnerConfig { own_observation: own, ..Preset::Matd3.config().learner };
    let others = [("layer norm".into(), norm), ("own observation".into(), own)];
    presets.chain(others).map(|(name, config)| (name, small(config))).collect()
}

fn engines(setup: &Arc<Setup>, weights: &[Weights]) -> [(&'static str, Box<dyn Engine>); 2] {
    let device = GpuEngine::new(setup.clone(), weights.to_vec(), &Device::Cpu).unwrap();
    [("host", Box::new(CpuEngine::new(setup.clone(), weights.to_vec()))), ("device", Box::new(device))]
}

fn setup(
    config: LearnerConfig,
    spec: ArenaSpec,
    has_absences: bool,
    random: &mut Random,
) -> (Arc<Setup>, Vec<Weights>) {
    let setup = Setup::new(config, spec, has_absences).unwrap();
    let new = |group| Weights::new(group, &setup.config, random);
    let mut weights: Vec<Weights> = setup.groups.iter().map(new).collect();
    for weights in &mut weights {
        // Make the targets differ from the trained networks.
        weights.actor_target.iter_mut().for_each(|x| *x += random.random_range(-0.1..0.1f32));
        weights.critics_target.iter_mut().for_each(|x| *x += random.random_range(-0.1..0.1f32));
    }
    (Arc::new(setup), weights)
}

/// Compares gradients. After Adam's first step, its first moment is the gradient times 1 - beta1.
fn assert_gradient(name: &str, first_moment: &[f32], expected: &[f32]) {
    assert_eq!(first_moment.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    assert!(largest > 1e-4, "{name}: the reference gradient is almost zero");
    for (index, (moment, expected)) in first_moment.iter().zip(expected).enumerate() {
        let found = moment / (1.0 - BETA1) as f32;
        assert!(
            (found - expected).abs() < 1e-5 * largest.max(1.0) + 1e-4 * expected.abs(),
            "{name}: gradient {index} is {found}, candle's autograd has {expected}"
        );
    }
}

#[test]
fn gradients_of_every_preset_match_candles_autograd() {
    for (name, config, spec, has_absences) in cases() {
        let config = LearnerConfig { policy_delay: 1, ..config };
        let mut random = stream(7, "reference", 0);
        let (setup, before) = setup(config.clone(), spec, has_absences, &mut random);
        let whole = Whole::new(&setup, &mut random);
        let batch = whole.batch();
        for (engine_name, mut engine) in engines(&setup, &before) {
            let mut measures = vec![UpdateStatistics::default(); setup.groups.len()];
            engine.update(&whole.draw(), true, Some(&mut measures)).unwrap();
            let after = engine.weights().unwrap();
            // Actors are updated with the critics that have just been updated.
            let mut middle = before.clone();
            middle.iter_mut().zip(&after).for_each(|(w, after)| w.critics.clone_from(&after.critics));
            for index in 0..setup.groups.len() {
                let label = |kind: &str| format!("{name}, {engine_name}, policy {index}, {kind}");
                let reference = Reference { setup: &setup, weights: &before, batch: &batch };
                let expected = reference.critic_gradient(index);
                let decay = config.critic_weight_decay as f32;
                let decayed: Vec<_> =
                    expected.iter().zip(&before[index].critics).map(|(g, w)| g + decay * w).collect();
                assert_gradient(&label("critics"), &after[index].critics_adam.first, &decayed);
                let norm = expected.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
                assert!((measures[index].critic_gradient_norm / norm - 1.0).abs() < 1e-3, "{name}: norm");
                let reference = Reference { setup: &setup, weights: &middle, batch: &batch };
                let expected = reference.actor_gradient(index);
                assert_gradient(&label("actor"), &after[index].actor_adam.first, &expected);
            }
        }
    }
}

#[test]
fn both_engines_learn_the_same() {
    for (name, config, spec, has_absences) in cases() {
        let config = LearnerConfig { gradient_clip: 0.5, ..config };
        let mut random = stream(8, "reference", 0);
        let (setup, before) = setup(config.clone(), spec, has_absences, &mut random);
        let whole = Whole::new(&setup, &mut random);
        let [(_, mut host), (_, mut device)] = engines(&setup, &before);
        let mut measures = [0; 2].map(|_| vec![UpdateStatistics::default(); setup.groups.len()]);
        for update in 1..=6 {
            let actors_too = update % config.policy_delay == 0;
            host.update(&whole.draw(), actors_too, Some(&mut measures[0])).unwrap();
            device.update(&whole.draw(), actors_too, Some(&mut measures[1])).unwrap();
            for index in 0..setup.groups.len() {
                let rescaling = Rescaling { factor: 1.2, shift: -0.3 };
                host.rescale_values(index, rescaling).unwrap();
                device.rescale_values(index, rescaling).unwrap();
            }
            for (a, b) in measures[0].iter().zip(&measures[1]) {
                assert_eq!(a.actors_updated, b.actors_updated);
                for (a, b) in [
                    (a.critic_loss, b.critic_loss),
                    (a.actor_loss, b.actor_loss),
                    (a.q_mean, b.q_mean),
                    (a.target_mean, b.target_mean),
                    (a.target_square, b.target_square),
                    (a.saturation, b.saturation),
                    (a.critic_gradient_norm, b.critic_gradient_norm),
                    (a.actor_gradient_norm, b.actor_gradient_norm),
                ] {
                    assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{name}, update {update}: {a}, {b}");
                }
            }
        }
        let (host, device) = (host.weights().unwrap(), device.weights().unwrap());
        for (mut a, mut b) in host.into_iter().zip(device) {
            for ((part, a), (_, b)) in a.parts().zip(b.parts()) {
                let worst = a.iter().zip(b).map(|(a, b)| (a - *b).abs()).fold(0.0f32, f32::max);
                assert!(worst < 2e-3, "{name}: {part} differ by {worst}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_computes_the_same_bits() {
    let pools =
        [1, 2, 3, 8].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    for (name, config, spec, has_absences) in cases() {
        let config = LearnerConfig { batch_size: 1024, ..config };
        let mut random = stream(9, "reference", 0);
        let (setup, before) = setup(config.clone(), spec, has_absences, &mut random);
        let whole = Whole::new(&setup, &mut random);
        let mut alone = CpuEngine::new(setup.clone(), before.clone());
        assert_eq!(alone.most_threads(), 4, "{name}");
        for update in 0..4 {
            alone.update(&whole.draw(), update % 2 == 1, None).unwrap();
        }
        for pool in &pools {
            let mut shared = CpuEngine::new(setup.clone(), before.clone());
            shared.share_work();
            for update in 0..4 {
                pool.install(|| shared.update(&whole.draw(), update % 2 == 1, None)).unwrap();
            }
            assert!(alone.weights().unwrap() == shared.weights().unwrap(), "{name}");
        }
    }
}

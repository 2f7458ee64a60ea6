mod actor;

use std::ops::Range;

use super::{
    Networks,
    backward::{Deltas, Wanted, backward},
};
use crate::{
    kernels::tanh,
    learner::{
        batch::{Batch, NextAction},
        engine::{GroupSetup, Setup},
    },
    policy::{Activations, NetworkShape, PackedNetwork, forward},
};

/// Rows that are processed together through all layers, few enough that their activations fit the nearest caches.
const CHUNK_ROWS: usize = 128;

/// Computes the gradients over a part of a minibatch. Contains these gradients, the measurements and reusable buffers.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Gradients of each policy's critics and actor, over this lane's rows.
    pub(super) critic_gradients: Vec<Vec<f32>>,
    pub(super) actor_gradients: Vec<Vec<f32>>,
    pub(super) sums: Vec<Sums>,
    activations: Activations,
    actor_activations: Activations,
    deltas: Deltas,
    own: Vec<f32>,
    actions: Vec<f32>,
    next_actions: Vec<f32>,
    inputs: Vec<f32>,
    next_inputs: Vec<f32>,
    targets: Vec<f32>,
    /// The weight of each row of inputs.
    weights: Vec<f32>,
    /// The masks of the own choices, `[rows, choices]`.
    masks: Vec<f32>,
    /// The smoothed numbers of the own actions before gates are closed, `[rows, numbers]`.
    open_numbers: Vec<f32>,
    /// The critic's values of all choices, `[choices, rows]`.
    choice_values: Vec<f32>,
    /// When a choice with numbers is evaluated: the gradient with respect to the action, `[rows, action_size]`.
    gate_gradient: Vec<f32>,
    spare: Vec<f32>,
    output_gradient: Vec<f32>,
    action_gradient: Vec<f32>,
}

/// Measurements of one policy in one lane: sums over the rows, the policy's slots and its critics.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) squared_error: f32,
    pub(super) target: f32,
    pub(super) squared_target: f32,
    pub(super) value: f32,
    pub(super) climbed_value: f32,
    pub(super) squared_output: f32,
    pub(super) saturated: f32,
}

impl std::iter::Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            squared_error: a.squared_error + b.squared_error,
            target: a.target + b.target,
            squared_target: a.squared_target + b.squared_target,
            value: a.value + b.value,
            climbed_value: a.climbed_value + b.climbed_value,
            squared_output: a.squared_output + b.squared_output,
            saturated: a.saturated + b.saturated,
        })
    }
}

impl Lane {
    pub(super) fn new(setup: &Setup) -> Self {
        let groups = &setup.groups;
        Self {
            critic_gradients: groups.iter().map(|g| vec![0.0; g.critics * g.critic.parameters()]).collect(),
            actor_gradients: groups.iter().map(|g| vec![0.0; g.actor.parameters()]).collect(),
            sums: vec![Sums::default(); groups.len()],
            ..Self::default()
        }
    }

    /// Computes the gradients of all critics' squared temporal-difference errors over this lane's rows.
    pub(super) fn critic_gradients(&mut self, setup: &Setup, networks: &[Networks], batch: &Batch) {
        self.sums.fill(Sums::default());
        for (number, rows) in chunks(setup, batch.rows).enumerate() {
            self.next_actions(setup, networks, batch, rows.clone());
            for (index, (setup_of, networks)) in setup.groups.iter().zip(networks).enumerate() {
                if index == 0 || !setup_of.sees_what(&setup.groups[index - 1]) {
                    self.gather_inputs(setup_of, batch, rows.clone());
                }
                self.critic_targets(index, setup, setup_of, networks, batch, rows.clone());
                self.critic_gradient(index, setup_of, networks, batch, number > 0);
            }
        }
    }

    /// Computes the smoothed target actions of all slots at the next observations, `[rows, joint_action_size]`; zeros for
    /// slots that do not act, and the same actions as before for those that keep them.
    fn next_actions(&mut self, setup: &Setup, networks: &[Networks], batch: &Batch, rows: Range<usize>) {
        let width = setup.spec.joint_action_size();
        let noise = &batch.noise[rows.start * width..rows.end * width];
        let (acts, agents) = (batch.acts_next(rows.clone()), setup.spec.agents());
        self.next_actions.resize(rows.len() * width, 0.0);
        for (setup, networks) in setup.groups.iter().zip(networks) {
            let (size, choices) = (setup.actor.outputs(), &setup.choices);
            self.own.clear();
            for view in &setup.views {
                view.gather_own(batch.next_observations(rows.clone()), rows.len(), &mut self.own);
            }
            self.act(&setup.actor, &networks.weights.actor_target, &networks.actor_target);
            let outputs = self.actor_activations.outputs();
            let masks = batch.next_masks(rows.clone());
            let choices_width = masks.len() / rows.len();
            for (member, (view, actions)) in
                setup.views.iter().zip(self.actions.chunks_exact(rows.len() * size)).enumerate()
            {
                let offset = view.own_action.start;
                for (row, action) in actions.chunks_exact(size).enumerate() {
                    let at = row * width + offset;
                    let next_action = &mut self.next_actions[at..at + size];
                    match acts.get(row * agents + view.slot) {
                        None | Some(NextAction::Chosen) => {}
                        Some(NextAction::Kept) => {
                            next_action.copy_from_slice(&batch.actions(rows.clone())[at..at + size]);
                            continue;
                        }
                        Some(NextAction::None) => {
                            next_action.fill(0.0);
                            continue;
                        }
                    }
                    let noise = &noise[at..at + size];
                    for ((next, action), noise) in
                        next_action.iter_mut().zip(&action[..choices.numbers]).zip(noise)
                    {
                        *next = (action + noise).clamp(-1.0, 1.0);
                    }
                    if !choices.branches.is_empty() {
                        let mask = &masks[row * choices_width..][view.own_choices.clone()];
                        let outputs = &outputs[(member * rows.len() + row) * size..][..size];
                        choices.draw(outputs, noise, mask, next_action);
                        choices.close_gates(next_action);
                    }
                }
            }
        }
    }

    /// Computes an actor's actions for the observations in `self.own`.
    fn act(&mut self, actor: &NetworkShape, parameters: &[f32], packed: &PackedNetwork) {
        let rows = self.own.len() / actor.inputs();
        forward(actor, parameters, packed, &self.own, rows, &mut self.actor_activations);
        let outputs = self.actor_activations.outputs();
        self.actions.resize(outputs.len(), 0.0);
        tanh(&mut self.actions, outputs);
    }

    /// Gathers the critics' current and next inputs for some rows of the batch.
    fn gather_inputs(&mut self, group: &GroupSetup, batch: &Batch, rows: Range<usize>) {
        self.inputs.clear();
        self.next_inputs.clear();
        for view in &group.views {
            let (now, next) = (batch.observations(rows.clone()), batch.next_observations(rows.clone()));
            let (present, present_next) = (batch.present(rows.clone()), batch.present_next(rows.clone()));
            view.gather(now, batch.actions(rows.clone()), present, rows.len(), &mut self.inputs);
            view.gather(next, &self.next_actions, present_next, rows.len(), &mut self.next_inputs);
        }
    }

    /// Computes the critics' regression targets: the reward plus, if something follows for the agent, the discounted
    /// minimum of the target critics' values.
    fn critic_targets(
        &mut self,
        index: usize,
        setup: &Setup,
        group: &GroupSetup,
        networks: &Networks,
        batch: &Batch,
        rows: Range<usize>,
    ) {
        let count = rows.len() * group.views.len();
        let parameters = networks.weights.critics_target.chunks_exact(group.critic.parameters());
        for (number, (parameters, packed)) in parameters.zip(&networks.critics_target).enumerate() {
            forward(&group.critic, parameters, packed, &self.next_inputs, count, &mut self.activations);
            let values = self.activations.outputs();
            if number == 0 {
                self.targets.clear();
                self.targets.extend_from_slice(values);
            } else {
                self.targets.iter_mut().zip(values).for_each(|(target, value)| *target = target.min(*value));
            }
        }
        self.weights.clear();
        for (&slot, targets) in group.group.slots.iter().zip(self.targets.chunks_exact_mut(rows.len())) {
            for (row, target) in rows.clone().zip(targets) {
                let place = row * setup.spec.agents() + slot;
                *target = batch.rewards[place] + batch.discounts[place] * *target;
                self.weights.push(batch.critic_weights[place]);
            }
        }
        let sums = &mut self.sums[index];
        let weighted = || self.targets.iter().zip(&self.weights);
        sums.target += weighted().map(|(target, weight)| weight * target).sum::<f32>();
        sums.squared_target += weighted().map(|(target, weight)| weight * target * target).sum::<f32>();
    }

    fn critic_gradient(
        &mut self,
        index: usize,
        group: &GroupSetup,
        networks: &Networks,
        batch: &Batch,
        add: bool,
    ) {
        let size = group.critic.parameters();
        let gradients = self.critic_gradients[index].chunks_exact_mut(size);
        let parameters = networks.weights.critics.chunks_exact(size);
        let packed = networks.critics.iter().zip(&networks.critics_backward);
        let scale = 2.0 / batch.totals[index].critic;
        let sums = &mut self.sums[index];
        for ((parameters, (packed, packed_backward)), gradient) in parameters.zip(packed).zip(gradients) {
            forward(
                &group.critic,
                parameters,
                packed,
                &self.inputs,
                self.targets.len(),
                &mut self.activations,
            );
            let values = self.activations.outputs();
            self.output_gradient.clear();
            for ((value, target), weight) in values.iter().zip(&self.targets).zip(&self.weights) {
                let error = weight * (value - target);
                sums.value += weight * value;
                sums.squared_error += error * error;
                self.output_gradient.push(scale * error);
            }
            let wanted = Wanted::Parameters { inputs: &self.inputs, gradient, add };
            backward(
                &group.critic,
                parameters,
                packed_backward,
                &self.activations,
                &self.output_gradient,
                wanted,
                &mut self.deltas,
            );
        }
    }
}

/// Splits the rows into chunks that give a network about [`CHUNK_ROWS`] rows each.
fn chunks(setup: &Setup, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let members = setup.groups.iter().map(|group| group.views.len()).max().unwrap_or(1);
    let step = (CHUNK_ROWS / members).max(1);
    (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
}

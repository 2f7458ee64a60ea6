//! The gradients of the actors.

use std::ops::Range;

use super::{Lane, chunks};
use crate::{
    learner::{
        batch::Batch,
        choices::{Branch, Branched},
        engine::{
            GroupSetup, Setup,
            cpu::{
                Networks,
                backward::{Deltas, Wanted, backward},
            },
        },
    },
    policy::{Activations, forward},
};

/// The first critic of a policy, which estimates the value of what the policy's actor does.
#[derive(Clone, Copy)]
struct FirstCritic<'a> {
    group: &'a GroupSetup,
    networks: &'a Networks,
}

impl<'a> FirstCritic<'a> {
    fn parameters(self) -> &'a [f32] {
        &self.networks.weights.critics[..self.group.critic.parameters()]
    }

    /// Computes the values of some rows of inputs, which are then the outputs of `activations`.
    fn values(self, inputs: &[f32], rows: usize, activations: &mut Activations) {
        let Self { group, networks } = self;
        forward(&group.critic, self.parameters(), &networks.critics[0], inputs, rows, activations);
    }

    /// Computes the gradient with respect to the actor's own action, `[rows, action_size]`, from the gradient with
    /// respect to the values.
    fn action_gradient(
        self,
        activations: &Activations,
        of_values: &[f32],
        gradient: &mut [f32],
        deltas: &mut Deltas,
    ) {
        let Self { group, networks } = self;
        let (packed, wanted) = (&networks.critics_backward[0], Wanted::Columns { gradient });
        backward(&group.critic, self.parameters(), packed, activations, of_values, wanted, deltas);
    }
}

impl Lane {
    /// Computes the gradients of all actors' losses over this lane's rows. Each actor maximizes its first critic's
    /// value for its own action and the other agents' replayed actions. A penalty keeps its numbers before tanh small.
    pub(in crate::learner::engine::cpu) fn actor_gradients(
        &mut self,
        setup: &Setup,
        networks: &[Networks],
        batch: &Batch,
    ) {
        for (number, rows) in chunks(setup, batch.rows).enumerate() {
            for (index, (group, networks)) in setup.groups.iter().zip(networks).enumerate() {
                self.actor_gradient(index, setup, group, networks, batch, rows.clone(), number > 0);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "called from only one place")]
    fn actor_gradient(
        &mut self,
        index: usize,
        setup: &Setup,
        group: &GroupSetup,
        networks: &Networks,
        batch: &Batch,
        rows: Range<usize>,
        add: bool,
    ) {
        let (total, choices) = (batch.totals[index].actor, &group.choices);
        self.gather_own(setup, group, batch, rows.clone());
        self.act(&group.actor, &networks.weights.actor, &networks.actor);
        self.play(setup, group, batch, rows);
        self.output_gradient.clear();
        self.output_gradient.extend(self.weights.iter().map(|weight| weight * (-1.0 / total)));
        let count = self.weights.len();
        self.action_gradient.resize(count * group.actor.outputs(), 0.0);
        if choices.needs_action_gradient() {
            self.climb(index, group, networks);
        }
        self.choice_values.resize(count * group.group.agent.action.choices(), 0.0);
        for branch in choices.branches.iter().filter(|branch| branch.is_exact) {
            self.evaluate_choices(group, networks, branch);
        }
        self.number_gradient(index, setup, group, total);
        for branch in &choices.branches {
            self.branch_gradient(index, setup, group, branch, total);
        }
        let wanted =
            Wanted::Parameters { inputs: &self.own, gradient: &mut self.actor_gradients[index], add };
        backward(
            &group.actor,
            &networks.weights.actor,
            &networks.actor_backward,
            &self.actor_activations,
            &self.action_gradient,
            wanted,
            &mut self.deltas,
        );
    }

    /// Gathers what an actor and its first critic read at the replayed decisions of some rows.
    fn gather_own(&mut self, setup: &Setup, group: &GroupSetup, batch: &Batch, rows: Range<usize>) {
        let (observations, actions) = (batch.observations(rows.clone()), batch.actions(rows.clone()));
        let (present, agents) = (batch.present(rows.clone()), setup.spec.agents());
        self.own.clear();
        self.inputs.clear();
        self.weights.clear();
        self.masks.clear();
        for view in &group.views {
            view.gather_masks(batch.masks(rows.clone()), rows.len(), &mut self.masks);
            view.gather_own(observations, rows.len(), &mut self.own);
            view.gather(observations, actions, present, rows.len(), &mut self.inputs);
            self.weights.extend(rows.clone().map(|row| batch.actor_weights[row * agents + view.slot]));
        }
    }

    /// Replaces the actor's own actions in the inputs of its critic by those that it outputs now, smoothed with the same noise as the
    /// critics' regression targets.
    fn play(&mut self, setup: &Setup, group: &GroupSetup, batch: &Batch, rows: Range<usize>) {
        let (size, choices) = (group.actor.outputs(), &group.choices);
        let outputs = self.actor_activations.outputs();
        let columns = group.action_columns();
        let width = setup.spec.joint_action_size();
        let noise = &batch.noise[rows.start * width..rows.end * width];
        let noise = group
            .views
            .iter()
            .flat_map(|view| noise.chunks_exact(width).map(|row| &row[view.own_action.clone()]));
        let inputs = self.inputs.chunks_exact_mut(group.critic.inputs());
        for ((row, action), noise) in inputs.zip(self.actions.chunks_exact(size)).zip(noise.clone()) {
            for ((input, action), noise) in
                row[columns.clone()].iter_mut().zip(&action[..choices.numbers]).zip(noise)
            {
                *input = (action + noise).clamp(-1.0, 1.0);
            }
        }
        if !choices.branches.is_empty() {
            self.open_numbers.clear();
            let inputs = self.inputs.chunks_exact_mut(group.critic.inputs());
            let masks = self.masks.chunks_exact(group.group.agent.action.choices());
            for (((row, outputs), mask), noise) in
                inputs.zip(outputs.chunks_exact(size)).zip(masks).zip(noise)
            {
                let action = &mut row[columns.clone()];
                self.open_numbers.extend_from_slice(&action[..choices.numbers]);
                choices.draw(outputs, noise, mask, action);
                choices.close_gates(action);
            }
        }
    }

    /// Computes the gradient of the actor's loss with respect to its actions.
    fn climb(&mut self, index: usize, group: &GroupSetup, networks: &Networks) {
        let critic = FirstCritic { group, networks };
        critic.values(&self.inputs, self.weights.len(), &mut self.activations);
        let gradient = &mut self.action_gradient;
        critic.action_gradient(&self.activations, &self.output_gradient, gradient, &mut self.deltas);
        let values = self.activations.outputs();
        self.sums[index].climbed_value +=
            values.iter().zip(&self.weights).map(|(value, weight)| weight * value).sum::<f32>();
    }

    /// Turns the gradient with respect to the actions into that with respect to the numbers before tanh.
    fn number_gradient(&mut self, index: usize, setup: &Setup, group: &GroupSetup, total: f32) {
        let (size, choices) = (group.actor.outputs(), &group.choices);
        let start = group.action_columns().start;
        let outputs = self.actor_activations.outputs();
        let penalty = 2.0 * setup.config.action_penalty / (total * choices.numbers.max(1) as f32);
        let sums = &mut self.sums[index];
        let gradients = self.action_gradient.chunks_exact_mut(size).zip(&self.weights);
        let acted = self.actions.chunks_exact(size).zip(outputs.chunks_exact(size));
        let inputs = self.inputs.chunks_exact(group.critic.inputs());
        for (((gradients, weight), (actions, outputs)), input) in gradients.zip(acted).zip(inputs) {
            for gate in choices.gates.iter().filter(|gate| !gate.is_exact) {
                gradients[gate.number] *= input[start + gate.choice];
            }
            for ((gradient, action), output) in
                gradients.iter_mut().zip(actions).zip(outputs).take(choices.numbers)
            {
                *gradient = *gradient * (1.0 - action * action) + weight * penalty * output;
                sums.squared_output += weight * output * output;
                sums.saturated += if action.abs() > 0.95 { *weight } else { 0.0 };
            }
        }
    }

    /// Evaluates the first critic at each choice of a branch, with everything else of the inputs held fixed. For the numbers
    /// that belong to a choice, writes the gradient there to `action_gradient`.
    fn evaluate_choices(&mut self, group: &GroupSetup, networks: &Networks, branch: &Branch) {
        let (choices, start) = (&group.choices, group.action_columns().start);
        let critic = FirstCritic { group, networks };
        let (width, count) = (group.critic.inputs(), self.weights.len());
        let size = group.actor.outputs();
        let masks = group.group.agent.action.choices();
        self.spare.clear();
        self.spare.extend_from_slice(&self.inputs);
        for choice in branch.columns.clone() {
            for (row, input) in self.spare.chunks_exact_mut(width).enumerate() {
                let action = &mut input[start..start + size];
                action[branch.columns.clone()].fill(0.0);
                action[choice] = 1.0;
                if !choices.gates.is_empty() {
                    let numbers = row * choices.numbers..(row + 1) * choices.numbers;
                    action[..choices.numbers].copy_from_slice(&self.open_numbers[numbers]);
                    choices.close_gates(action);
                }
            }
            critic.values(&self.spare, count, &mut self.activations);
            let place = choice - choices.numbers;
            self.choice_values[place * count..(place + 1) * count]
                .copy_from_slice(self.activations.outputs());
            if !choices.has_numbers_of(choice) {
                continue;
            }
            self.gate_gradient.resize(count * size, 0.0);
            let gradient = &mut self.gate_gradient;
            critic.action_gradient(&self.activations, &self.output_gradient, gradient, &mut self.deltas);
            for gate in choices.gates.iter().filter(|gate| gate.choice == choice) {
                let numbers = (gate.number..count * size).step_by(size);
                for (row, number) in numbers.enumerate() {
                    // With a choice that is not possible, the value of a number is unknown.
                    let is_possible = self.masks[row * masks + place] != 0.0;
                    self.action_gradient[number] = if is_possible { self.gate_gradient[number] } else { 0.0 };
                }
            }
        }
    }

    /// Computes the gradient of the actor's loss with respect to the logits of one branch. For an exact branch, the values
    /// of its choices are in `choice_values`; for another, the gradient with respect to the action in `action_gradient`.
    fn branch_gradient(
        &mut self,
        index: usize,
        setup: &Setup,
        group: &GroupSetup,
        branch: &Branch,
        total: f32,
    ) {
        let (size, count) = (group.actor.outputs(), self.weights.len());
        let (width, start) = (group.critic.inputs(), group.action_columns().start);
        let masks = group.group.agent.action.choices();
        let is_climbed =
            !group.choices.needs_action_gradient() && group.choices.branches.first() == Some(branch);
        let sums = &mut self.sums[index];
        for (row, weight) in self.weights.iter().enumerate() {
            let own = row * size + branch.columns.start..row * size + branch.columns.end;
            let gradient = &mut self.action_gradient[own.clone()];
            let branched = Branched {
                logits: &self.actor_activations.outputs()[own],
                mask: &self.masks[row * masks + branch.mask.start..row * masks + branch.mask.end],
                entropy: setup.config.choice_entropy,
            };
            let penalty = setup.config.logit_penalty;
            let entropy = if branch.is_exact {
                let values = &self.choice_values[branch.mask.start * count..branch.mask.end * count];
                let values = values.iter().skip(row).step_by(count).copied();
                let (value, entropy) = branched.exact(values, weight / total, gradient);
                sums.climbed_value += if is_climbed { weight * value } else { 0.0 };
                entropy
            } else {
                let drawn = &self.inputs[row * width + start..][branch.columns.clone()];
                branched.straight_through(drawn, weight / total, gradient, &mut self.spare)
            };
            let mut squares = 0.0;
            for (slope, logit) in gradient.iter_mut().zip(branched.logits) {
                *slope += weight / total * 2.0 * penalty * logit;
                squares += logit * logit;
            }
            sums.climbed_value += weight * (entropy - penalty * squares);
        }
    }
}

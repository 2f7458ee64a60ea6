//! The gradient of the actors' losses with respect to the actors' outputs.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

use super::{
    choices::{self, Parts},
    columns,
    network::{DeviceNetwork, Kept, Wanted},
};
use crate::learner::{
    LearnerConfig,
    choices::{Branch, Choices},
    engine::GroupSetup,
};

/// The loss of an actor: the value that its first critic gives to its actions, the penalties on its outputs, and the entropy of its
/// choices.
pub(super) struct ActorLoss<'a> {
    pub(super) config: &'a LearnerConfig,
    pub(super) choices: &'a Choices,
    pub(super) critic: FirstCritic<'a>,
    /// The actor's outputs, `[rows, outputs]`, and the actions that are played.
    pub(super) outputs: Tensor,
    pub(super) played: Parts,
    pub(super) masks: Option<Tensor>,
    /// The weight of each row, `[rows, 1]`, and their sum.
    pub(super) weights: Tensor,
    pub(super) total: f32,
}

/// An actor's first critic, which estimates the value of the actor's action together with the others' replayed actions,
/// for the rows of a minibatch.
pub(super) struct FirstCritic<'a> {
    network: &'a DeviceNetwork,
    parameters: Tensor,
    choices: &'a Choices,
    /// The columns of the actor's own action among the inputs, and the inputs before and after it.
    own: Range<usize>,
    before: Tensor,
    after: Option<Tensor>,
}

/// What is measured of a loss, as tensors that have not been read back.
pub(super) struct Measured {
    /// What the actor maximizes, `[rows, 1]` each.
    climbed: Vec<Tensor>,
    /// The squared numbers before tanh and whether they are saturated, weighted.
    numbers: Option<[Tensor; 2]>,
}

/// The gradient for a choice that has numbers of its own, if this choice is made: the choice's column, its mask, and
/// the gradient.
type OfChoice = (usize, Tensor, Tensor);

impl<'a> FirstCritic<'a> {
    /// `critics` are the parameters of all critics of the group, and `inputs` their inputs at the replayed actions.
    pub(super) fn new(
        group: &'a GroupSetup,
        network: &'a DeviceNetwork,
        critics: &Tensor,
        inputs: &Tensor,
    ) -> Result<Self> {
        let (own, width) = (group.action_columns(), group.critic.inputs());
        Ok(Self {
            network,
            parameters: group.critic_part(critics, 0)?,
            choices: &group.choices,
            before: columns(inputs, 0..own.start)?,
            after: (own.end < width).then(|| columns(inputs, own.end..width)).transpose()?,
            own,
        })
    }

    /// The values of actions, `[rows, 1]`.
    fn values(&self, actions: &Parts) -> Result<(Tensor, Kept)> {
        let actions = actions.join(self.choices)?;
        let parts: Vec<&Tensor> = [&self.before, &actions].into_iter().chain(&self.after).collect();
        self.network.forward(&self.parameters, &Tensor::cat(&parts, 1)?)
    }

    /// The gradient with respect to the actions, `[rows, action_size]`, from that of their values.
    fn action_gradient(&self, kept: &Kept, of_values: Tensor) -> Result<Tensor> {
        self.network.backward(
            &self.parameters,
            kept,
            of_values,
            Wanted::Columns { columns: self.own.clone() },
        )
    }
}

impl ActorLoss<'_> {
    /// The gradient with respect to the actor's outputs, `[rows, outputs]`, and what can be measured.
    pub(super) fn gradient(&self) -> Result<(Tensor, Measured)> {
        let mut measured = Measured { climbed: Vec::new(), numbers: None };
        let mut action_gradient = None;
        if self.choices.needs_action_gradient() {
            let (values, kept) = self.critic.values(&self.played)?;
            let climb = (&self.weights * f64::from(-1.0 / self.total))?;
            action_gradient = Some(self.critic.action_gradient(&kept, climb)?);
            measured.climbed.push(values);
        }
        let scaled = (&self.weights / f64::from(self.total))?;
        let (mut of_branches, mut of_choices) = (Vec::new(), Vec::new());
        for (number, branch) in self.choices.branches.iter().enumerate() {
            let gradient =
                self.of_branch(number, branch, action_gradient.as_ref(), &scaled, &mut of_choices)?;
            let is_first = measured.climbed.is_empty();
            measured.climbed.extend(gradient.value.filter(|_| is_first));
            measured.climbed.push(gradient.entropy);
            let logits = columns(&self.outputs, branch.columns.clone())?;
            let penalty = f64::from(self.config.logit_penalty);
            measured.climbed.push((logits.sqr()?.sum_keepdim(1)? * -penalty)?);
            of_branches.push((gradient.logits + (logits * (2.0 * penalty))?.broadcast_mul(&scaled)?)?);
        }
        let mut gradient = Vec::new();
        if self.choices.numbers > 0 {
            let (of_numbers, numbers) = self.of_numbers(action_gradient.as_ref(), &of_choices)?;
            gradient.push(of_numbers);
            measured.numbers = Some(numbers);
        }
        gradient.extend(of_branches);
        Ok((Tensor::cat(&gradient, 1)?, measured))
    }

    /// The gradient with respect to the logits of a branch. For an exact branch, every choice is evaluated, and the gradients of
    /// choices that have numbers are added to `of_choices`.
    fn of_branch(
        &self,
        number: usize,
        branch: &Branch,
        action_gradient: Option<&Tensor>,
        scaled: &Tensor,
        of_choices: &mut Vec<OfChoice>,
    ) -> Result<choices::Gradient> {
        let masks = self.masks.as_ref().expect("branches have masks");
        let alpha = f64::from(self.config.choice_entropy);
        if let Some(gradient) = action_gradient.filter(|_| !branch.is_exact) {
            let slopes = columns(gradient, branch.columns.clone())?;
            let drawn = &self.played.drawn[number];
            return choices::straight_through(branch, &self.outputs, masks, drawn, &slopes, scaled, alpha);
        }
        let (rows, size) = (self.weights.dim(0)?, branch.columns.len());
        let mut values = Vec::new();
        for (place, choice) in branch.columns.clone().enumerate() {
            let mut one_hot = vec![0.0_f32; rows * size];
            one_hot.iter_mut().skip(place).step_by(size).for_each(|x| *x = 1.0);
            let one_hot = Tensor::from_vec(one_hot, (rows, size), self.outputs.device())?;
            let (value, kept) = self.critic.values(&self.played.with(number, one_hot))?;
            values.push(value);
            if self.choices.has_numbers_of(choice) {
                let mask = choices::mask_of(self.choices, choice, masks)?;
                of_choices.push((choice, mask, self.critic.action_gradient(&kept, scaled.neg()?)?));
            }
        }
        choices::exact(branch, &self.outputs, masks, &Tensor::cat(&values, 1)?, scaled, alpha)
    }

    /// The gradient with respect to the numbers before tanh, and what is measured of them.
    fn of_numbers(
        &self,
        action_gradient: Option<&Tensor>,
        of_choices: &[OfChoice],
    ) -> Result<(Tensor, [Tensor; 2])> {
        let numbers = self.choices.numbers;
        let outputs = columns(&self.outputs, 0..numbers)?;
        let actions = outputs.tanh()?;
        let ones = Tensor::ones((1, numbers), self.weights.dtype(), self.weights.device())?;
        let wide = self.weights.matmul(&ones)?;
        let slope = actions.sqr()?.affine(-1.0, 1.0)?;
        let gradient = match action_gradient {
            Some(gradient) if self.choices.gates.is_empty() => columns(gradient, 0..numbers)?,
            gradient => self.played.through_gates(gradient, of_choices, self.choices)?,
        };
        let of_penalty = (&outputs * &wide)?.affine(2.0 * self.penalty(), 0.0)?;
        let saturated = actions.abs()?.gt(0.95)?.to_dtype(DType::F32)?;
        let gradient = ((gradient * slope)? + of_penalty)?;
        Ok((gradient, [(&wide * outputs.sqr()?)?, (wide * saturated)?]))
    }

    /// The sum of the weights of all numbers.
    fn count(&self) -> f64 {
        f64::from(self.total) * self.choices.numbers.max(1) as f64
    }

    /// The penalty on the square of a number before tanh.
    fn penalty(&self) -> f64 {
        f64::from(self.config.action_penalty) / self.count()
    }

    /// The loss, and the share of the numbers that are saturated.
    pub(super) fn measure(&self, Measured { climbed, numbers }: Measured) -> Result<(f32, f32)> {
        let sum = |numbers: Tensor| numbers.sum_all()?.to_scalar::<f32>();
        let (mut loss, mut saturation) = (0.0, 0.0);
        if let Some([squares, saturated]) = numbers {
            loss = self.penalty() as f32 * sum(squares)?;
            saturation = sum(saturated)? / self.count() as f32;
        }
        for climbed in climbed {
            loss -= sum((&self.weights * climbed)?)? / self.total;
        }
        Ok((loss, saturation))
    }
}

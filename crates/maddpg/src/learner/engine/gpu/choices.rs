//! Choices in branches, as in [`crate::learner::choices`], with candle's tensors.

use candle_core::{D, Result, Tensor};

use crate::learner::choices::{Branch, Choices, GAP, Gate, TEMPERATURE};

/// The mask of one choice, a column of the action, `[rows, 1]`.
pub(super) fn mask_of(choices: &Choices, choice: usize, masks: &Tensor) -> Result<Tensor> {
    masks.narrow(1, choice - choices.numbers, 1)
}

/// Added to the logits of choices that are not possible.
const IMPOSSIBLE: f64 = 1e30;

/// The action of each row in parts: the numbers before gates are closed, and the one-hot vector of each branch.
pub(super) struct Parts {
    pub(super) numbers: Option<Tensor>,
    pub(super) drawn: Vec<Tensor>,
}

impl Parts {
    /// The actions, `[rows, action_size]`, with closed gates.
    pub(super) fn join(&self, choices: &Choices) -> Result<Tensor> {
        let numbers = match &self.numbers {
            Some(numbers) if !choices.gates.is_empty() => {
                let columns = (0..choices.numbers).map(|number| {
                    let column = numbers.narrow(1, number, 1)?;
                    match choices.gates.iter().find(|gate| gate.number == number) {
                        Some(gate) => column * self.gate(choices, gate)?,
                        None => Ok(column),
                    }
                });
                Some(Tensor::cat(&columns.collect::<Result<Vec<_>>>()?, 1)?)
            }
            numbers => numbers.clone(),
        };
        let parts: Vec<&Tensor> = numbers.iter().chain(&self.drawn).collect();
        Tensor::cat(&parts, 1)
    }

    /// The gradient with respect to the numbers, `[rows, numbers]`. For the numbers of an exact choice, it is the gradient
    /// for that choice, from `of_choices`, which has one entry for each such choice: its column, its mask and its gradient.
    /// For the other numbers, it is the gradient with respect to the drawn action, times the gates.
    pub(super) fn through_gates(
        &self,
        gradient: Option<&Tensor>,
        of_choices: &[(usize, Tensor, Tensor)],
        choices: &Choices,
    ) -> Result<Tensor> {
        let columns = (0..choices.numbers).map(|number| {
            let gate = choices.gates.iter().find(|gate| gate.number == number);
            let exact = gate.filter(|gate| gate.is_exact);
            let of_choice =
                exact.and_then(|gate| of_choices.iter().find(|(choice, ..)| *choice == gate.choice));
            if let Some((_, mask, gradient)) = of_choice {
                return gradient.narrow(1, number, 1)? * mask;
            }
            let column =
                gradient.expect("these numbers are learned where they are drawn").narrow(1, number, 1)?;
            match gate {
                Some(gate) => column * self.gate(choices, gate)?,
                None => Ok(column),
            }
        });
        Tensor::cat(&columns.collect::<Result<Vec<_>>>()?, 1)
    }

    /// Whether the choice that a number needs was made, `[rows, 1]`.
    fn gate(&self, choices: &Choices, gate: &Gate) -> Result<Tensor> {
        let of_branch = |branch: &Branch| branch.columns.contains(&gate.choice);
        let branch = choices.branches.iter().position(of_branch).expect("a gate belongs to a branch");
        self.drawn[branch].narrow(1, gate.choice - choices.branches[branch].columns.start, 1)
    }

    /// The same actions with another one-hot vector in one branch.
    pub(super) fn with(&self, branch: usize, one_hot: Tensor) -> Self {
        let mut drawn = self.drawn.clone();
        drawn[branch] = one_hot;
        Self { numbers: self.numbers.clone(), drawn }
    }
}

/// The one-hot vector of the choice drawn in a branch: the most likely one after the noise was added.
pub(super) fn draw(branch: &Branch, outputs: &Tensor, noise: &Tensor, masks: &Tensor) -> Result<Tensor> {
    let columns = |tensor: &Tensor| tensor.narrow(1, branch.columns.start, branch.columns.len());
    let noisy = ((columns(outputs)? + columns(noise)?)? + penalty(&of_branch(branch, masks)?)?)?;
    noisy.broadcast_eq(&noisy.max_keepdim(D::Minus1)?)?.to_dtype(outputs.dtype())
}

/// The mask of one branch, `[rows, choices]`.
fn of_branch(branch: &Branch, masks: &Tensor) -> Result<Tensor> {
    masks.narrow(1, branch.mask.start, branch.mask.len())
}

/// 0 for possible choices, very low for the others.
fn penalty(mask: &Tensor) -> Result<Tensor> {
    mask.affine(IMPOSSIBLE, -IMPOSSIBLE)
}

fn softmax(logits: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let logits = (logits + penalty(mask)?)?;
    let exponentials = (logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()? * mask)?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

/// The entropy of each row, `[rows, 1]`, and the logarithms of the probabilities; 0 for those of impossible choices.
fn entropy(probabilities: &Tensor) -> Result<(Tensor, Tensor)> {
    let is_zero = probabilities.le(0.0)?.to_dtype(probabilities.dtype())?;
    let logarithms = (probabilities + is_zero)?.log()?;
    let entropy = (probabilities * &logarithms)?.sum_keepdim(D::Minus1)?.neg()?;
    Ok((entropy, logarithms))
}

/// The gradient of the actor's loss with respect to the logits of a branch, `[rows, choices]`, and what each row of the
/// branch contributes to what the actor maximizes, `[rows, 1]`: the expected value, and the entropy times its weight.
pub(super) struct Gradient {
    pub(super) logits: Tensor,
    pub(super) value: Option<Tensor>,
    pub(super) entropy: Tensor,
}

/// The gradient of the exact expectation. `values` are the critic's values of the choices, `[rows, choices]`; `weights` is
/// `[rows, 1]`.
pub(super) fn exact(
    branch: &Branch,
    outputs: &Tensor,
    masks: &Tensor,
    values: &Tensor,
    weights: &Tensor,
    alpha: f64,
) -> Result<Gradient> {
    let logits = outputs.narrow(1, branch.columns.start, branch.columns.len())?;
    let probabilities = softmax(&logits, &of_branch(branch, masks)?)?;
    let (entropy, logarithms) = entropy(&probabilities)?;
    let expected = (&probabilities * values)?.sum_keepdim(D::Minus1)?;
    let of_entropy = (logarithms.broadcast_add(&entropy)? * alpha)?;
    let slopes = (values.neg()?.broadcast_add(&expected)? + of_entropy)?;
    let gradient = (probabilities * slopes)?.broadcast_mul(weights)?;
    Ok(Gradient { logits: gradient, value: Some(expected), entropy: (entropy * alpha)? })
}

/// The gradient by the gapped straight-through estimator. `slopes` is the gradient of the loss with respect to the
/// one-hot vector.
pub(super) fn straight_through(
    branch: &Branch,
    outputs: &Tensor,
    masks: &Tensor,
    drawn: &Tensor,
    slopes: &Tensor,
    weights: &Tensor,
    alpha: f64,
) -> Result<Gradient> {
    let logits = outputs.narrow(1, branch.columns.start, branch.columns.len())?;
    let mask = of_branch(branch, masks)?;
    let probabilities = softmax(&logits, &mask)?;
    let (entropy, logarithms) = entropy(&probabilities)?;
    let of_entropy =
        (probabilities * (logarithms.broadcast_add(&entropy)? * alpha)?)?.broadcast_mul(weights)?;
    let largest = (&logits + penalty(&mask)?)?.max_keepdim(D::Minus1)?;
    let raised = (drawn * logits.neg()?.broadcast_add(&largest)?)?;
    let lowered =
        (logits.affine(1.0, f64::from(GAP))?.broadcast_sub(&largest)?.relu()? * drawn.affine(-1.0, 1.0)?)?;
    let surrogate = softmax(&(((logits + raised)? - lowered)? / f64::from(TEMPERATURE))?, &mask)?;
    let mean = (&surrogate * slopes)?.sum_keepdim(D::Minus1)?;
    let gradient = (surrogate * slopes.broadcast_sub(&mean)?)?.affine(1.0 / f64::from(TEMPERATURE), 0.0)?;
    Ok(Gradient { logits: (gradient + of_entropy)?, value: None, entropy: (entropy * alpha)? })
}

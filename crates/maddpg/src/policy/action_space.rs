use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// What an agent can do at a decision. Its action consists of numbers, each from -1 to 1, and of branches, in each of
/// which it makes one of several choices.
///
/// As a vector, an action has [`size`](Self::size) elements: first the numbers, then one element for each choice of
/// each branch. The element of the choice that was made is 1 and those of the others are 0 (one-hot).
///
/// ```
/// use maddpg::policy::ActionSpace;
///
/// let space = ActionSpace::default()
///     .with_number("aim")
///     .with_branch("move", ["left", "right"])
///     .with_branch("throw", ["no", "yes"])
///     .only_with("aim", "throw", "yes");
/// assert_eq!((space.numbers(), space.choices(), space.size()), (1, 4, 5));
/// assert_eq!(space.columns(1), 3..5);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpace {
    numbers: usize,
    /// The names of the numbers; empty if the game gave none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    branches: Vec<Branch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gates: Vec<Gate>,
}

/// A set of choices, one of which is made at each decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The name of the branch.
    pub name: String,
    /// The names of the choices, at least one.
    pub choices: Vec<String>,
}

/// A number that is used only if a certain choice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    number: usize,
    branch: usize,
    choice: usize,
}

impl ActionSpace {
    /// A space of `count` numbers without names.
    pub fn of_numbers(count: usize) -> Self {
        Self { numbers: count, ..Self::default() }
    }

    /// Adds a number with a name.
    ///
    /// # Panics
    /// If the space has numbers without names.
    #[must_use]
    pub fn with_number(mut self, name: impl Into<String>) -> Self {
        self.push_number(name);
        self
    }

    /// As [`with_number`](Self::with_number).
    pub fn push_number(&mut self, name: impl Into<String>) {
        assert_eq!(self.names.len(), self.numbers, "all numbers of an action space have names, or none");
        self.numbers += 1;
        self.names.push(name.into());
    }

    /// Adds a branch with these choices, at least one.
    #[must_use]
    pub fn with_branch(
        mut self,
        name: impl Into<String>,
        choices: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.push_branch(name, choices);
        self
    }

    /// As [`with_branch`](Self::with_branch). Returns the index of the branch.
    pub fn push_branch(
        &mut self,
        name: impl Into<String>,
        choices: impl IntoIterator<Item = impl Into<String>>,
    ) -> usize {
        let choices = choices.into_iter().map(Into::into).collect();
        self.branches.push(Branch { name: name.into(), choices });
        self.branches.len() - 1
    }

    /// Uses these numbers only if this choice is made in this branch, as [`only_with`](Self::only_with) does by name.
    pub fn give_numbers(&mut self, numbers: Range<usize>, branch: usize, choice: usize) {
        self.gates.extend(numbers.map(|number| Gate { number, branch, choice }));
    }

    /// Adds a branch whose `count` choices are called 0, 1, 2 and so on.
    #[must_use]
    pub fn with_choices(self, name: impl Into<String>, count: usize) -> Self {
        self.with_branch(name, (0..count).map(|choice| choice.to_string()))
    }

    /// Uses a number only if this choice is made in this branch. If another choice is made, the number is 0, and the
    /// policy does not learn it.
    ///
    /// # Panics
    /// If there is no such number, branch or choice, or if the number already belongs to a choice.
    #[must_use]
    pub fn only_with(mut self, number: &str, branch: &str, choice: &str) -> Self {
        let number = self.names.iter().position(|name| name == number).expect("a number of the space");
        let (branch, choice) = self.find(branch, choice).expect("a branch and a choice of the space");
        assert!(self.gates.iter().all(|gate| gate.number != number), "a number belongs to one choice");
        self.gates.push(Gate { number, branch, choice });
        self
    }

    /// How many numbers an action has, without the choices.
    pub fn numbers(&self) -> usize {
        self.numbers
    }

    /// The names of the numbers; empty if they have no names.
    pub fn number_names(&self) -> &[String] {
        &self.names
    }

    /// The branches.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// Number of choices in all branches together.
    pub fn choices(&self) -> usize {
        self.branches.iter().map(|branch| branch.choices.len()).sum()
    }

    /// Length of an action as a vector.
    pub fn size(&self) -> usize {
        self.numbers + self.choices()
    }

    /// Where the choices of a branch are in an action as a vector.
    ///
    /// # Panics
    /// If there is no such branch.
    pub fn columns(&self, branch: usize) -> Range<usize> {
        let mask = self.mask_columns(branch);
        self.numbers + mask.start..self.numbers + mask.end
    }

    /// Where the choices of a branch are in a mask, which has one number per choice.
    ///
    /// # Panics
    /// If there is no such branch.
    pub fn mask_columns(&self, branch: usize) -> Range<usize> {
        let start = self.branches[..branch].iter().map(|branch| branch.choices.len()).sum::<usize>();
        start..start + self.branches[branch].choices.len()
    }

    /// The indices of the branch and of the choice with these names. If there are none, the error lists the existing
    /// names.
    pub fn find(&self, branch: &str, choice: &str) -> Result<(usize, usize), String> {
        let names = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let Some(index) = self.branches.iter().position(|known| known.name == branch) else {
            let known = names(&mut self.branches.iter().map(|branch| &branch.name));
            return Err(format!("there is no branch `{branch}`, only {known}"));
        };
        let choices = &self.branches[index].choices;
        match choices.iter().position(|known| known == choice) {
            Some(choice) => Ok((index, choice)),
            None => {
                let known = names(&mut choices.iter());
                Err(format!("the branch `{branch}` has no choice `{choice}`, only {known}"))
            }
        }
    }

    /// The numbers that are used only with a choice: the column of the number, and the column of the choice.
    pub(crate) fn gates(&self) -> impl Iterator<Item = (usize, usize)> {
        self.gates.iter().map(|gate| (gate.number, self.columns(gate.branch).start + gate.choice))
    }

    /// Sets those numbers to 0 that belong to a choice that was not made. `action` is one action as a vector.
    pub fn close_gates(&self, action: &mut [f32]) {
        for (number, choice) in self.gates() {
            action[number] *= action[choice];
        }
    }

    /// The name of each element of an action as a vector, such as "aim" or "move: left".
    pub fn names(&self) -> Vec<String> {
        let numbers = (0..self.numbers).map(|index| match self.names.get(index) {
            Some(name) => name.clone(),
            None => index.to_string(),
        });
        let choices = self
            .branches
            .iter()
            .flat_map(|branch| branch.choices.iter().map(|choice| format!("{}: {choice}", branch.name)));
        numbers.chain(choices).collect()
    }

    /// Checks that the names and the gates match the numbers and the branches.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { numbers, names, branches, gates } = self;
        if !names.is_empty() && names.len() != *numbers {
            return Err(format!("it has {} names for {numbers} numbers", names.len()));
        }
        if let Some(branch) = branches.iter().find(|branch| branch.choices.is_empty()) {
            return Err(format!("its branch `{}` has no choices", branch.name));
        }
        let is_wrong = |gate: &&Gate| {
            gate.number >= *numbers
                || branches.get(gate.branch).is_none_or(|branch| gate.choice >= branch.choices.len())
        };
        if let Some(gate) = gates.iter().find(is_wrong) {
            return Err(format!("its number {} belongs to a choice that does not exist", gate.number));
        }
        let mut gated: Vec<usize> = gates.iter().map(|gate| gate.number).collect();
        gated.sort_unstable();
        match gated.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("its number {} belongs to two choices", pair[0])),
            None => Ok(()),
        }
    }

    /// How this space differs from `other`; `None` if both are the same. Names are compared only if both have them.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if self.numbers != other.numbers {
            return Some(format!("{} numbers instead of {}", self.numbers, other.numbers));
        }
        // Without names on one side, there is nothing to compare.
        if let Some((ours, theirs)) = self.names.iter().zip(&other.names).find(|(a, b)| a != b) {
            return Some(format!("the number `{ours}` instead of `{theirs}`"));
        }
        if self.branches.len() != other.branches.len() {
            return Some(format!("{} branches instead of {}", self.branches.len(), other.branches.len()));
        }
        if let Some((ours, theirs)) = self.branches.iter().zip(&other.branches).find(|(a, b)| a != b) {
            return Some(format!("{ours} instead of {theirs}"));
        }
        (self.gates != other.gates).then(|| "numbers that belong to other choices".into())
    }

    /// Whether it is a space of numbers without names.
    pub(crate) fn is_plain(&self) -> bool {
        self.names.is_empty() && self.branches.is_empty()
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, choices } = self;
        match choices.len() {
            0..9 => write!(f, "`{name}` ({})", choices.join(", ")),
            count => write!(f, "`{name}` ({count} choices)"),
        }
    }
}

impl fmt::Display for ActionSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (self.numbers > 0 || self.branches.is_empty()).then(|| self.numbers.to_string());
        let parts: Vec<String> =
            numbers.into_iter().chain(self.branches.iter().map(Branch::to_string)).collect();
        f.write_str(&parts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ActionSpace {
        ActionSpace::default()
            .with_number("aim")
            .with_branch("move", ["left", "right"])
            .with_branch("throw", ["no", "yes"])
            .only_with("aim", "throw", "yes")
    }

    #[test]
    fn a_number_counts_only_with_its_choice() {
        let mut action = [0.5, 1.0, 0.0, 1.0, 0.0];
        space().close_gates(&mut action);
        assert_eq!(action[0], 0.0);
        let mut action = [0.5, 1.0, 0.0, 0.0, 1.0];
        space().close_gates(&mut action);
        assert_eq!(action[0], 0.5);
        assert_eq!(space().names(), ["aim", "move: left", "move: right", "throw: no", "throw: yes"]);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        assert_eq!(space().find("throw", "yes"), Ok((1, 1)));
        assert_eq!(
            space().find("thow", "yes").unwrap_err(),
            "there is no branch `thow`, only `move`, `throw`"
        );
        assert!(space().find("move", "up").unwrap_err().contains("only `left`, `right`"));
    }

    #[test]
    fn differences_are_named() {
        let other = ActionSpace::default().with_number("aim").with_branch("move", ["left", "right"]);
        assert_eq!(space().difference(&space()), None);
        assert_eq!(space().difference(&other).unwrap(), "2 branches instead of 1");
        let plain = ActionSpace::of_numbers(2);
        assert_eq!(plain.difference(&ActionSpace::of_numbers(3)).unwrap(), "2 numbers instead of 3");
        let named = ActionSpace::default().with_number("x").with_number("y");
        assert_eq!(plain.difference(&named), None);
        assert_eq!(space().to_string(), "1 and `move` (left, right) and `throw` (no, yes)");
    }
}

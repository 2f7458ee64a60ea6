use bevy::prelude::*;

/// A parameter that a game declares: its name, its default and the values that the game permits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// The name, such as `gravity`.
    pub name: &'static str,
    /// The value in episodes for which no other value is drawn.
    pub default: f32,
    /// The lowest and the highest value with which the game works. Drawn values are clamped to this range.
    pub range: [f32; 2],
}

impl Parameter {
    /// A parameter with this name, default, and lowest and highest value.
    pub const fn new(name: &'static str, default: f32, range: [f32; 2]) -> Self {
        Self { name, default, range }
    }

    /// The value of this parameter in an episode with these `parameters`. Its default if there are none, or if they do not contain it.
    pub fn of(&self, parameters: Option<&Parameters>) -> f32 {
        parameters.and_then(|parameters| parameters.get(self.name)).unwrap_or(self.default)
    }
}

/// The values of the game's parameters in an arena's episode. [`ParametersPlugin`](super::ParametersPlugin) inserts this component on the
/// arena, and draws new values right before the systems in [`Reset`](crate::rollout::Reset) run.
#[derive(Component, Reflect, Debug, Clone, Default, PartialEq)]
#[reflect(Component)]
pub struct Parameters {
    pub(super) values: Vec<(&'static str, f32)>,
    pub(super) lesson: usize,
}

impl Parameters {
    /// The value of a parameter; `None` if the game has not declared it.
    pub fn get(&self, name: &str) -> Option<f32> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Names and values, in the order in which the game declares them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f32)> {
        self.values.iter().copied()
    }

    /// The index of the lesson in which they were drawn; 0 without lessons.
    pub fn lesson(&self) -> usize {
        self.lesson
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_its_default_unless_another_value_was_drawn() {
        let gravity = Parameter::new("gravity", 9.81, [1.0, 30.0]);
        assert_eq!(gravity.of(None), 9.81);
        let drawn = Parameters { values: vec![("gravity", 3.7)], lesson: 0 };
        assert_eq!(gravity.of(Some(&drawn)), 3.7);
        assert_eq!(Parameter::new("wind", 1.0, [0.0, 2.0]).of(Some(&drawn)), 1.0);
        assert_eq!(drawn.get("wind"), None);
    }
}

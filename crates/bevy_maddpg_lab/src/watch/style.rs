use bevy::{prelude::*, text::FontSize};

/// Background of panels.
pub(super) const PANEL: Color = Color::srgba(0.055, 0.075, 0.115, 0.985);
/// Edges of panels.
pub(super) const EDGE: Color = Color::srgba(0.55, 0.65, 0.85, 0.16);
/// Primary text.
pub(super) const BRIGHT: Color = Color::srgb(0.95, 0.97, 1.0);
/// Secondary text.
pub(super) const MUTED: Color = Color::srgb(0.60, 0.67, 0.77);
/// Good news.
pub(super) const GOOD: Color = Color::srgb(0.36, 0.85, 0.56);
/// Needs attention.
pub(super) const NOTICE: Color = Color::srgb(0.98, 0.78, 0.33);
/// Failures.
pub(super) const BAD: Color = Color::srgb(1.0, 0.42, 0.40);
/// The line of the learning curve.
pub(super) const CURVE: Color = Color::srgb(0.36, 0.72, 1.0);

/// The font of all text in the window.
#[derive(Resource, Debug, Clone, Deref)]
pub struct WatchFont(Handle<Font>);

impl WatchFont {
    /// Loads Open Sans, which is part of the crate.
    pub(super) fn load(fonts: &mut Assets<Font>) -> Self {
        let bytes = include_bytes!("../../assets/fonts/OpenSans-Regular.ttf");
        Self(fonts.add(Font::from_bytes(bytes.to_vec())))
    }

    /// A text with a font size of `size` pixels.
    pub fn text(&self, content: impl Into<String>, size: f32, color: Color) -> impl Bundle {
        let font = TextFont { font: self.0.clone().into(), font_size: FontSize::Px(size), ..default() };
        (Text::new(content), font, TextColor(color))
    }
}

/// A rounded panel with this layout.
pub(super) fn panel(node: Node) -> impl Bundle {
    let node = Node { border: px(1).all(), border_radius: BorderRadius::all(px(10)), ..node };
    (node, BackgroundColor(PANEL), BorderColor::all(EDGE))
}

/// Sets a text only if it differs, so that unchanged text is not laid out again.
pub(super) fn write(text: &mut Mut<Text>, content: String) {
    if text.0 != content {
        text.0 = content;
    }
}

/// The color of a share from 0 to 1: from green through yellow to red.
pub(super) fn grade(share: f32) -> Color {
    if share < 0.5 { GOOD.mix(&NOTICE, 2.0 * share) } else { NOTICE.mix(&BAD, 2.0 * share - 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_graded_from_green_through_yellow_to_red() {
        assert_eq!(
            [0.0, 0.5, 1.0].map(grade),
            [GOOD.mix(&NOTICE, 0.0), NOTICE.mix(&BAD, 0.0), NOTICE.mix(&BAD, 1.0)]
        );
    }
}

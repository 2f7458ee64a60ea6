use bevy::prelude::*;

use super::{FrontArena, paint::Paint};
use crate::watch::{SceneHud, WatchFont, board, style};
use bevy_maddpg::arena::Measures;

/// The measure with this index, on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(usize);

pub(super) fn plugin(app: &mut App) {
    app.add_systems(
        Update,
        (spawn.run_if(resource_added::<FrontArena>), refresh.run_if(resource_exists::<FrontArena>)),
    );
}

fn spawn(
    mut commands: Commands,
    font: Res<WatchFont>,
    front: Res<FrontArena>,
    arenas: Query<&Measures>,
    hud: Single<Entity, With<SceneHud>>,
) -> Result {
    let entries = arenas.get(front.0)?.iter().enumerate().map(|(index, (name, _))| {
        let color = match name {
            "hunters_return" => Paint::Hunter.color().mix(&Color::WHITE, 0.25),
            "prey_return" => Paint::Prey.color().mix(&Color::WHITE, 0.25),
            _ => style::BRIGHT,
        };
        let label = if name == "catch_all_seconds" { "seconds".into() } else { name.replace('_', " ") };
        (Entry(index), label, color)
    });
    board::spawn(&mut commands, &font, &hud, entries);
    Ok(())
}

fn refresh(
    front: Res<FrontArena>,
    arenas: Query<&Measures>,
    mut entries: Query<(&Entry, &mut Text)>,
) -> Result {
    let measures = arenas.get(front.0)?;
    for (Entry(index), mut text) in &mut entries {
        let (name, value) = measures.iter().nth(*index).unwrap_or_default();
        style::write(&mut text, words(name, value));
    }
    Ok(())
}

/// The text of a measure.
fn words(name: &str, value: f32) -> String {
    match name {
        "catches" | "survivors" => format!("{value}"),
        "catch_all_seconds" => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_agents_are_whole_and_times_change_calmly() {
        assert_eq!(words("survivors", 6.0), "6");
        assert_eq!(words("catch_all_seconds", 3.05), "3.0");
        assert_eq!(words("prey_return", -0.5), "-0.50");
    }
}

use bevy::prelude::*;

use super::FrontArena;
use crate::{
    games::cartpole::{Cart, Push},
    watch::{SceneHud, WatchFont, board, style},
};
use bevy_maddpg::arena::Episode;

/// A number on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Steps,
    Position,
    Angle,
    Push,
}

impl Entry {
    const ALL: [(Self, &str); 4] = [
        (Self::Steps, "steps"),
        (Self::Position, "position, m"),
        (Self::Angle, "angle, °"),
        (Self::Push, "push"),
    ];
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(
        Update,
        (spawn.run_if(resource_added::<FrontArena>), refresh.run_if(resource_exists::<FrontArena>)),
    );
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, hud: Single<Entity, With<SceneHud>>) {
    let entries = Entry::ALL.map(|(entry, words)| {
        let color = if entry == Entry::Push { style::CURVE } else { style::BRIGHT };
        (entry, words.into(), color)
    });
    board::spawn(&mut commands, &font, &hud, entries);
}

fn refresh(
    front: Res<FrontArena>,
    carts: Query<(&Cart, &Episode)>,
    mut entries: Query<(&Entry, &mut Text)>,
) -> Result {
    let (cart, episode) = carts.get(front.0)?;
    for (entry, mut text) in &mut entries {
        let words = match entry {
            Entry::Steps => episode.decisions().to_string(),
            Entry::Position => format!("{:.2}", cart.state.position),
            Entry::Angle => format!("{:.1}", cart.state.angle.to_degrees()),
            Entry::Push => match cart.push {
                Some(Push::Left) => "left".into(),
                Some(Push::Right) => "right".into(),
                None => "none".into(),
            },
        };
        style::write(&mut text, words);
    }
    Ok(())
}

use bevy::prelude::*;

use super::FrontArena;
use crate::{
    format,
    games::pendulum::PendulumArena,
    watch::{SceneHud, WatchFont, board, style},
};
use bevy_maddpg::{agent::Reward, arena::Measures};

/// A number on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Return,
    Upright,
    Angle,
    Speed,
    Torque,
}

impl Entry {
    const ALL: [(Self, &str); 5] = [
        (Self::Return, "return"),
        (Self::Upright, "upright"),
        (Self::Angle, "angle, rad"),
        (Self::Speed, "speed, rad/s"),
        (Self::Torque, "torque, N m"),
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
        let color = if entry == Entry::Torque { style::CURVE } else { style::BRIGHT };
        (entry, words.into(), color)
    });
    board::spawn(&mut commands, &font, &hud, entries);
}

fn refresh(
    front: Res<FrontArena>,
    arenas: Query<(&PendulumArena, &Measures)>,
    rewards: Query<&Reward>,
    mut entries: Query<(&Entry, &mut Text)>,
) -> Result {
    let (arena, measures) = arenas.get(front.0)?;
    for (entry, mut text) in &mut entries {
        let words = match entry {
            Entry::Return => format::score(rewards.get(arena.agent)?.episode_return()),
            Entry::Upright => measures.iter().map(|(_, share)| format!("{:.0}%", 100.0 * share)).collect(),
            Entry::Angle => format!("{:.2}", arena.pendulum.normalized_angle()),
            Entry::Speed => format!("{:.2}", arena.pendulum.speed),
            Entry::Torque => format!("{:.2}", arena.torque),
        };
        style::write(&mut text, words);
    }
    Ok(())
}

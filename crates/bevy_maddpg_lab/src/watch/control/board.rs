use bevy::prelude::*;

use crate::{
    format,
    games::control::ControlArena,
    watch::{SceneHud, WatchFont, board, stage::FrontArena, style},
};
use bevy_maddpg::agent::Reward;

/// A number on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Return,
    Reward,
    Seconds,
}

impl Entry {
    const ALL: [(Self, &str); 3] =
        [(Self::Return, "return"), (Self::Reward, "reward"), (Self::Seconds, "time, s")];
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(
        Update,
        (spawn.run_if(resource_added::<FrontArena>), refresh.run_if(resource_exists::<FrontArena>)),
    );
}

fn spawn(mut commands: Commands, font: Res<WatchFont>, hud: Single<Entity, With<SceneHud>>) {
    let entries = Entry::ALL.map(|(entry, words)| (entry, words.into(), style::BRIGHT));
    board::spawn(&mut commands, &font, &hud, entries);
}

fn refresh(
    front: Res<FrontArena>,
    time: Res<Time<Fixed>>,
    arenas: Query<&ControlArena>,
    rewards: Query<&Reward>,
    mut entries: Query<(&Entry, &mut Text)>,
) -> Result {
    let arena = arenas.get(front.0)?;
    for (entry, mut text) in &mut entries {
        let words = match entry {
            Entry::Return => format::score(rewards.get(arena.agent)?.episode_return()),
            Entry::Reward => format!("{:.2}", arena.reward),
            Entry::Seconds => format!("{:.1}", arena.steps() as f32 * time.timestep().as_secs_f32()),
        };
        style::write(&mut text, words);
    }
    Ok(())
}

use bevy::prelude::*;

use super::{
    FrontArena,
    paint::{self, Paint},
};
use crate::{
    games::particle::ParticleArena,
    watch::{SceneHud, WatchFont, board, style},
};
use bevy_maddpg::{agent::Reward, arena::Measures};

/// A number on the board.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Mean return of the team with this index.
    Return(usize),
    /// The measure with this index.
    Measure(usize),
}

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
    arenas: Query<(&ParticleArena, &Measures)>,
    hud: Single<Entity, With<SceneHud>>,
) -> Result {
    let (arena, measures) = arenas.get(front.0)?;
    let teams = arena.scenario.teams();
    let mut entries = Vec::new();
    for (index, team) in teams.iter().enumerate() {
        // The speaker and Alice are pale; their team has the color of its other agents.
        let paints = team.slots.iter().map(|slot| paint::of_agent(arena, *slot));
        let paint = paints.min_by_key(|paint| *paint == Paint::Pale).unwrap_or(Paint::Pale);
        let color = paint.color();
        entries.push((Entry::Return(index), format!("{} return", team.name), color.mix(&Color::WHITE, 0.25)));
    }
    // The first measures are the teams' returns, which already have entries.
    let returns = measures.iter().count() - arena.scenario.measures().len();
    for (index, (name, _)) in measures.iter().enumerate().skip(returns) {
        entries.push((Entry::Measure(index), name.replace('_', " "), style::BRIGHT));
    }
    board::spawn(&mut commands, &font, &hud, entries);
    Ok(())
}

fn refresh(
    front: Res<FrontArena>,
    arenas: Query<(&ParticleArena, &Measures)>,
    rewards: Query<&Reward>,
    mut entries: Query<(&Entry, &mut Text)>,
) -> Result {
    let (arena, measures) = arenas.get(front.0)?;
    let teams = arena.scenario.teams();
    for (entry, mut text) in &mut entries {
        let value = match *entry {
            Entry::Return(index) => {
                let slots = &teams[index].slots;
                let returns = rewards.iter_many(slots.iter().map(|slot| arena.agents[*slot]));
                returns.map(Reward::episode_return).sum::<f32>() / slots.len() as f32
            }
            Entry::Measure(index) => measures.iter().nth(index).map_or(0.0, |(_, value)| value),
        };
        style::write(
            &mut text,
            if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") },
        );
    }
    Ok(())
}

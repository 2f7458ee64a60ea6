use bevy::prelude::*;

use super::{
    Field, SceneSystems,
    bodies::{on_floor, position, radius},
    paint::{self, Paint, Stock},
};
use crate::games::particle::{ParticleArena, Scenario};

/// A bar behind an agent, for one of the numbers it says.
#[derive(Component, Debug)]
struct Bar {
    arena: Entity,
    slot: usize,
    word: usize,
}

/// Width and depth of a bar.
const WIDTH: f32 = 0.06;
/// Distance from one bar to the next.
const STEP: f32 = 0.085;
/// Height that a bar gains from 0 to 1.
const HEIGHT: f32 = 0.42;
/// Height of a bar for 0, so that it stays visible.
const LEAST: f32 = 0.012;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), raise));
}

fn build(mut commands: Commands, arenas: Query<(Entity, &ParticleArena), Added<Field>>, stock: Res<Stock>) {
    for (entity, arena) in &arenas {
        for (slot, voice) in arena.world.voices().iter().enumerate() {
            for word in 0..voice.said().len() {
                let paint = paint_of(arena, slot, word);
                let bar = Bar { arena: entity, slot, word };
                commands.spawn((
                    bar,
                    Mesh3d(stock.cube.clone()),
                    stock.material(paint),
                    Transform::default(),
                ));
            }
        }
    }
}

/// The first two numbers that Bob and Eve say stand for the two messages.
fn paint_of(arena: &ParticleArena, slot: usize, word: usize) -> Paint {
    let is_guess = arena.scenario == Scenario::Crypto && arena.scenario.roles()[slot].behavior != "alice";
    if is_guess && word < 2 { paint::of_message(word) } else { Paint::Pale }
}

/// Sets the bars' heights to the numbers said.
fn raise(arenas: Query<(&ParticleArena, &Field)>, mut bars: Query<(&Bar, &mut Transform)>) {
    for (bar, mut transform) in &mut bars {
        let Ok((arena, field)) = arenas.get(bar.arena) else {
            continue;
        };
        let said = arena.world.voices()[bar.slot].said();
        let height = LEAST + HEIGHT * said[bar.word] as f32;
        let along = (bar.word as f32 - (said.len() as f32 - 1.0) / 2.0) * STEP;
        let place = position(arena, bar.slot) + Vec2::new(along, radius(arena, bar.slot) + 0.1);
        transform.set_if_neq(
            Transform::from_translation(on_floor(*field, place, height / 2.0))
                .with_scale(Vec3::new(WIDTH, height, WIDTH)),
        );
    }
}

use bevy::prelude::*;

use super::{
    Field, SceneSystems,
    bodies::{on_floor, position},
    paint::{self, Paint, Stock},
};
use crate::games::particle::{ParticleArena, Scenario};

/// In covert communication, an object in front of an agent, in the color of the message or key it stands for.
#[derive(Component, Debug)]
struct Token {
    arena: Entity,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The message that Alice has to send.
    Message,
    /// The key that Alice and Bob share.
    Key,
    /// The message that the agent at this slot guesses.
    Guess(usize),
}

/// Slots of the three agents.
const EVE: usize = 0;
const BOB: usize = 1;
const ALICE: usize = 2;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), paint_tokens));
}

fn build(
    mut commands: Commands,
    arenas: Query<(Entity, &ParticleArena, &Field), Added<Field>>,
    stock: Res<Stock>,
) {
    for (entity, arena, field) in arenas.iter().filter(|(_, arena, _)| arena.scenario == Scenario::Crypto) {
        let tokens = [
            (Kind::Message, ALICE, -0.09),
            (Kind::Key, ALICE, 0.09),
            (Kind::Guess(BOB), BOB, -0.09),
            (Kind::Key, BOB, 0.09),
            (Kind::Guess(EVE), EVE, 0.0),
        ];
        for (kind, slot, along) in tokens {
            let place = position(arena, slot) + Vec2::new(along, -0.27);
            let (mesh, size) = match kind {
                Kind::Key => (&stock.cube, Vec3::splat(0.09)),
                Kind::Message | Kind::Guess(_) => (&stock.disc, Vec3::new(0.065, 0.05, 0.065)),
            };
            commands.spawn((
                Token { arena: entity, kind },
                Mesh3d(mesh.clone()),
                stock.material(Paint::Stone),
                Transform::from_translation(on_floor(*field, place, size.y / 2.0)).with_scale(size),
            ));
        }
    }
}

fn paint_tokens(
    arenas: Query<&ParticleArena>,
    stock: Res<Stock>,
    mut tokens: Query<(&Token, &mut MeshMaterial3d<StandardMaterial>)>,
) {
    for (token, mut material) in &mut tokens {
        let Ok(arena) = arenas.get(token.arena) else { continue };
        material.set_if_neq(stock.material(paint_of(arena, token.kind)));
    }
}

fn paint_of(arena: &ParticleArena, kind: Kind) -> Paint {
    match kind {
        Kind::Message => paint::of_message(arena.world.goal),
        Kind::Key => paint::of_message(arena.world.key),
        // Message i is 1 at index i and 0 elsewhere, so the larger of the first two numbers is at the nearer message.
        Kind::Guess(slot) => match arena.world.voices()[slot].said() {
            [first, second, ..] if first > second => paint::of_message(0),
            [first, second, ..] if first < second => paint::of_message(1),
            _ => Paint::Stone,
        },
    }
}

use bevy::prelude::*;

use super::{
    FrontArena,
    bodies::{Shown, radius},
    name,
};
use crate::{
    games::particle::{ParticleArena, Scenario},
    watch::{CameraViews, WatchFont, style},
};

/// The name under an agent of the first arena.
#[derive(Component, Debug)]
struct Label(usize);

/// Width of a label; its text is centered.
const WIDTH: f32 = 120.0;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, spawn.run_if(resource_added::<FrontArena>)).add_systems(
        PostUpdate,
        follow.run_if(resource_exists::<FrontArena>).before(bevy::ui::UiSystems::Layout),
    );
}

fn spawn(
    mut commands: Commands,
    front: Res<FrontArena>,
    arenas: Query<&ParticleArena>,
    font: Res<WatchFont>,
) {
    let Ok(arena) = arenas.get(front.0) else { return };
    for slot in 0..arena.agents.len() {
        let node = Node { position_type: PositionType::Absolute, width: px(WIDTH), ..default() };
        commands.spawn((
            Label(slot),
            node,
            // Below the panels.
            GlobalZIndex(-1),
            font.text(words(arena.scenario, slot), 13.0, style::BRIGHT),
            TextLayout::justify(Justify::Center),
        ));
    }
}

/// The agent's name, and in covert communication the tokens in front of it.
fn words(scenario: Scenario, slot: usize) -> String {
    let name = name(scenario, slot);
    match (scenario, name.as_str()) {
        (Scenario::Crypto, "alice") => "Alice\nmessage, key".into(),
        (Scenario::Crypto, "bob") => "Bob\nguess, key".into(),
        (Scenario::Crypto, "eve") => "Eve\nguess".into(),
        _ => name,
    }
}

/// Keeps each name under its agent.
fn follow(
    front: Res<FrontArena>,
    views: Res<CameraViews>,
    scale: Res<UiScale>,
    arenas: Query<&ParticleArena>,
    camera: Single<(&Camera, &Transform), With<Camera3d>>,
    visuals: Query<(&Shown, &Transform)>,
    mut labels: Query<(&Label, &mut Node)>,
) {
    let Ok(arena) = arenas.get(front.0) else { return };
    let (camera, eye) = *camera;
    let eye = GlobalTransform::from(*eye);
    for (Label(slot), mut node) in &mut labels {
        let visual = visuals.iter().find(|(shown, _)| shown.arena == front.0 && shown.body == *slot);
        // On the agent's side toward the camera, beyond its tokens.
        let tokens = if arena.scenario == Scenario::Crypto { 0.2 } else { 0.0 };
        let foot =
            visual.map(|(_, place)| place.translation + Vec3::Z * (radius(arena, *slot) + 0.03 + tokens));
        let point =
            foot.filter(|_| views.current == 0).and_then(|foot| camera.world_to_viewport(&eye, foot).ok());
        let Some(point) = point else {
            node.display = Display::None;
            continue;
        };
        let point = point / scale.0;
        node.display = Display::Flex;
        (node.left, node.top) = (px(point.x - WIDTH / 2.0), px(point.y));
    }
}

use std::sync::Arc;

use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;

use super::{ACTION_SIZE, Field, Player, play, script};
use crate::games::puppets::{self, ByScript, Dice};
use bevy_maddpg::{agent::ActionOverride, policy::PolicySnapshot, self_play::PlayedBy};

/// Who plays one of the teams instead of the policy that learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Opponent {
    /// A script.
    Script(Script),
    /// A policy that does not learn.
    Policy(Arc<PolicySnapshot>),
}

/// How a scripted player plays. A component of its agent.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Random actions, each kept for three decisions.
    Random,
    /// Turns and runs forward, to get behind the ball and through it. The player farther from the ball keeps the goal.
    Simple,
    /// The same, but moves in any direction at full speed.
    Chaser,
}

impl Script {
    /// All scripts, by name.
    pub const ALL: [(&str, Self); 3] =
        [("random", Self::Random), ("simple", Self::Simple), ("chaser", Self::Chaser)];

    /// The script with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, script)| script)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, script)| *script == self).map_or("", |(name, _)| name)
    }
}

/// What [`play_scripts`] reads and writes on each of them.
type Puppet<'a> = (Option<&'a Script>, Option<&'a PlayedBy>, Option<&'a mut ActionOverride>);

/// Decides for the players with a script.
pub(super) fn play_scripts(
    mut commands: Commands,
    fields: Query<&Field>,
    bodies: Query<(&Transform, &Velocity)>,
    players: Query<&Player>,
    mut scripted: Query<Puppet, ByScript>,
    mut dice: Local<Dice>,
) {
    for field in &fields {
        if !field.players.iter().any(|player| scripted.contains(*player)) {
            continue;
        }
        let Some(scene) = play::scene(field, &bodies, &players) else { continue };
        for (slot, player) in field.players.iter().enumerate() {
            let Ok((own, played_by, taken_over)) = scripted.get_mut(*player) else { continue };
            let Some(script) = own.copied().or_else(|| played_by.and_then(|by| Script::named(&by.0))) else {
                continue;
            };
            let action: [f32; ACTION_SIZE] = match script {
                Script::Random => match dice.draw(taken_over.is_some()) {
                    Some(action) => action,
                    None => continue,
                },
                Script::Simple => script::simple(&scene, slot),
                Script::Chaser => script::chaser(&scene, slot),
            };
            puppets::decide(&mut commands, *player, taken_over, &action);
        }
    }
    dice.end_decision();
}

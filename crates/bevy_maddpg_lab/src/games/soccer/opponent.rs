use std::sync::Arc;

use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;
use rand::RngExt;

use super::{ACTION_SIZE, Field, Player, play, script};
use crate::game::{PlayedByPerson, Scripted};
use bevy_maddpg::{
    agent::ActionOverride,
    policy::PolicySnapshot,
    random::{Random, stream},
    self_play::PlayedBy,
};

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

/// The state of random players.
pub(super) struct Dice {
    random: Random,
    decisions: u64,
}

impl Default for Dice {
    fn default() -> Self {
        Self { random: stream(0, "random soccer player", 0), decisions: 0 }
    }
}

/// What [`play_scripts`] reads and writes on each of them.
type Puppet<'a> = (Option<&'a Script>, Option<&'a PlayedBy>, Option<&'a mut ActionOverride>);

/// Players for whom a script decides, unless a person plays them.
type ByScript = (Or<(With<Scripted>, With<PlayedBy>)>, Without<PlayedByPerson>);

/// Decides for the players with a script.
pub(super) fn play_scripts(
    mut commands: Commands,
    fields: Query<&Field>,
    bodies: Query<(&Transform, &Velocity)>,
    players: Query<&Player>,
    mut scripted: Query<Puppet, ByScript>,
    mut dice: Local<Dice>,
) {
    let Dice { random, decisions } = &mut *dice;
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
                Script::Random if !decisions.is_multiple_of(3) && taken_over.is_some() => continue,
                Script::Random => std::array::from_fn(|_| random.random_range(-1.0..=1.0)),
                Script::Simple => script::simple(&scene, slot),
                Script::Chaser => script::chaser(&scene, slot),
            };
            match taken_over {
                Some(mut taken_over) => taken_over.0.copy_from_slice(&action),
                None => _ = commands.entity(*player).try_insert(ActionOverride(action.to_vec())),
            }
        }
    }
    *decisions += 1;
}

use std::sync::Arc;

use bevy::prelude::*;
use bevy_rapier3d::prelude::Velocity;

use super::{
    FRAMES, Rules,
    court::{Court, Side},
    play, spec,
};
use crate::{
    game::Scripted,
    games::puppets::{self, ByScript, Dice},
};
use bevy_maddpg::{
    agent::{ActionOverride, Observation, PolicyOverride, Untrained},
    arena::Episode,
    policy::{PolicySnapshot, Scratch},
    self_play::PlayedBy,
};

/// Who plays one of the sides under the rules `match` instead of the policy that learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Opponent {
    /// A script.
    Script(Script),
    /// A policy that does not learn. If it was trained under the rules `rally`, it plays as it has learned, with its racket tilted
    /// as there.
    Policy(Arc<PolicySnapshot>),
}

/// A scripted player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Random actions, each kept for three decisions.
    Random,
    /// Runs under the ball with its racket tilted forward, and jumps to it.
    Returner,
}

impl Script {
    /// All scripts, by name.
    pub const ALL: [(&str, Self); 2] = [("random", Self::Random), ("returner", Self::Returner)];

    /// The script with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, script)| script)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, script)| *script == self).map_or("", |(name, _)| name)
    }
}

impl Opponent {
    /// Whether this is a policy that was trained under the rules `rally`.
    fn is_of_rally(policy: &PolicySnapshot) -> bool {
        let rally = &spec(Rules::Rally).slots[0];
        policy.spec().slots.first().is_some_and(|player| rally.difference(player).is_none())
    }

    /// Why it cannot play by the rules `match`; `None` if it can.
    pub fn difference(&self) -> Option<String> {
        match self {
            Self::Script(_) => None,
            Self::Policy(policy) if Self::is_of_rally(policy) => None,
            Self::Policy(policy) => {
                policy.spec().slots.first().and_then(|player| spec(Rules::Match).slots[0].difference(player))
            }
        }
    }
}

/// Lets an opponent play an agent.
pub(super) fn seat(commands: &mut Commands, agent: Entity, opponent: &Opponent) {
    let mut agent = commands.entity(agent);
    agent.insert(Untrained);
    match opponent {
        Opponent::Script(script) => agent.insert((PlayedBy(script.name().into()), Scripted)),
        Opponent::Policy(policy) if Opponent::is_of_rally(policy) => {
            agent.insert((RallyPlayer { policy: policy.clone(), frames: Vec::new() }, Scripted))
        }
        Opponent::Policy(policy) => agent.insert(PolicyOverride(policy.clone())),
    };
}

/// An agent that plays by a policy of the rules `rally`, and what it has observed last, as that policy sees it.
#[derive(Component)]
pub(super) struct RallyPlayer {
    policy: Arc<PolicySnapshot>,
    frames: Vec<f32>,
}

impl RallyPlayer {
    /// What it does, given what an agent of `match` observes.
    fn act(&mut self, observation: &[f32], is_first: bool, scratch: &mut Scratch) -> [f32; 3] {
        let size = play::observation_size(Rules::Rally);
        if is_first || self.frames.is_empty() {
            self.frames = vec![0.0; FRAMES * size];
        }
        self.frames.drain(..size);
        self.frames.extend_from_slice(&observation[..size]);
        let mut action = [0.0; 2];
        self.policy.policies()[0].act(&self.frames, &[], &mut action, 1, scratch);
        // The racket is tilted by 55 degrees, as under the rules `rally`.
        [action[0], action[1], 1.0]
    }
}

/// What [`decide`] reads and writes on each of them.
type Puppet<'a> =
    (&'a Observation, Option<&'a PlayedBy>, Option<&'a mut RallyPlayer>, Option<&'a mut ActionOverride>);

/// Decides for the players that do not play by a policy of `match`.
pub(super) fn decide(
    mut commands: Commands,
    courts: Query<(&Court, &Episode)>,
    bodies: Query<(&Transform, &Velocity)>,
    mut puppets: Query<Puppet, ByScript>,
    mut dice: Local<Dice>,
    mut scratch: Local<Scratch>,
) {
    for (court, episode) in &courts {
        for side in Side::BOTH {
            let racket = court.rackets[side.slot()];
            let Ok((observation, played_by, rally, taken_over)) = puppets.get_mut(racket) else { continue };
            let script = played_by.and_then(|by| Script::named(&by.0));
            let action = match (script, rally) {
                (Some(Script::Random), _) => match dice.draw(taken_over.is_some()) {
                    Some(action) => action,
                    None => continue,
                },
                (Some(Script::Returner), _) => {
                    let Ok([own, ball]) = bodies.get_many([racket, court.ball]) else { continue };
                    returner(side, own.0.translation, ball.0.translation, ball.1.linear)
                }
                (None, Some(mut player)) => {
                    player.act(observation.frame(), episode.decisions() == 0, &mut scratch)
                }
                (None, None) => continue,
            };
            puppets::decide(&mut commands, racket, taken_over, &action);
        }
    }
    dice.end_decision();
}

/// Where a returner waits for the ball, m from the net.
const HOME: f32 = 7.0;
/// How far behind the ball it stands, m.
const BEHIND: f32 = 0.3;
/// Seconds by which it predicts the ball's motion.
const LEAD: f32 = 0.1;
/// Its racket's angle, as an action.
const TILT: f32 = 0.9;
/// How far it moves in one decision at full action, m.
const REACH: f32 = 3.0;

/// Runs under a ball on its side that does not fly toward the net, and jumps when it comes close.
fn returner(side: Side, own: Vec3, ball: Vec3, velocity: Vec3) -> [f32; 3] {
    let mirror = side.mirror();
    let (own_x, ball_x) = (own.x * mirror, (ball.x + LEAD * velocity.x) * mirror);
    let is_to_hit = ball_x < 0.0 && velocity.x * mirror < 0.5;
    let wanted = if is_to_hit { ball_x - BEHIND } else { -HOME };
    let is_near = is_to_hit && (ball.x - own.x).abs() < 2.0 && (ball.y - own.y) < 3.0;
    [((wanted - own_x) / REACH).clamp(-1.0, 1.0), if is_near { 1.0 } else { 0.0 }, TILT]
}

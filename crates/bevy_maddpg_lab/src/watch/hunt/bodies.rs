use bevy::{math::ops, prelude::*};

use super::{
    Field, SceneSystems,
    paint::{Paint, Stock},
};
use crate::{
    games::hunt::{AGENTS, Body, HUNTERS, HuntArena, STEP_SECONDS},
    watch::{KeyboardControl, motion::Motion},
};
use bevy_maddpg::{
    arena::Episode,
    rollout::{AgentSystems, StepEnd},
};

/// Seconds in which the visual of a body that comes into play grows, and that of one that is caught shrinks.
const GROWTH: f32 = 0.3;
/// Speed from which on a visual turns to where its body moves, m/s.
const TURNS_FROM: f32 = 0.05;
/// Share of the remaining turn that a visual makes in one step.
const TURN: f32 = 0.35;

/// A visual that follows a body.
#[derive(Component, Debug)]
#[require(Transform, Visibility)]
struct Shown {
    arena: Entity,
    slot: usize,
    motion: Motion<Pose>,
}

/// How a body is drawn after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pose {
    position: Vec2,
    turn: Quat,
    /// 0 for a body that is not in play, 1 for one that is, and between the two for a short time.
    size: f32,
}

/// The ring around the agent that a person plays.
#[derive(Component, Debug)]
struct Ring;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), light_ring))
        .add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, place.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

/// Gives every agent of a new arena its visual.
fn build(
    mut commands: Commands,
    arenas: Query<(Entity, &HuntArena, &Field), Added<Field>>,
    stock: Res<Stock>,
) {
    for (entity, arena, field) in &arenas {
        for slot in 0..AGENTS {
            let pose = Pose::new(&arena.world.bodies()[slot]);
            let shown = Shown { arena: entity, slot, motion: Motion::at(pose) };
            let radius = arena.world.bodies()[slot].build.radius;
            commands.spawn((shown, Transform::from_translation(field.0))).with_children(|visual| {
                if slot < HUNTERS {
                    let foot = Transform::from_xyz(0.0, 0.25 * radius, 0.0)
                        .with_scale(Vec3::new(1.0, 0.5, 1.0) * radius);
                    visual.spawn((Mesh3d(stock.disc.clone()), stock.material(Paint::Foot), foot));
                    let arrow = Transform::from_xyz(0.1 * radius, 0.5 * radius, 0.0)
                        .with_scale(Vec3::new(1.2, 0.6, 1.05) * radius);
                    visual.spawn((Mesh3d(stock.arrow.clone()), stock.material(Paint::Hunter), arrow));
                } else {
                    let ball = Transform::from_xyz(0.0, 0.9 * radius, 0.0)
                        .with_scale(Vec3::new(1.0, 0.9, 1.0) * radius);
                    visual.spawn((Mesh3d(stock.ball.clone()), stock.material(Paint::Prey), ball));
                }
                let ring = Transform::from_xyz(0.0, 0.01, 0.0).with_scale(Vec3::splat(radius + 0.03));
                visual.spawn((
                    Ring,
                    Mesh3d(stock.ring.clone()),
                    stock.material(Paint::Light),
                    ring,
                    Visibility::Hidden,
                ));
            });
        }
    }
}

impl Pose {
    /// The pose of a body at the start of an episode.
    fn new(body: &Body) -> Self {
        Self {
            position: body.position,
            turn: heading(body.velocity),
            size: if body.in_play { 1.0 } else { 0.0 },
        }
    }

    /// The pose one step later.
    fn next(self, body: &Body) -> Self {
        let turn = if body.velocity.length() < TURNS_FROM {
            self.turn
        } else {
            self.turn.slerp(heading(body.velocity), TURN)
        };
        let growth = STEP_SECONDS as f32 / GROWTH;
        let size = if body.in_play { self.size + growth } else { self.size - growth };
        Self { position: body.position, turn, size: size.clamp(0.0, 1.0) }
    }

    /// The transform at `share` (0 to 1) of the way from this pose to `next`.
    fn towards(self, next: Self, share: f32, field: Field) -> Transform {
        Transform {
            translation: field.at(self.position.lerp(next.position, share), 0.0),
            rotation: self.turn.slerp(next.turn, share),
            scale: Vec3::splat(self.size + share * (next.size - self.size)),
        }
    }
}

/// The rotation of a visual that points along x to where its body moves.
fn heading(velocity: Vec2) -> Quat {
    Quat::from_rotation_y(ops::atan2(velocity.y, velocity.x))
}

/// Records where the bodies are after this step.
fn remember(arenas: Query<(&HuntArena, &Episode)>, mut visuals: Query<&mut Shown>) {
    for mut shown in &mut visuals {
        let Ok((arena, episode)) = arenas.get(shown.arena) else {
            continue;
        };
        let body = &arena.world.bodies()[shown.slot];
        match shown.motion.last_of(episode.number()) {
            Some(last) => {
                // A body that comes into play appears where it is.
                let last = if last.size == 0.0 { Pose { position: body.position, ..last } } else { last };
                shown.motion.record_from(episode.number(), last, last.next(body));
            }
            None => shown.motion.record(episode.number(), Pose::new(body)),
        }
    }
}

/// Places the visuals between the last two steps.
fn place(
    time: Res<Time<Fixed>>,
    fields: Query<&Field>,
    mut visuals: Query<(&Shown, &mut Transform, &mut Visibility)>,
) {
    for (shown, mut transform, mut visibility) in &mut visuals {
        let Ok(field) = fields.get(shown.arena) else {
            continue;
        };
        let [last, now] = shown.motion.steps();
        let is_seen = last.size > 0.0 || now.size > 0.0;
        visibility.set_if_neq(if is_seen { Visibility::Inherited } else { Visibility::Hidden });
        if is_seen {
            transform.set_if_neq(last.towards(now, time.overstep_fraction(), *field));
        }
    }
}

/// Shows the ring of the agent that a person plays.
fn light_ring(
    control: Option<Res<KeyboardControl>>,
    arenas: Query<&HuntArena>,
    visuals: Query<(&Shown, &Children)>,
    mut rings: Query<&mut Visibility, With<Ring>>,
) {
    let played = control.filter(|control| control.active).map(|control| control.agent);
    for (shown, children) in &visuals {
        let Ok(arena) = arenas.get(shown.arena) else { continue };
        let is_played = played == Some(arena.agents[shown.slot]);
        let mut parts = rings.iter_many_mut(children);
        while let Some(mut visibility) = parts.fetch_next() {
            visibility.set_if_neq(if is_played { Visibility::Inherited } else { Visibility::Hidden });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::HUNTER;

    #[test]
    fn a_late_body_grows_and_a_caught_one_shrinks() {
        let mut body = Body { in_play: false, ..Body::new(HUNTER) };
        let absent = Pose::new(&body);
        assert_eq!(absent.size, 0.0);
        body.in_play = true;
        let grown = absent.next(&body);
        assert!(grown.size > 0.0 && grown.size < 1.0);
        let whole = (0..10).fold(grown, |pose, _| pose.next(&body));
        assert_eq!(whole.size, 1.0);
        body.in_play = false;
        assert!(whole.next(&body).size < 1.0);
    }

    #[test]
    fn arrows_turn_to_where_their_body_runs_and_keep_their_direction_at_rest() {
        let mut body = Body { velocity: Vec2::Y, ..Body::new(HUNTER) };
        let up = (0..40).fold(Pose::new(&body), |pose, _| pose.next(&body));
        assert!((up.turn * Vec3::X).distance(Vec3::NEG_Z) < 1e-3, "away from the camera");
        body.velocity = Vec2::ZERO;
        assert_eq!(up.next(&body).turn, up.turn);
    }
}

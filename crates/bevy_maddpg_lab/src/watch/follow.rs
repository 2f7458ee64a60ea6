use bevy::{ecs::entity::Entities, prelude::*};

use super::motion::between_poses;
use bevy_maddpg::rollout::{AgentSystems, StepEnd};

/// A body that moves further than this in one step, in meters, was teleported: its visual jumps with it.
const TELEPORT: f32 = 1.0;

/// A visual that follows a body and moves smoothly between steps.
///
/// Physics bodies should have neither parents nor children, so their visuals follow them instead. The body must have no
/// parent. The visual lags one step behind. If the body moves more than 1 m in a step, as at a reset, the visual jumps
/// with it. The visual is despawned when its body is gone.
#[derive(Component, Debug, Clone)]
#[require(Transform, Visibility)]
pub struct Follow {
    /// The body.
    pub body: Entity,
    last_steps: Option<[Transform; 2]>,
}

impl Follow {
    /// Follows `body`.
    pub fn new(body: Entity) -> Self {
        Self { body, last_steps: None }
    }
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, place.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

/// Records where the bodies are after this step.
fn remember(
    mut commands: Commands,
    bodies: Query<&Transform, Without<Follow>>,
    all: &Entities,
    mut followers: Query<(Entity, &mut Follow)>,
) {
    for (visual, mut follow) in &mut followers {
        let Ok(now) = bodies.get(follow.body) else {
            if !all.contains(follow.body) {
                commands.entity(visual).despawn();
            }
            continue;
        };
        let before = follow.last_steps.map_or(*now, |[_, last]| last);
        follow.last_steps = Some([before, *now]);
    }
}

/// Places the visuals between the last two steps.
fn place(time: Res<Time<Fixed>>, mut followers: Query<(&Follow, &mut Transform)>) {
    let share = time.overstep_fraction();
    for (follow, mut transform) in &mut followers {
        let Some([before, now]) = follow.last_steps else {
            continue;
        };
        let scale = transform.scale;
        transform.set_if_neq(between(before, now, share).with_scale(scale));
    }
}

/// The pose at `share` (0 to 1) of the way from one step to the next.
fn between(before: Transform, now: Transform, share: f32) -> Transform {
    if before.translation.distance_squared(now.translation) > TELEPORT * TELEPORT {
        return now;
    }
    between_poses(before, now, share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visuals_are_between_steps_but_never_on_the_way_of_a_teleport() {
        let at = |x| Transform::from_xyz(x, 0.0, 0.0);
        assert_eq!(between(at(0.0), at(0.6), 0.5), at(0.3), "a racket at full speed moves 0.6 m per step");
        assert_eq!(between(at(0.0), at(1.5), 0.5), at(1.5));
    }

    #[test]
    fn a_visual_starts_where_its_body_is_and_goes_with_it() {
        let mut app = App::new();
        app.add_plugins(bevy::time::TimePlugin).add_systems(Update, (remember, place).chain());
        let body = app.world_mut().spawn(Transform::from_xyz(0.5, 0.0, 0.0)).id();
        let visual = app.world_mut().spawn(Follow::new(body)).id();
        app.update();
        assert_eq!(app.world().get::<Transform>(visual).map(|t| t.translation.x), Some(0.5));
        app.world_mut().despawn(body);
        app.update();
        assert!(app.world().get_entity(visual).is_err());
    }
}

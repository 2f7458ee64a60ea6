use bevy::prelude::*;

use super::{
    Field, FrontArena, SceneSystems,
    paint::{self, Paint, Stock},
};
use crate::{
    games::particle::{Body, ParticleArena, Scenario},
    watch::motion::Motion,
};
use bevy_maddpg::{
    arena::Episode,
    rollout::{AgentSystems, StepEnd},
};

/// A visual that follows a body.
#[derive(Component, Debug)]
#[require(Transform, Visibility)]
pub(super) struct Shown {
    pub arena: Entity,
    /// An agent's slot; landmarks are numbered after the agents.
    pub body: usize,
    motion: Motion<Vec2>,
}

/// The part of an agent that has the agent's color.
#[derive(Component, Debug)]
struct Skin;

/// The ring of an agent that collides, or of a goal.
#[derive(Component, Debug)]
struct Ring;

/// Half the edge length of the field's floor.
const HALF_FLOOR: f32 = 1.3;
/// Bodies whose x or y is this far out are drawn in the first field only.
const OUTSIDE: f32 = 1.45;
/// Distance from a landmark below which `simple_spread` counts it as occupied.
const OCCUPIED: f64 = 0.1;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (build.in_set(SceneSystems::Build), paint_agents, light_rings))
        .add_systems(StepEnd, remember.after(AgentSystems::End))
        .add_systems(RunFixedMainLoop, place.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
}

/// The bodies of an arena, agents first.
pub(super) fn bodies(arena: &ParticleArena) -> impl Iterator<Item = &Body> {
    arena.world.agents().iter().chain(arena.world.landmarks())
}

/// A body's position in its field: x to the right, y away from the camera.
pub(super) fn position(arena: &ParticleArena, body: usize) -> Vec2 {
    if arena.scenario == Scenario::Crypto {
        // Positions mean nothing in this scenario, so Eve, Bob and Alice have fixed ones.
        return [Vec2::new(0.75, -0.6), Vec2::new(0.75, 0.65), Vec2::new(-0.75, 0.05)][body];
    }
    bodies(arena).nth(body).map_or(Vec2::ZERO, |body| body.position.as_vec2())
}

/// The radius with which a body is drawn.
pub(super) fn radius(arena: &ParticleArena, body: usize) -> f32 {
    let size = bodies(arena).nth(body).map_or(0.0, |body| body.size as f32);
    // Agents in this scenario only speak, so their size means nothing.
    if arena.scenario == Scenario::Crypto { 0.14 } else { size }
}

/// Converts a position in the particles' plane to one in the scene.
pub(super) fn on_floor(field: Field, position: Vec2, height: f32) -> Vec3 {
    field.0 + Vec3::new(position.x, height, -position.y)
}

/// Gives every new arena its visuals.
fn build(
    mut commands: Commands,
    arenas: Query<(Entity, &ParticleArena, &Field), Added<Field>>,
    stock: Res<Stock>,
) {
    for (entity, arena, field) in &arenas {
        let mut slab = |at: Vec3, size: Vec3, paint: Paint| {
            let place = Transform::from_translation(field.0 + at).with_scale(size);
            commands.spawn((Mesh3d(stock.cube.clone()), stock.material(paint), place));
        };
        slab(Vec3::Y * -0.05, Vec3::new(2.0 * HALF_FLOOR, 0.1, 2.0 * HALF_FLOOR), Paint::Ground);
        // The edges of the field, from -1 to 1, in which bodies start.
        for end in [-1.0, 1.0] {
            slab(Vec3::X * end, Vec3::new(0.014, 0.008, 2.014), Paint::Line);
            slab(Vec3::Z * end, Vec3::new(2.014, 0.008, 0.014), Paint::Line);
        }
        let agents = arena.world.agents().len();
        let landmarks = if arena.scenario == Scenario::Crypto { 0 } else { arena.world.landmarks().len() };
        for body in 0..agents + landmarks {
            let shown = Shown { arena: entity, body, motion: Motion::default() };
            let radius = radius(arena, body);
            commands.spawn((shown, Transform::from_translation(field.0))).with_children(|visual| {
                if body < agents {
                    build_agent(visual, arena, body, radius, &stock);
                } else {
                    build_landmark(visual, arena, body - agents, radius, &stock);
                }
            });
        }
    }
}

fn build_agent(
    visual: &mut ChildSpawnerCommands,
    arena: &ParticleArena,
    slot: usize,
    radius: f32,
    stock: &Stock,
) {
    let skin = stock.material(paint::of_agent(arena, slot));
    // Agents that cannot move stand on a foot.
    let lift = if arena.world.agents()[slot].movable { 0.0 } else { 0.6 * radius };
    if lift > 0.0 {
        let foot = Transform::from_xyz(0.0, lift / 2.0, 0.0).with_scale(Vec3::new(radius, lift, radius));
        visual.spawn((Mesh3d(stock.disc.clone()), stock.material(Paint::Stone), foot));
    }
    let ball = Transform::from_xyz(0.0, lift + 0.7 * radius, 0.0).with_scale(Vec3::new(
        radius,
        0.7 * radius,
        radius,
    ));
    visual.spawn((Skin, Mesh3d(stock.ball.clone()), skin, ball));
    let ring = Transform::from_xyz(0.0, 0.02, 0.0).with_scale(Vec3::splat(radius + 0.03));
    visual.spawn((Ring, Mesh3d(stock.ring.clone()), stock.material(Paint::Alarm), ring, Visibility::Hidden));
}

fn build_landmark(
    visual: &mut ChildSpawnerCommands,
    arena: &ParticleArena,
    index: usize,
    radius: f32,
    stock: &Stock,
) {
    let is_obstacle = arena.world.landmarks()[index].collides;
    let height = if is_obstacle { 0.16 } else { 0.02 };
    let disc = Transform::from_xyz(0.0, height / 2.0, 0.0).with_scale(Vec3::new(radius, height, radius));
    visual.spawn((Mesh3d(stock.disc.clone()), stock.material(paint::of_landmark(arena, index)), disc));
    if !is_obstacle {
        // The ring is larger than any agent, so that an agent on the landmark does not hide it.
        let largest = arena.world.agents().iter().map(|agent| agent.size as f32).fold(0.0, f32::max);
        let ring = Transform::from_xyz(0.0, 0.02, 0.0).with_scale(Vec3::splat(largest + 0.04));
        visual.spawn((
            Ring,
            Mesh3d(stock.ring.clone()),
            stock.material(Paint::Pale),
            ring,
            Visibility::Hidden,
        ));
    }
}

/// Records where the bodies are after this step.
fn remember(arenas: Query<(&ParticleArena, &Episode)>, mut visuals: Query<&mut Shown>) {
    for mut shown in &mut visuals {
        let Ok((arena, episode)) = arenas.get(shown.arena) else {
            continue;
        };
        let now = position(arena, shown.body);
        shown.motion.record(episode.number(), now);
    }
}

/// Places the visuals between the last two steps.
fn place(
    time: Res<Time<Fixed>>,
    fields: Query<&Field>,
    front: Option<Res<FrontArena>>,
    mut visuals: Query<(&Shown, &mut Transform, &mut Visibility)>,
) {
    let share = time.overstep_fraction();
    for (shown, mut transform, mut visibility) in &mut visuals {
        let Ok(field) = fields.get(shown.arena) else {
            continue;
        };
        let place = shown.motion.between(share);
        transform.set_if_neq(Transform::from_translation(on_floor(*field, place, 0.0)));
        let is_front = front.as_ref().is_some_and(|front| front.0 == shown.arena);
        let is_seen = is_front || place.abs().max_element() < OUTSIDE;
        visibility.set_if_neq(if is_seen { Visibility::Inherited } else { Visibility::Hidden });
    }
}

/// Repaints agents whose color depends on the episode's goal.
fn paint_agents(
    arenas: Query<&ParticleArena>,
    visuals: Query<(&Shown, &Children)>,
    stock: Res<Stock>,
    mut skins: Query<&mut MeshMaterial3d<StandardMaterial>, With<Skin>>,
) {
    for (shown, children) in &visuals {
        let Ok(arena) = arenas.get(shown.arena) else { continue };
        if arena.scenario != Scenario::Push || shown.body >= arena.agents.len() {
            continue;
        }
        let mut parts = skins.iter_many_mut(children);
        while let Some(mut skin) = parts.fetch_next() {
            skin.set_if_neq(stock.material(paint::of_agent(arena, shown.body)));
        }
    }
}

/// Shows the rings of agents that collide and of goals.
fn light_rings(
    arenas: Query<&ParticleArena>,
    visuals: Query<(&Shown, &Children)>,
    stock: Res<Stock>,
    mut rings: Query<(&mut Visibility, &mut MeshMaterial3d<StandardMaterial>), With<Ring>>,
) {
    for (shown, children) in &visuals {
        let Ok(arena) = arenas.get(shown.arena) else { continue };
        let wanted = ring(arena, shown.body);
        let mut parts = rings.iter_many_mut(children);
        while let Some((mut visibility, mut material)) = parts.fetch_next() {
            visibility.set_if_neq(if wanted.is_some() { Visibility::Inherited } else { Visibility::Hidden });
            if let Some(paint) = wanted {
                material.set_if_neq(stock.material(paint));
            }
        }
    }
}

/// The paint of a body's ring; `None` if it has no ring now.
fn ring(arena: &ParticleArena, body: usize) -> Option<Paint> {
    let agents = arena.world.agents();
    let Some(own) = agents.get(body) else {
        let landmark = body - agents.len();
        return match arena.scenario {
            Scenario::Spread => {
                let place = arena.world.landmarks()[landmark].position;
                let is_occupied = agents.iter().any(|agent| agent.position.distance(place) < OCCUPIED);
                Some(if is_occupied { Paint::Light } else { Paint::Stone })
            }
            Scenario::Tag | Scenario::Crypto => None,
            Scenario::Adversary | Scenario::Push | Scenario::SpeakerListener => {
                (landmark == arena.world.goal).then_some(Paint::Light)
            }
        };
    };
    let roles = arena.scenario.roles();
    let counts = |other: usize| arena.scenario != Scenario::Tag || roles[other] != roles[body];
    let collides = agents.iter().enumerate().any(|(other, agent)| {
        other != body && counts(other) && agent.collides && own.collides && own.overlaps(agent)
    });
    collides.then_some(Paint::Alarm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::DVec2;

    fn arena(scenario: Scenario) -> ParticleArena {
        let mut world = World::new();
        let mut queue = bevy::ecs::world::CommandQueue::default();
        crate::games::particle::spawn(&mut Commands::new(&mut queue, &world), scenario, false, 0, 0);
        queue.apply(&mut world);
        world.query::<&ParticleArena>().single(&world).unwrap().clone()
    }

    #[test]
    fn predators_light_up_when_they_touch_the_prey_but_not_each_other() {
        let mut arena = arena(Scenario::Tag);
        for (slot, x) in [0.0, 0.1, 1.0, 5.0].into_iter().enumerate() {
            arena.world.agents_mut()[slot].position = DVec2::new(x, 0.0);
        }
        assert_eq!([0, 1, 2, 3].map(|body| ring(&arena, body)), [None; 4]);
        arena.world.agents_mut()[3].position.x = 1.1;
        let touching = [None, None, Some(Paint::Alarm), Some(Paint::Alarm)];
        assert_eq!([0, 1, 2, 3].map(|body| ring(&arena, body)), touching);
    }

    #[test]
    fn the_goal_has_a_ring() {
        let mut arena = arena(Scenario::SpeakerListener);
        arena.world.goal = 1;
        assert_eq!([2, 3, 4].map(|body| ring(&arena, body)), [None, Some(Paint::Light), None]);
    }
}

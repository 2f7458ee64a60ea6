use bevy::{
    light::{NotShadowCaster, NotShadowReceiver},
    prelude::*,
};

use super::{Inspected, style};
use bevy_maddpg::rays::{Detectable, Ray, RayBatch, RaySensor};

/// Colors of the classes that a sensor tells apart, in its order; more classes start again.
const CLASSES: [Color; 6] =
    [style::BRIGHT, style::BAD, style::GOOD, Color::srgb(0.65, 0.60, 0.52), style::CURVE, style::NOTICE];

/// Thickness of the lines, as a share of their longest length.
const THICKNESS: f32 = 0.004;

/// The line of the ray with this number in the fan of the inspected agent.
#[derive(Component, Debug)]
struct Line(usize);

/// What lines look like: by class, then what is not told apart, then a ray that hits nothing.
#[derive(Debug)]
struct Stock {
    mesh: Handle<Mesh>,
    materials: Vec<Handle<StandardMaterial>>,
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<InspectedRays>()
        .add_systems(Update, (look, draw).chain().run_if(resource_exists::<RayBatch>));
}

/// The rays of the inspected agent as they were cast last, with the distance and the entity of what they hit.
#[derive(Resource, Default)]
struct InspectedRays(Vec<(Ray, Option<(f32, Entity)>)>);

/// Takes over the rays of the inspected agent whenever they have been cast.
fn look(batch: Res<RayBatch>, inspected: Res<Inspected>, mut rays: ResMut<InspectedRays>) {
    let is_of = |ray: &Ray| Some(ray.agent) == inspected.0;
    let mut cast = batch.rays().iter().enumerate().filter(|(_, ray)| is_of(ray)).peekable();
    if cast.peek().is_some() || !rays.0.first().is_some_and(|(ray, _)| is_of(ray)) {
        rays.0.clear();
        rays.0.extend(cast.map(|(index, ray)| (*ray, batch.hit_of(index))));
    }
}

/// What [`draw`] writes on each line.
type Drawn<'a> = (&'a Line, &'a mut Transform, &'a mut MeshMaterial3d<StandardMaterial>, &'a mut Visibility);

/// Draws the rays of the inspected agent as its policy got them at the last decision.
fn draw(
    mut commands: Commands,
    mut assets: (ResMut<Assets<Mesh>>, ResMut<Assets<StandardMaterial>>),
    rays: Res<InspectedRays>,
    inspected: Res<Inspected>,
    agents: (Query<&RaySensor>, Query<&Detectable>),
    mut lines: Query<Drawn>,
    mut stock: Local<Option<Stock>>,
) {
    let (sensors, classes) = agents;
    let fan = inspected.0.and_then(|agent| Some((agent, sensors.get(agent).ok()?)));
    for (line, mut transform, mut material, mut visibility) in &mut lines {
        let (Some((ray, hit)), Some((_, sensor)), Some(stock)) = (rays.0.get(line.0), fan, stock.as_ref())
        else {
            visibility.set_if_neq(Visibility::Hidden);
            continue;
        };
        let length = hit.map_or(ray.length, |(distance, _)| distance).max(0.001);
        let middle = ray.origin + ray.direction * (length / 2.0);
        let thickness = THICKNESS * ray.length;
        *transform = Transform::from_translation(middle)
            .with_rotation(Quat::from_rotation_arc(Vec3::X, ray.direction))
            .with_scale(Vec3::new(length, thickness, thickness));
        let look = match hit {
            None => CLASSES.len() + 1,
            Some((_, entity)) => {
                let class = classes.get(*entity).ok().map(|class| class.0);
                let column = sensor.classes.iter().position(|seen| Some(*seen) == class);
                column.map_or(CLASSES.len(), |column| column % CLASSES.len())
            }
        };
        material.set_if_neq(MeshMaterial3d(stock.materials[look].clone()));
        visibility.set_if_neq(Visibility::Visible);
    }
    let known = lines.iter().count();
    if rays.0.len() > known {
        let (meshes, materials) = &mut assets;
        let stock = stock.get_or_insert_with(|| {
            let looks = CLASSES.into_iter().chain([style::MUTED, style::MUTED.with_alpha(0.2)]);
            let material = |color: Color| StandardMaterial {
                base_color: color,
                unlit: true,
                alpha_mode: AlphaMode::Blend,
                ..default()
            };
            Stock {
                mesh: meshes.add(Cuboid::default()),
                materials: looks.map(|color| materials.add(material(color))).collect(),
            }
        });
        for number in known..rays.0.len() {
            commands.spawn((
                Line(number),
                Mesh3d(stock.mesh.clone()),
                MeshMaterial3d(stock.materials[0].clone()),
                Visibility::Hidden,
                NotShadowCaster,
                NotShadowReceiver,
            ));
        }
    }
}

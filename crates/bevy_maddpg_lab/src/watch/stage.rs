//! What scenes share: fog, light, and a camera that glides from view to view.

use bevy::{
    core_pipeline::tonemapping::Tonemapping,
    ecs::{schedule::ScheduleConfigs, system::ScheduleSystem},
    light::CascadeShadowConfigBuilder,
    math::ops,
    prelude::*,
    window::PrimaryWindow,
};

use super::{CameraViews, SceneInset, layout::keep_clear_of_dashboard};

/// The color of the fog and the background.
const AIR: Color = Color::srgb(0.055, 0.075, 0.115);
/// The camera's vertical field of view, in rad.
pub(super) const ANGLE: f32 = 0.6;
/// Real seconds in which the camera covers two thirds of the way to its target.
const EASE: f32 = 0.3;

/// Fog, light and camera. The scene moves the camera with a [`Glide`].
#[derive(Debug, Clone)]
pub(super) struct StagePlugin {
    /// Position of the light, which shines toward the origin.
    pub light: Vec3,
    /// Distances from the camera at which the fog begins, and at which it hides everything.
    pub air: [f32; 2],
    /// Distance from the camera up to which there are shadows.
    pub shadows: f32,
}

impl Plugin for StagePlugin {
    fn build(&self, app: &mut App) {
        let Self { light, air: [start, end], shadows } = *self;
        app.insert_resource(ClearColor(AIR))
            .insert_resource(GlobalAmbientLight {
                color: Color::srgb(0.80, 0.88, 1.0),
                brightness: 330.0,
                ..default()
            })
            .add_systems(Startup, move |mut commands: Commands| {
                commands.spawn((
                    Camera3d::default(),
                    Projection::Perspective(PerspectiveProjection { fov: ANGLE, ..default() }),
                    Tonemapping::None,
                    DistanceFog { color: AIR, falloff: FogFalloff::Linear { start, end }, ..default() },
                    Transform::default(),
                ));
                commands.spawn((
                    DirectionalLight {
                        color: Color::srgb(1.0, 0.97, 0.92),
                        illuminance: 4_300.0,
                        shadow_maps_enabled: true,
                        ..default()
                    },
                    CascadeShadowConfigBuilder {
                        num_cascades: 1,
                        minimum_distance: 1.0,
                        maximum_distance: shadows,
                        ..default()
                    }
                    .build(),
                    Transform::from_translation(light).looking_at(Vec3::ZERO, Vec3::Y),
                ));
            })
            .configure_sets(Update, (SceneSystems::LayOut, SceneSystems::Build).chain())
            .add_systems(Update, keep_clear_of_dashboard);
    }
}

/// The order of the systems that set up new arenas.
#[derive(SystemSet, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum SceneSystems {
    /// New arenas get their places.
    LayOut,
    /// New arenas get their visuals.
    Build,
}

/// The first arena, which is in front.
#[derive(Resource, Debug, Clone, Copy)]
pub(super) struct FrontArena(pub Entity);

/// An arena's place in the scene. On the arena's entity.
pub(super) trait Place: Component {
    /// The component that identifies an arena's entity.
    type Arena: Component;

    /// The place of arena number `index`.
    fn of(index: usize) -> Self;
}

/// Gives new arenas their places.
pub(super) fn lay_out<P: Place>(
    mut commands: Commands,
    arenas: Query<Entity, Added<P::Arena>>,
    front: Option<Res<FrontArena>>,
    mut count: Local<usize>,
) {
    let mut new: Vec<_> = arenas.iter().collect();
    new.sort_unstable();
    if let Some(first) = new.first().filter(|_| front.is_none()) {
        commands.insert_resource(FrontArena(*first));
    }
    for arena in new {
        commands.entity(arena).insert(P::of(*count));
        *count += 1;
    }
}

/// Fields per row; odd, so that the first one is in the middle.
const COLUMNS: usize = 9;

/// The center of field number `index`, if fields lie in rows with this distance from one to the next.
pub(super) fn in_rows(index: usize, spacing: f32) -> Vec3 {
    let (row, column) = (index / COLUMNS, index % COLUMNS);
    let side = if column.is_multiple_of(2) { -1.0 } else { 1.0 };
    Vec3::new(side * column.div_ceil(2) as f32, 0.0, -(row as f32)) * spacing
}

/// A material of this color that emits `glow` times the color.
pub(super) fn surface(color: Color, glow: f32) -> StandardMaterial {
    StandardMaterial {
        base_color: color,
        emissive: color.to_linear() * glow,
        perceptual_roughness: 0.6,
        reflectance: 0.25,
        ..default()
    }
}

/// Moves the camera to the current view. `shot` is the view with an index, for a picture whose width divided by its height
/// is the second argument.
pub(super) fn show_view(shot: fn(usize, f32) -> [Vec3; 2]) -> ScheduleConfigs<ScheduleSystem> {
    (move |time: Res<Time<Real>>,
           views: Res<CameraViews>,
           inset: Res<SceneInset>,
           window: Single<&Window, With<PrimaryWindow>>,
           mut camera: Single<&mut Transform, With<Camera3d>>,
           mut glide: Local<Glide>| {
        let view = shot(views.current, inset.aspect(&window));
        **camera = glide.towards(view, time.delta_secs());
    })
    .into_configs()
}

/// Moves a camera smoothly from view to view. A view is the eye's position and the point it looks at.
#[derive(Debug, Default)]
pub(super) struct Glide(Option<[Vec3; 2]>);

impl Glide {
    /// Moves toward `view` for `seconds` of real time and returns the camera's transform. The first view shows at once.
    pub(super) fn towards(&mut self, view: [Vec3; 2], seconds: f32) -> Transform {
        let share = 1.0 - ops::exp(-seconds / EASE);
        let [eye, subject] = self.0.map_or(view, |last| [0, 1].map(|end| last[end].lerp(view[end], share)));
        self.0 = Some([eye, subject]);
        Transform::from_translation(eye).looking_at(subject, Vec3::Y)
    }

    /// Moves along with a subject, without delay.
    pub(super) fn carry(&mut self, by: Vec3) {
        self.0.iter_mut().flatten().for_each(|end| *end += by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_view_is_there_at_once_and_the_next_one_soon() {
        let mut glide = Glide::default();
        let [near, far] = [5.0, 30.0].map(|z| [Vec3::Z * z, Vec3::ZERO]);
        assert_eq!(glide.towards(near, 0.0).translation, near[0]);
        let z = glide.towards(far, EASE).translation.z;
        assert!((20.0..22.0).contains(&z), "two thirds of the way, at {z}");
        assert!((glide.towards(far, 10.0 * EASE).translation.z - 30.0).abs() < 0.01);
        glide.carry(Vec3::X);
        assert!((glide.towards(far.map(|end| end + Vec3::X), 0.0).translation.x - 1.0).abs() < 1e-6);
    }
}

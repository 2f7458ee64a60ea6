use bevy::camera::SubCameraView;
use bevy::{prelude::*, window::PrimaryWindow};

use super::{Settings, style::WatchFont};

/// How much of the window the dashboard covers. Keep the subject of a scene out of that area.
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SceneInset {
    /// Width covered at the window's right edge, in physical pixels.
    pub right: u32,
}

impl SceneInset {
    /// Width divided by height of the uncovered part of the window, at least 0.3.
    pub(super) fn aspect(&self, window: &Window) -> f32 {
        let size = window.physical_size().as_vec2();
        ((size.x - self.right as f32) / size.y.max(1.0)).max(0.3)
    }
}

/// The strip at the top of the scene, to the left of the dashboard. Add the game's own user interface as its children.
/// It is spawned before `Startup`.
#[derive(Component, Debug)]
pub struct SceneHud;

/// Container of the dashboard.
#[derive(Component, Debug)]
pub(super) struct SideColumn;

/// Container of toasts and the help line.
#[derive(Component, Debug)]
pub(super) struct SceneFoot;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<SceneInset>()
        .add_systems(PreStartup, spawn)
        .add_systems(Update, (scale.run_if(|settings: Res<Settings>| settings.scale_ui), measure_inset));
}

pub(super) fn spawn(mut commands: Commands, mut fonts: ResMut<Assets<Font>>) {
    commands.insert_resource(WatchFont::load(&mut fonts));
    let root = Node {
        position_type: PositionType::Absolute,
        width: percent(100),
        height: percent(100),
        padding: px(12).all(),
        column_gap: px(12),
        ..default()
    };
    let column = |grow: f32| Node {
        flex_direction: FlexDirection::Column,
        align_items: AlignItems::Center,
        flex_grow: grow,
        min_width: px(0),
        row_gap: px(10),
        ..default()
    };
    commands.spawn(root).with_children(|root| {
        root.spawn(Node { justify_content: JustifyContent::SpaceBetween, flex_basis: px(0), ..column(1.0) })
            .with_children(|scene| {
                scene.spawn((SceneHud, column(0.0)));
                scene.spawn((SceneFoot, Node { width: percent(100), ..column(0.0) }));
            });
        root.spawn((SideColumn, column(0.0)));
    });
}

/// Scales the user interface with the window.
fn scale(window: Single<&Window, With<PrimaryWindow>>, mut scale: ResMut<UiScale>) {
    let fitting = (window.width() / 1280.0).min(window.height() / 720.0).clamp(0.8, 4.0);
    if (scale.0 - fitting).abs() > 0.001 {
        scale.0 = fitting;
    }
}

fn measure_inset(side: Single<&ComputedNode, With<SideColumn>>, mut inset: ResMut<SceneInset>) {
    inset.set_if_neq(SceneInset { right: side.size().x.round() as u32 });
}

/// Moves the optical center of the scene's camera to the middle of the area that the dashboard leaves free.
pub(super) fn keep_clear_of_dashboard(
    inset: Res<SceneInset>,
    window: Single<&Window, With<PrimaryWindow>>,
    mut camera: Single<&mut Camera, With<Camera3d>>,
) {
    let size = window.physical_size();
    let view = (inset.right > 0 && size.min_element() > 0).then(|| SubCameraView {
        full_size: size + UVec2::new(inset.right, 0),
        offset: Vec2::new(inset.right as f32, 0.0),
        size,
    });
    if camera.sub_camera_view != view {
        camera.sub_camera_view = view;
    }
}

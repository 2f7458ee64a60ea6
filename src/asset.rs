//! Policies as Bevy assets: they load in the background, reload when their file changes, and can be embedded in the
//! executable.
//!
//! ```no_run
//! use bevy::prelude::*;
//! use bevy_maddpg::prelude::*;
//!
//! fn main() {
//!     App::new()
//!         .add_plugins(DefaultPlugins)
//!         // The file `assets/policies/guard.safetensors`.
//!         .add_plugins(MaddpgPlugins::play_asset("policies/guard.safetensors"))
//!         .run();
//! }
//! ```
//!
//! Until the policy is loaded, agents do nothing. If the file is missing or damaged, or if the policy does not fit the agents, this is
//! reported in [`Problems`], and the previous policy stays in use. With Bevy's feature `file_watcher`, the game also loads the policy
//! again when its file changes. Policies that were [added](ActingPolicy::add) stay in use beside those of the asset.
//!
//! # Levels of difficulty
//!
//! Load one asset per level. To use it for single agents, insert its [`PolicyAsset::snapshot`] as a
//! [`PolicyOverride`](crate::agent::PolicyOverride) on them. To use it for all agents, change [`ActingPolicyHandle`]:
//!
//! ```
//! use bevy::prelude::*;
//! use bevy_maddpg::{asset::{ActingPolicyHandle, PolicyAsset}, prelude::*};
//!
//! #[derive(Resource)]
//! struct Levels([Handle<PolicyAsset>; 3]);
//!
//! fn load(mut commands: Commands, assets: Res<AssetServer>) {
//!     let level = |name: &str| assets.load(format!("policies/guard-{name}.safetensors"));
//!     commands.insert_resource(Levels(["easy", "medium", "hard"].map(level)));
//! }
//!
//! fn make_it_hard(levels: Res<Levels>, mut acting: ResMut<ActingPolicyHandle>) {
//!     acting.0 = levels.0[2].clone();
//! }
//! # bevy::ecs::system::assert_is_system(load);
//! # bevy::ecs::system::assert_is_system(make_it_hard);
//! ```
//!
//! # In the executable
//!
//! `embedded_asset!(app, "guard.safetensors")` puts a file into the executable that lies in the folder of the source file.
//! `MaddpgPlugins::play_asset("embedded://my_game/guard.safetensors")` then uses it. Without the asset system,
//! [`PolicySnapshot::from_bytes`](crate::policy::PolicySnapshot::from_bytes) with [`include_bytes!`] does the same.

mod loader;

pub use loader::{PolicyAsset, PolicyLoadError, PolicyLoader};

use bevy::{asset::AssetLoadFailedEvent, prelude::*};

use crate::{
    plugin::{MaddpgPlugins, PolicySource},
    problems::Problems,
    rollout::{ActingPolicy, RolloutPlugin},
};

impl MaddpgPlugins {
    /// The agents use the policies in this asset, without exploration. See the module [`asset`](crate::asset).
    pub fn play_asset(path: impl Into<String>) -> Self {
        Self {
            rollout: RolloutPlugin::default(),
            policy: PolicySource::Asset(PolicyAssetPlugin { acting: Some(path.into()) }),
        }
    }
}

/// Loads policies as assets. Needs Bevy's `AssetPlugin`, which `DefaultPlugins` contain.
#[derive(Debug, Clone, Default)]
pub struct PolicyAssetPlugin {
    /// The path of the policies that all agents use. Default: none.
    pub acting: Option<String>,
}

/// The asset whose policies all agents use. Replace the handle to use another asset.
#[derive(Resource, Debug, Clone)]
pub struct ActingPolicyHandle(pub Handle<PolicyAsset>);

impl Plugin for PolicyAssetPlugin {
    fn build(&self, app: &mut App) {
        if !app.world().contains_resource::<AssetServer>() {
            let text = "policies cannot be loaded as assets, because the app has no asset server; add `AssetPlugin` (or \
                        `DefaultPlugins`) before";
            app.world_mut().get_resource_or_init::<Problems>().tell("no asset server", "", || text.into());
            return;
        }
        app.init_asset::<PolicyAsset>()
            .init_asset_loader::<PolicyLoader>()
            .add_systems(PreUpdate, (follow, report).chain());
        if let Some(path) = &self.acting {
            let handle = app.world().resource::<AssetServer>().load(path.clone());
            app.world_mut().get_resource_or_init::<ActingPolicy>().is_loading = true;
            app.insert_resource(ActingPolicyHandle(handle));
        }
    }
}

/// Makes the agents use the policies of [`ActingPolicyHandle`] when they are loaded, when their file has changed, and when the
/// handle is replaced.
fn follow(
    handle: Option<Res<ActingPolicyHandle>>,
    assets: Res<Assets<PolicyAsset>>,
    mut changes: MessageReader<AssetEvent<PolicyAsset>>,
    mut acting: ResMut<ActingPolicy>,
    mut is_waiting: Local<bool>,
) {
    let Some(handle) = handle else { return };
    let has_changed =
        changes.read().any(|change| change.is_added(&handle.0) || change.is_modified(&handle.0));
    *is_waiting |= handle.is_changed() || has_changed;
    if *is_waiting && let Some(policy) = assets.get(&handle.0) {
        acting.set_beside_added(policy.snapshot().clone());
        *is_waiting = false;
    }
}

/// Reports policies that cannot be loaded.
fn report(mut failures: MessageReader<AssetLoadFailedEvent<PolicyAsset>>, mut problems: ResMut<Problems>) {
    for failure in failures.read() {
        let path = failure.path.to_string();
        let reason = failure.error.to_string().trim_end().replace('\n', " ");
        problems.tell("policy asset", &format!("{path}: {reason}"), || {
            format!("the policy `{path}` cannot be loaded: {reason}. The policy before it, if there is one, stays in use")
        });
    }
}

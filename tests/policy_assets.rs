//! Policies as Bevy assets: they load in the background, reload when their file changes, and a bad file changes nothing.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bevy::{
    asset::{AssetPlugin, embedded_asset},
    prelude::*,
};
use bevy_maddpg::{
    asset::{ActingPolicyHandle, PolicyAsset, PolicyAssetPlugin},
    headless,
    policy::{AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, Policy},
    prelude::*,
    problems::Problems,
};

/// A policy for guards that observe `inputs` numbers. They always act `action`.
fn guards(action: f32, inputs: usize) -> PolicySnapshot {
    policy("guard", action, inputs)
}

fn policy(behavior: &str, action: f32, inputs: usize) -> PolicySnapshot {
    let spec = ArenaSpec::new(vec![AgentSpec::new(behavior, inputs, 1)]);
    let policies = spec.groups(true).unwrap().into_iter().map(|group| {
        let shape = NetworkShape::new(inputs, &[], 1, false);
        let mut parameters = vec![0.0; inputs];
        parameters.push(action.atanh());
        Policy::new(group, Normalizer::identity(inputs), Network { shape, parameters }).unwrap()
    });
    PolicySnapshot::new(1, 1, 0, policies.collect()).unwrap()
}

/// An app with one guard, which acts by the asset `guard.safetensors` in this folder.
fn app(folder: &Path) -> (App, Entity) {
    let mut app = headless::app(1);
    app.add_plugins(AssetPlugin {
        file_path: folder.to_str().unwrap().into(),
        watch_for_changes_override: Some(true),
        ..AssetPlugin::default()
    })
    .add_plugins(MaddpgPlugins::play_asset("guard.safetensors").with_decision_period(1))
    .add_systems(Observe, |mut guards: Query<&mut Observation>| {
        guards.iter_mut().for_each(|mut guard| guard.write(&[0.5]));
    });
    let guard = app.world_mut().spawn(Agent::new("guard", 1, 1)).id();
    headless::start(&mut app);
    (app, guard)
}

/// Updates the app until this holds. Fails after some seconds, which is long for a slow machine.
fn wait(app: &mut App, what: &str, holds: impl Fn(&App) -> bool) -> Duration {
    let start = Instant::now();
    while !holds(app) {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", told(app));
        app.update();
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

fn acts(guard: Entity, action: f32) -> impl Fn(&App) -> bool {
    move |app| (app.world().get::<Action>(guard).unwrap()[0] - action).abs() < 1e-5
}

fn told(app: &App) -> &[String] {
    app.world().resource::<Problems>().told()
}

#[test]
fn a_changed_file_acts_and_a_bad_one_never_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard.safetensors");
    guards(0.5, 1).save(&path).unwrap();
    let (mut app, guard) = app(folder.path());
    wait(&mut app, "the policy loads", acts(guard, 0.5));
    guards(-0.25, 1).save(&path).unwrap();
    let seconds = wait(&mut app, "the changed policy acts", acts(guard, -0.25)).as_secs_f32();
    println!("a changed file acts after {seconds:.2} s");

    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    wait(&mut app, "the damaged file is reported", |app| {
        told(app).iter().any(|text| text.contains("cannot be loaded"))
    });
    assert!(told(&app)[0].contains("guard.safetensors") && acts(guard, -0.25)(&app), "{:?}", told(&app));
    guards(0.75, 3).save(&path).unwrap();
    wait(&mut app, "the policy for others is refused", |app| {
        told(app).iter().any(|text| text.contains("does not fit"))
    });
    (0..20).for_each(|_| app.update());
    assert!(acts(guard, -0.25)(&app), "{:?}", told(&app));
    guards(0.1, 1).save(&path).unwrap();
    wait(&mut app, "a good file acts again", acts(guard, 0.1));
}

#[test]
fn a_missing_file_is_reported_and_the_agents_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut app, guard) = app(folder.path());
    wait(&mut app, "the missing file is reported", |app| {
        told(app).iter().any(|text| text.contains("cannot be loaded"))
    });
    assert!(acts(guard, 0.0)(&app));
}

#[test]
fn levels_of_difficulty_are_handles() {
    let folder = tempfile::tempdir().unwrap();
    for (name, action) in [("guard", 0.1), ("hard", 0.9)] {
        guards(action, 1).save(folder.path().join(format!("{name}.safetensors"))).unwrap();
    }
    let (mut app, guard) = app(folder.path());
    wait(&mut app, "the first level acts", acts(guard, 0.1));
    let hard = app.world().resource::<AssetServer>().load("hard.safetensors");
    app.world_mut().resource_mut::<ActingPolicyHandle>().0 = hard;
    wait(&mut app, "the hard level acts", acts(guard, 0.9));
    // Policies that were made by code are assets as well.
    let made = app.world_mut().resource_mut::<Assets<PolicyAsset>>().add(PolicyAsset::new(guards(-0.5, 1)));
    app.world_mut().resource_mut::<ActingPolicyHandle>().0 = made;
    wait(&mut app, "the level made by code acts", acts(guard, -0.5));
}

#[test]
fn policies_that_were_added_stay_when_the_file_of_the_others_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard.safetensors");
    guards(0.5, 1).save(&path).unwrap();
    let (mut app, guard) = app(folder.path());
    let wolf = app.world_mut().spawn(Agent::new("wolf", 1, 1)).id();
    app.world_mut().resource_mut::<ActingPolicy>().add(policy("wolf", -0.75, 1));
    for action in [0.5, -0.25] {
        guards(action, 1).save(&path).unwrap();
        wait(&mut app, "the guard's policy acts", acts(guard, action));
        assert!(acts(wolf, -0.75)(&app));
    }
}

#[test]
fn a_policy_in_the_executable_acts() {
    let mut app = headless::app(1);
    app.add_plugins(AssetPlugin::default());
    // The file was written by `guards(0.3, 1).save(..)`.
    embedded_asset!(app, "tests/", "fixtures/guard.safetensors");
    app.add_plugins(
        MaddpgPlugins::play_asset("embedded://policy_assets/fixtures/guard.safetensors")
            .with_decision_period(1),
    );
    let guard = app.world_mut().spawn(Agent::new("guard", 1, 1)).id();
    headless::start(&mut app);
    wait(&mut app, "the policy loads", acts(guard, 0.3));
}

#[test]
fn an_app_without_an_asset_server_is_told() {
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::play_asset("guard.safetensors"));
    assert!(told(&app)[0].contains("AssetPlugin"), "{:?}", told(&app));
    let _ = PolicyAssetPlugin::default();
}

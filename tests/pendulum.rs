//! The pendulum as a game and as a program: episodes last 200 steps, and the example's summary is correct.

mod example_program;

use bevy::{platform::collections::HashMap, prelude::*};
use bevy_maddpg::{headless, prelude::*};
use bevy_maddpg_lab::{
    catalog::Pendulum,
    game::{Game, Setup, headless_app},
    games::pendulum::TIME_LIMIT,
};

use example_program::{run, summary};

/// Each arena's expected return and number of steps that began upright, computed from its agent's observations.
#[derive(Resource, Default)]
struct Expected(HashMap<Entity, (f64, u32)>);

const ACTION: f32 = 0.75;

fn expect(agents: Query<(&InArena, &Observation)>, mut expected: ResMut<Expected>) {
    for (place, observation) in &agents {
        let [cosine, sine, speed] = [0, 1, 2].map(|index| f64::from(observation.frame()[index]));
        let (angle, torque) = (sine.atan2(cosine), 2.0 * f64::from(ACTION));
        let (total, upright) = expected.0.entry(place.arena).or_default();
        *total -= angle * angle + 0.1 * speed * speed + 0.001 * torque * torque;
        *upright += u32::from(angle.abs() < 0.2);
    }
}

#[test]
fn episode_is_truncated_after_200_steps_with_the_expected_return() {
    let policy = PolicySnapshot::zeros(&Pendulum.spec().groups(true).unwrap()).unwrap();
    let setup = Setup { arenas: 5, seed: 3, human: None };
    let mut app = headless_app(&Pendulum, MaddpgPlugins::play(policy), &setup);
    app.init_resource::<Expected>().add_systems(FixedPreUpdate, expect);
    headless::start(&mut app);
    let mut agents = app.world_mut().query_filtered::<Entity, With<Agent>>();
    for agent in agents.iter(app.world()).collect::<Vec<_>>() {
        app.world_mut().entity_mut(agent).insert(ActionOverride(vec![ACTION]));
    }
    let mut ended = Vec::new();
    for _ in 0..TIME_LIMIT {
        assert!(ended.is_empty());
        app.update();
        ended.extend(app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain());
    }
    assert_eq!(ended.len(), 5);
    let mut starts = Vec::new();
    for episode in ended {
        let (total, upright) = app.world().resource::<Expected>().0[&episode.arena];
        assert!(episode.truncated && episode.decisions == TIME_LIMIT);
        assert!((f64::from(episode.returns[0]) - total).abs() < 1e-4 * total.abs(), "{episode:?}: {total}");
        // This test counts the first state of an episode, the game the last, so the counts may differ by one.
        let measures: Vec<_> = episode.measures.iter().collect();
        assert!(
            matches!(measures[..], [("upright", share)] if (share * 200.0 - upright as f32).abs() < 1.01)
        );
        starts.push(episode.returns[0]);
    }
    starts.dedup();
    assert_eq!(starts.len(), 5, "each arena has its own starts");
}

#[test]
fn example_trains_evaluates_and_plays_the_saved_policy() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let trained = summary(&run("pendulum", &["--max-decisions", "8000", "--evaluate", "4", "--out", out]));
    assert_eq!(trained.game, "pendulum");
    assert!(trained.updates > 0 && !trained.solved);
    assert_eq!(trained.measures.keys().collect::<Vec<_>>(), ["upright"]);

    let policy = folder.path().join("policy.safetensors");
    assert_eq!(PolicySnapshot::load(&policy).unwrap().spec(), &Pendulum.spec());
    let played = summary(&run("pendulum", &["--policy", policy.to_str().unwrap(), "--evaluate", "4"]));
    assert_eq!(played.evaluation, trained.evaluation, "the same starts and the same policy");
    let evaluation = played.evaluation.unwrap();
    assert_eq!(evaluation.episodes, 4);
    assert!((-2_000.0..=0.0).contains(&evaluation.mean), "{evaluation:?}");
    assert!((0.0..=1.0).contains(&evaluation.measures["upright"]));
}

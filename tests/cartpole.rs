//! The cart and pole as a game and as a program: its steps are Gymnasium's, episodes end as they should, and the example's
//! summary is correct.

mod example_program;

use bevy::prelude::*;
use bevy_maddpg::{headless, prelude::*};
use bevy_maddpg_lab::{
    catalog::CartPole,
    game::{Game, Setup, headless_app},
    games::cartpole::{self, Push, TIME_LIMIT},
};
use serde::Deserialize;

use example_program::{run, summary};

/// Recorded episodes of Gymnasium.
#[derive(Deserialize)]
struct Recording {
    episodes: Vec<Episode>,
}

#[derive(Deserialize)]
struct Episode {
    start: [f64; 4],
    actions: Vec<u8>,
    states: Vec<[f64; 4]>,
    terminated: bool,
}

#[test]
fn steps_are_those_of_gymnasium() {
    let recording: Recording = serde_json::from_str(include_str!("fixtures/cartpole.json")).unwrap();
    assert_eq!(recording.episodes.len(), 4);
    for Episode { start: [position, velocity, angle, angular_velocity], actions, states, terminated } in
        recording.episodes
    {
        let mut cart = cartpole::CartPole { position, velocity, angle, angular_velocity };
        let last = states.len() - 1;
        for (step, (action, expected)) in actions.into_iter().zip(states).enumerate() {
            assert!(!cart.has_failed());
            cart.step(action == 1);
            let found = [cart.position, cart.velocity, cart.angle, cart.angular_velocity];
            assert!(
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
                "{step}: {found:?}, {expected:?}"
            );
            assert_eq!(cart.has_failed(), terminated && step == last);
        }
    }
}

#[test]
fn episodes_end_when_the_pole_falls_or_at_the_time_limit() {
    let policy = PolicySnapshot::zeros(&CartPole.spec().groups(true).unwrap()).unwrap();
    let setup = Setup { arenas: 2, seed: 3, human: None };
    let mut app = headless_app(&CartPole, MaddpgPlugins::play(policy), &setup);
    // The second cart is steered by hand, the first one is always pushed to the right.
    app.add_systems(Observe, |mut carts: Query<(&cartpole::Cart, &mut ActionOverride)>| {
        for (index, (cart, mut taken_over)) in carts.iter_mut().enumerate() {
            let state = cart.state;
            let falls_right =
                state.angle + 0.3 * state.angular_velocity + 0.02 * state.position + 0.05 * state.velocity
                    > 0.0;
            let push = if index == 0 || falls_right { Push::Right } else { Push::Left };
            taken_over.0 = push.to_action();
        }
    });
    headless::start(&mut app);
    let mut agents = app.world_mut().query_filtered::<Entity, With<Agent>>();
    for agent in agents.iter(app.world()).collect::<Vec<_>>() {
        app.world_mut().entity_mut(agent).insert(ActionOverride(Push::Left.to_action()));
    }
    let mut ended: Vec<EpisodeEnded> = Vec::new();
    for _ in 0..TIME_LIMIT {
        app.update();
        ended.extend(app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain());
    }
    let (fallen, lasted): (Vec<_>, Vec<_>) = ended.iter().partition(|episode| !episode.truncated);
    assert!(fallen.len() > 30 && fallen.iter().all(|episode| (8..=12).contains(&episode.decisions)));
    assert!(fallen.iter().all(|episode| episode.returns[0] == episode.decisions as f32));
    assert_eq!(
        lasted.iter().map(|episode| (episode.decisions, episode.returns[0])).collect::<Vec<_>>(),
        [(500, 500.0)]
    );
}

#[test]
fn example_trains_evaluates_and_plays_the_saved_policy() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let trained = summary(&run("cartpole", &["--max-decisions", "8000", "--evaluate", "4", "--out", out]));
    assert_eq!(trained.game, "cartpole");
    assert!(trained.updates > 0);
    let policy = folder.path().join("policy.safetensors");
    let loaded = PolicySnapshot::load(&policy).unwrap();
    assert_eq!(loaded.spec(), &CartPole.spec());
    assert_eq!(loaded.spec().slots[0].action.names(), ["push: left", "push: right"]);
    let played = summary(&run("cartpole", &["--policy", policy.to_str().unwrap(), "--evaluate", "4"]));
    assert_eq!(played.evaluation, trained.evaluation, "the same starts and the same policy");
    assert!((1.0..=500.0).contains(&played.evaluation.unwrap().mean));
}

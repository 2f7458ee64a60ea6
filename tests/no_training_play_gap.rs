//! A game plays the same at full speed, as in training, and in real time: every step's states are bitwise equal.

use std::time::Duration;

use bevy::{prelude::*, time::TimeUpdateStrategy};
use bevy_maddpg::{
    headless,
    plugin::MaddpgPlugins,
    policy::PolicySnapshot,
    rollout::{AgentSystems, RolloutClock, StepEnd},
};
use bevy_maddpg_lab::{
    catalog::Tennis,
    game::{Setup, headless_app},
    games::tennis::Court,
};
use bevy_rapier3d::prelude::Velocity;

/// Every body's position and velocity after each step, as bits.
#[derive(Resource, Default)]
struct History(Vec<Vec<u32>>);

fn note(
    courts: Query<(Entity, &Court)>,
    states: Query<(&Transform, &Velocity)>,
    mut history: ResMut<History>,
) {
    let mut courts: Vec<_> = courts.iter().collect();
    courts.sort_unstable_by_key(|(entity, _)| *entity);
    let mut bits = Vec::new();
    for body in courts.iter().flat_map(|(_, court)| [court.ball, court.rackets[0], court.rackets[1]]) {
        let (transform, velocity) = states.get(body).unwrap();
        let numbers =
            [transform.translation.to_array(), velocity.linear.to_array(), velocity.angular.to_array()];
        bits.extend(numbers.as_flattened().iter().map(|number| number.to_bits()));
    }
    history.0.push(bits);
}

fn policy() -> PolicySnapshot {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/policies/tennis.safetensors");
    PolicySnapshot::load(path).unwrap()
}

fn app_with(strategy: TimeUpdateStrategy) -> App {
    let setup = Setup { arenas: 3, seed: 5, human: None };
    let mut app = headless_app(&Tennis, MaddpgPlugins::play(policy()), &setup);
    app.insert_resource(strategy)
        .init_resource::<History>()
        .add_systems(StepEnd, note.after(AgentSystems::End));
    headless::start(&mut app);
    app
}

fn history(mut app: App, ticks: usize) -> Vec<Vec<u32>> {
    while app.world().resource::<History>().0.len() < ticks {
        app.update();
    }
    app.world_mut().resource_mut::<History>().0.drain(..ticks).collect()
}

#[test]
fn full_speed_and_real_time_give_bitwise_equal_states() {
    let ticks = 1_500;
    let full_speed = history(app_with(TimeUpdateStrategy::FixedTimesteps(5)), ticks);
    // A display at 60 Hz, and one that stutters between 144 and 20 frames per second.
    let steady = history(app_with(TimeUpdateStrategy::ManualDuration(Duration::from_micros(16_667))), ticks);
    let mut stuttering = app_with(TimeUpdateStrategy::ManualDuration(Duration::from_micros(6_944)));
    let mut frame = 0;
    while stuttering.world().resource::<History>().0.len() < ticks {
        let micros = if frame % 7 == 0 { 50_000 } else { 6_944 };
        stuttering.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_micros(micros)));
        stuttering.update();
        frame += 1;
    }
    let stuttering = history(stuttering, ticks);
    for tick in 0..ticks {
        assert!(full_speed[tick] == steady[tick], "60 Hz differs at step {tick}");
        assert!(full_speed[tick] == stuttering[tick], "stuttering differs at step {tick}");
    }
    assert_ne!(full_speed[ticks - 1], full_speed[ticks - 2], "the game moves");
}

#[test]
fn speed_changes_only_the_number_of_steps_per_frame() {
    let ticks = 600;
    let normal = history(app_with(TimeUpdateStrategy::ManualDuration(Duration::from_millis(16))), ticks);
    let mut fast = app_with(TimeUpdateStrategy::ManualDuration(Duration::from_millis(16)));
    fast.world_mut().resource_mut::<Time<Virtual>>().set_relative_speed(8.0);
    let before = fast.world().resource::<RolloutClock>().step;
    (0..10).for_each(|_| fast.update());
    let steps = fast.world().resource::<RolloutClock>().step - before;
    assert!((60..=68).contains(&steps), "160 ms at 8x should be 64 steps of 20 ms, found {steps}");
    assert!(history(fast, ticks) == normal);
}

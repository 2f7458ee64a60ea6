//! A world in which one agent must die to open the door for the others. An agent that shares the fate of its team learns to
//! do so; an agent that has its own fate does not.

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::{LearnerConfig, Preset},
    prelude::*,
};

/// Where an agent stands on a line, from 0 to 1. The door is at 0.8; a plate that opens it is at 1, on the opener's side.
#[derive(Component, Default)]
struct Position(f32);

#[derive(Component, Default)]
struct Door {
    is_open: bool,
}

const DOOR: f32 = 0.8;
const EXIT: f32 = 1.0;
const SPEED: f32 = 0.35;
const TIME_LIMIT: u32 = 16;

fn spawn(mut commands: Commands) {
    for _ in 0..16 {
        let arena = commands.spawn((Arena::with_time_limit(TIME_LIMIT), Door::default())).id();
        for behavior in ["opener", "walker", "walker"] {
            let agent = Agent::new(behavior, 2, 1).in_team("team");
            commands.spawn((agent, InArena::new(arena), Position::default()));
        }
    }
}

fn reset(resets: ArenasToReset, mut doors: Query<&mut Door>, mut agents: Query<(&InArena, &mut Position)>) {
    for (place, mut position) in &mut agents {
        if resets.contains(place.arena) {
            position.0 = 0.0;
            if let Ok(mut door) = doors.get_mut(place.arena) {
                door.is_open = false;
            }
        }
    }
}

fn observe(doors: Query<&Door>, mut agents: Query<(&InArena, &Position, &mut Observation)>) {
    for (place, position, mut observation) in &mut agents {
        let is_open = doors.get(place.arena).is_ok_and(|door| door.is_open);
        observation.write(&[position.0, if is_open { 1.0 } else { 0.0 }]);
    }
}

fn walk(
    mut doors: Query<&mut Door>,
    mut agents: Query<(&Agent, &InArena, &Action, &mut Position, &mut Reward, &mut Life)>,
) {
    for (agent, place, action, mut position, mut reward, mut life) in &mut agents {
        let Ok(mut door) = doors.get_mut(place.arena) else { continue };
        if life.is_over() {
            continue;
        }
        let is_opener = agent.behavior == "opener";
        let end = if is_opener || door.is_open { EXIT } else { DOOR };
        position.0 = (position.0 + SPEED * action[0]).clamp(0.0, end);
        if position.0 < EXIT {
            continue;
        }
        // The opener dies on the plate, which hurts a little. The others reach the exit.
        reward.add(if is_opener { -0.2 } else { 1.0 });
        life.terminate();
        door.is_open |= is_opener;
    }
}

/// The share of the last episodes in which the opener has opened the door.
fn share_opened(team_fate: bool, seed: u64) -> f32 {
    let mut config = Preset::Matd3.config();
    config.learner = LearnerConfig {
        team_fate: if team_fate { vec!["opener".into(), "walker".into()] } else { Vec::new() },
        actor_hidden: vec![32, 32],
        critic_hidden: vec![32, 32],
        batch_size: 128,
        learning_starts: 1_000,
        updates_per_decision: 0.125,
        ..config.learner
    };
    let plugins = MaddpgPlugins::train(config).with_seed(seed).with_decision_period(1);
    let mut app = headless::app(1);
    app.add_plugins(plugins.with_training(|training| training.pace = Pace::Lockstep))
        .add_systems(Startup, spawn)
        .add_systems(Reset, reset)
        .add_systems(Observe, observe)
        .add_systems(FixedUpdate, walk);
    headless::start(&mut app);
    (0..1_000).for_each(|_| app.update());
    let (mut opened, mut episodes) = (0, 0);
    for _ in 0..200 {
        app.update();
        for ended in app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain() {
            episodes += 1;
            opened += u32::from(ended.returns[0] < 0.0);
        }
    }
    opened as f32 / episodes as f32
}

#[test]
fn an_agent_gives_itself_up_only_if_it_shares_the_fate_of_its_team() {
    for seed in 0..5 {
        let [own, team] = [false, true].map(|team_fate| share_opened(team_fate, seed));
        println!(
            "seed {seed}: the door opens in {own} of the episodes with own fate, in {team} with team fate"
        );
        assert!(team > 0.9, "seed {seed}: {team} with team fate");
        assert!(own < 0.3, "seed {seed}: {own} with own fate");
    }
}

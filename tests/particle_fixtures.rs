//! Replays recorded episodes of mpe2 1.1.1 in the particle worlds and checks every observation and reward within 1e-5.
//!
//! Reads the JSON files in `tests/fixtures/particle` and, in the same format, in the folder named by the environment
//! variable `PARTICLE_FIXTURES`.

use std::path::{Path, PathBuf};

use bevy::{math::DVec2, prelude::*};
use bevy_maddpg::{headless, prelude::*};
use bevy_maddpg_lab::{
    catalog::Particle,
    game::{Setup, headless_app},
    games::particle::{
        CONTACT_FORCE, CONTACT_MARGIN, DAMPING, ParticleArena, ParticleWorld, STEP_SECONDS, Scenario,
        TIME_LIMIT,
    },
};
use serde::Deserialize;

const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Recording {
    scenario: String,
    max_cycles: u32,
    agents: Vec<String>,
    action_sizes: Vec<usize>,
    observation_sizes: Vec<usize>,
    episodes: Vec<RecordedEpisode>,
}

#[derive(Deserialize)]
struct RecordedEpisode {
    seed: u64,
    dt: f64,
    damping: f64,
    contact_force: f64,
    contact_margin: f64,
    initial: Initial,
    first_observations: Vec<Vec<f32>>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Initial {
    agents: Vec<Entry>,
    landmarks: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    position: [f64; 2],
    velocity: [f64; 2],
    size: f64,
    mass: f64,
    movable: bool,
    collides: bool,
    max_speed: Option<f64>,
    acceleration: Option<f64>,
    silent: Option<bool>,
    goal_a: Option<String>,
    goal_b: Option<String>,
    key: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Step {
    actions: Vec<Vec<f32>>,
    observations: Vec<Vec<f32>>,
    rewards: Vec<f64>,
}

/// All recordings with their files and scenarios.
fn recordings() -> Vec<(PathBuf, Scenario, Recording)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/particle")];
    folders
        .extend(std::env::var_os("PARTICLE_FIXTURES").filter(|folder| !folder.is_empty()).map(PathBuf::from));
    let files = folders.iter().flat_map(|folder| {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort_unstable();
        files
    });
    files
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let recording: Recording =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let (name, _version) = recording.scenario.rsplit_once("_v").unwrap();
            let scenario = name.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file, scenario, recording)
        })
        .collect()
}

/// The recorded start of an episode. Asserts that its bodies match the scenario's.
fn start(scenario: Scenario, recorded: &RecordedEpisode) -> ParticleWorld {
    let constants = [recorded.dt, recorded.damping, recorded.contact_force, recorded.contact_margin];
    assert_eq!(constants, [STEP_SECONDS, DAMPING, CONTACT_FORCE, CONTACT_MARGIN]);
    let mut world = scenario.world();
    let Initial { agents, landmarks } = &recorded.initial;
    assert_eq!((agents.len(), landmarks.len()), (world.agents().len(), world.landmarks().len()));
    for (agent, voice) in agents.iter().zip(world.voices()) {
        assert_eq!(agent.silent, Some(voice.said().is_empty()), "{}", agent.name);
    }
    let landmark = |wanted: &str| landmarks.iter().position(|landmark| landmark.name == wanted);
    let goal =
        |agent: &Entry| [&agent.goal_a, &agent.goal_b].into_iter().flatten().find_map(|goal| landmark(goal));
    world.goal = agents.iter().find_map(goal).unwrap_or(0);
    let key = agents.iter().find_map(|agent| agent.key.as_ref()?.iter().position(|number| *number == 1.0));
    world.key = key.unwrap_or(0);
    for (body, entry) in world.agents_mut().iter_mut().zip(agents) {
        body.place(entry);
        assert_eq!(body.acceleration, entry.acceleration.unwrap_or(5.0), "{}", entry.name);
    }
    world.landmarks_mut().iter_mut().zip(landmarks).for_each(|(body, entry)| body.place(entry));
    world
}

trait Place {
    fn place(&mut self, entry: &Entry);
}

impl Place for bevy_maddpg_lab::games::particle::Body {
    fn place(&mut self, entry: &Entry) {
        (self.position, self.velocity) = (DVec2::from(entry.position), DVec2::from(entry.velocity));
        let own = (self.size, 1.0, self.movable, self.collides, self.max_speed);
        let recorded = (entry.size, entry.mass, entry.movable, entry.collides, entry.max_speed);
        assert_eq!(own, recorded, "size, mass, movable, collides and speed limit of {}", entry.name);
    }
}

/// Compares computed numbers with recorded ones and keeps the largest deviation.
struct Judge {
    place: String,
    largest: f64,
}

impl Judge {
    fn hold(&mut self, found: f64, recorded: f64, what: impl Fn() -> String) {
        let deviation = (found - recorded).abs();
        assert!(deviation <= TOLERANCE, "{}, {}: found {found}, recorded {recorded}", self.place, what());
        self.largest = self.largest.max(deviation);
    }

    fn observation(&mut self, found: &[f32], recorded: &[f32], step: usize, slot: usize) {
        assert_eq!(found.len(), recorded.len());
        for (index, (found, recorded)) in found.iter().zip(recorded).enumerate() {
            self.hold(f64::from(*found), f64::from(*recorded), || {
                format!("step {step}, observation {index} of slot {slot}")
            });
        }
    }
}

/// Replays every episode with `replay` and prints the largest deviation of each file.
fn replay_all(replay: impl Fn(Scenario, &RecordedEpisode, &mut Judge)) {
    for (file, scenario, recording) in recordings() {
        let mut largest = 0.0f64;
        for episode in &recording.episodes {
            let place = format!("{}, seed {}", file.display(), episode.seed);
            let mut judge = Judge { place, largest: 0.0 };
            replay(scenario, episode, &mut judge);
            largest = largest.max(judge.largest);
        }
        println!(
            "{}: {} episodes, largest deviation {largest:.1e}",
            file.display(),
            recording.episodes.len()
        );
    }
}

#[test]
fn agents_and_sizes_match_the_recordings() {
    for (file, scenario, recording) in recordings() {
        assert_eq!(recording.max_cycles, TIME_LIMIT, "{}", file.display());
        let roles = scenario.roles();
        assert_eq!(roles.len(), recording.agents.len());
        for (slot, role) in roles.iter().enumerate() {
            assert_eq!(role.observation_size, recording.observation_sizes[slot]);
            // mpe2's actions use five numbers for a move, these worlds two.
            let moves = if scenario.world().agents()[slot].movable { 5 - 2 } else { 0 };
            assert_eq!(role.action_size + moves, recording.action_sizes[slot]);
        }
    }
}

#[test]
fn worlds_replay_recorded_episodes() {
    replay_all(|scenario, recorded, judge| {
        let mut world = start(scenario, recorded);
        let mut observation = Vec::new();
        let mut rewards = vec![0.0; scenario.roles().len()];
        for (slot, expected) in recorded.first_observations.iter().enumerate() {
            scenario.observe(&world, slot, &mut observation);
            judge.observation(&observation, expected, 0, slot);
        }
        for (number, step) in recorded.steps.iter().enumerate() {
            step.actions.iter().enumerate().for_each(|(slot, action)| world.act_as_mpe2(slot, action));
            world.step();
            scenario.reward(&world, &mut rewards);
            for (slot, (found, expected)) in rewards.iter().zip(&step.rewards).enumerate() {
                judge.hold(*found, *expected, || format!("step {}, reward of slot {slot}", number + 1));
                scenario.observe(&world, slot, &mut observation);
                judge.observation(&observation, &step.observations[slot], number + 1, slot);
            }
        }
    });
}

/// Converts an mpe2 action to the equivalent action in these worlds.
fn compact(movable: bool, action: &[f32]) -> Vec<f32> {
    let (moves, words) = action.split_at(if movable { 5 } else { 0 });
    let force = moves.get(1..).map(|moves| [moves[1] - moves[0], moves[3] - moves[2]]);
    force.into_iter().flatten().chain(words.iter().map(|word| 2.0 * word - 1.0)).collect()
}

#[test]
fn arenas_replay_recorded_episodes_through_the_rollout() {
    replay_all(|scenario, recorded, judge| {
        let policy = PolicySnapshot::zeros(&scenario.spec().groups(true).unwrap()).unwrap();
        let setup = Setup { arenas: 1, ..default() };
        let mut app = headless_app(&Particle::new(scenario), MaddpgPlugins::play(policy), &setup);
        headless::start(&mut app);
        // Replay in the second episode, whose start can be replaced before its first decision.
        (0..TIME_LIMIT).for_each(|_| app.update());
        let mut arenas = app.world_mut().query::<&mut ParticleArena>();
        let mut arena = arenas.single_mut(app.world_mut()).unwrap();
        arena.world = start(scenario, recorded);
        let (agents, movable): (Vec<Entity>, Vec<bool>) =
            arena.agents.iter().copied().zip(arena.world.agents().iter().map(|body| body.movable)).unzip();

        let mut sums = vec![0.0f64; agents.len()];
        for (number, step) in recorded.steps.iter().enumerate() {
            app.world_mut().run_schedule(Observe);
            for (slot, agent) in agents.iter().enumerate() {
                let before = recorded.steps[..number].last();
                let expected = before.map_or(&recorded.first_observations, |step| &step.observations);
                let observation = app.world().get::<Observation>(*agent).unwrap();
                judge.observation(observation.frame(), &expected[slot], number, slot);
                let action = ActionOverride(compact(movable[slot], &step.actions[slot]));
                app.world_mut().entity_mut(*agent).insert(action);
            }
            app.update();
            sums.iter_mut().zip(&step.rewards).for_each(|(sum, reward)| *sum += reward);
        }
        let last = &recorded.steps.last().unwrap().observations;
        for (slot, agent) in agents.iter().enumerate() {
            let observation = app.world().get::<Observation>(*agent).unwrap();
            judge.observation(observation.frame(), &last[slot], recorded.steps.len(), slot);
        }
        let ended: Vec<_> = app.world_mut().resource_mut::<Messages<EpisodeEnded>>().drain().collect();
        let returns = &ended.last().unwrap().returns;
        for (slot, (found, expected)) in returns.iter().zip(&sums).enumerate() {
            // A return sums 25 single-precision rewards, so compare relative to its size.
            let size = expected.abs().max(1.0);
            judge.hold(f64::from(*found) / size, expected / size, || format!("return of slot {slot}"));
        }
        let measures: Vec<_> = ended.last().unwrap().measures.iter().collect();
        let teams = Some(scenario.teams()).filter(|teams| teams.len() > 1).unwrap_or_default();
        assert_eq!(measures.len(), teams.len() + scenario.measures().len());
        for (team, (name, found)) in teams.iter().zip(&measures) {
            let sum: f32 = team.slots.iter().map(|slot| returns[*slot]).sum();
            assert_eq!(
                (name.strip_suffix("_return"), *found),
                (Some(team.name), sum / team.slots.len() as f32)
            );
        }
    });
}

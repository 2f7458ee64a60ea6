//! Self-play: who plays against whom, who learns, and what is remembered.

use bevy::{ecs::entity_disabling::Disabled, prelude::*};
use bevy_maddpg::{
    agent::{ActionOverride, PolicyOverride, Untrained},
    arena::NoExploration,
    exploration::{ExplorationConfig, Noise},
    headless,
    learner::LearnerConfig,
    policy::{AgentSpec, ArenaSpec},
    prelude::*,
    problems::Problems,
    self_play::{GameEnded, PlayedBy, RivalKind, SelfPlay, SelfPlayPlugin, Visitors},
};

/// Decisions of a game.
const LENGTH: u32 = 4;

/// A game between a red and a blue agent, which red always wins.
fn app(arenas: usize, self_play: SelfPlayPlugin) -> App {
    let config = TrainingConfig {
        learner: LearnerConfig { learning_starts: 1_000_000, ..default() },
        exploration: ExplorationConfig { noise: Noise::Gaussian, random_decisions: 0, ..default() },
    };
    let training = MaddpgPlugins::train(config)
        .with_training(|training| training.pace = Pace::Lockstep)
        .with_decision_period(1);
    let mut app = headless::app(1);
    app.add_plugins((training, self_play))
        .add_systems(Observe, |mut agents: Query<&mut Observation>, mut count: Local<f32>| {
            *count += 1.0;
            agents.iter_mut().for_each(|mut agent| agent.write(&[*count]));
        })
        .add_systems(Reset, || {})
        .add_systems(Observe, |mut scripted: Commands, agents: Query<Entity, With<PlayedBy>>| {
            for agent in &agents {
                scripted.entity(agent).insert(ActionOverride(vec![0.25]));
            }
        })
        .add_systems(FixedUpdate, judge);
    for _ in 0..arenas {
        let arena = app.world_mut().spawn(Arena::default()).id();
        for (slot, team) in ["red", "blue"].into_iter().enumerate() {
            app.world_mut().spawn((Agent::new("duelist", 1, 1).in_team(team), InArena::slot(arena, slot)));
        }
    }
    headless::start(&mut app);
    app
}

fn judge(
    mut arenas: Query<(Entity, &mut Episode)>,
    mut rewards: Query<(&Agent, &mut Reward)>,
    mut games: MessageWriter<GameEnded>,
) {
    for (agent, mut reward) in &mut rewards {
        reward.add(if agent.team.as_deref() == Some("red") { 1.0 } else { -1.0 });
    }
    for (arena, mut episode) in &mut arenas {
        if episode.decisions() == LENGTH {
            episode.terminate();
            games.write(GameEnded { arena, winner: Some("red".into()) });
        }
    }
}

fn visitors(app: &mut App) -> Vec<Visitors> {
    app.world_mut().query::<&Visitors>().iter(app.world()).cloned().collect()
}

fn play(app: &mut App, games: u32) {
    (0..games * LENGTH).for_each(|_| app.update());
}

#[test]
fn rivals_are_drawn_for_fighters_that_are_despawned_after_each_game() {
    let self_play = SelfPlayPlugin {
        share: 1.0,
        snapshot_decisions: 20,
        snapshots: 100,
        games: 1,
        ..SelfPlayPlugin::default()
    };
    for survivors in [0, 1] {
        let mut app = app(1, self_play.clone());
        app.add_observer(
            move |ended: On<EpisodeEnded>, mut commands: Commands, agents: Query<(Entity, &InArena)>| {
                let members = agents.iter().filter(|(_, place)| place.arena == ended.arena);
                members.skip(survivors).for_each(|(agent, _)| commands.entity(agent).despawn());
            },
        )
        .add_systems(
            Reset,
            |mut commands: Commands, resets: ArenasToReset, agents: Query<(&InArena, &Agent)>| {
                for arena in resets.iter() {
                    for (slot, team) in ["red", "blue"].into_iter().enumerate() {
                        let is_here = agents.iter().any(|(place, agent)| {
                            place.arena == arena && agent.team.as_deref() == Some(team)
                        });
                        if !is_here {
                            commands.spawn((
                                Agent::new("duelist", 1, 1).in_team(team),
                                InArena::slot(arena, slot),
                            ));
                        }
                    }
                }
            },
        );
        let mut drawn = std::collections::BTreeSet::new();
        for _ in 0..40 {
            play(&mut app, 1);
            for found in visitors(&mut app) {
                let mut played = app.world_mut().query::<(&Agent, Has<PolicyOverride>)>();
                let played = played.iter(app.world());
                let teams: Vec<_> = played.filter(|(_, is_played)| *is_played).collect();
                assert!(teams.iter().all(|(agent, _)| agent.team == Some(found.team.clone())), "{found:?}");
                drawn.insert((found.team, found.rival));
            }
        }
        assert!(drawn.len() > 3, "{survivors} survivors: {drawn:?}");
        let told = app.world().resource::<Problems>().told();
        assert!(!told.iter().any(|text| text.contains("two teams")), "{told:?}");
    }
}

#[test]
fn games_are_rated_in_arenas_that_are_despawned_after_each_game() {
    let self_play = SelfPlayPlugin {
        share: 0.5,
        games: 3,
        anchors: vec![("script".into(), RivalKind::Script)],
        ..SelfPlayPlugin::default()
    };
    let mut app = app(1, self_play);
    app.add_observer(|ended: On<EpisodeEnded>, mut commands: Commands, agents: Query<(Entity, &InArena)>| {
        for (agent, _) in agents.iter().filter(|(_, place)| place.arena == ended.arena) {
            commands.entity(agent).despawn();
        }
        commands.entity(ended.arena).despawn();
    })
    // The menu is shown for so long that messages are forgotten, then the next level starts.
    .add_systems(Update, |mut commands: Commands, arenas: Query<(), With<Arena>>, mut in_menu: Local<u32>| {
        *in_menu = if arenas.is_empty() { *in_menu + 1 } else { 0 };
        if *in_menu == 5 {
            commands.spawn(Arena::default());
        }
    })
    .add_systems(Reset, |mut commands: Commands, resets: ArenasToReset, agents: Query<&InArena>| {
        for arena in resets.iter().filter(|arena| agents.iter().all(|place| place.arena != *arena)) {
            for (slot, team) in ["red", "blue"].into_iter().enumerate() {
                commands.spawn((Agent::new("duelist", 1, 1).in_team(team), InArena::slot(arena, slot)));
            }
        }
    });
    let (mut games, mut visits, mut rated) = (0, 0, 0);
    let mut before = None;
    for _ in 0..4_000 {
        app.update();
        let arena = app.world_mut().query::<(Entity, &Episode)>().single(app.world()).ok();
        let arena = arena.filter(|(_, episode)| episode.decisions() > 1).map(|(arena, _)| arena);
        if arena.is_some() && arena != before {
            let visitors = visitors(&mut app);
            games += 1;
            visits += visitors.len();
            rated += visitors.iter().filter(|visitors| visitors.is_rated).count();
            let scripted = app.world_mut().query::<&PlayedBy>().iter(app.world()).count();
            assert_eq!(scripted, visitors.len());
        }
        before = arena.or(before);
    }
    let share = visits as f32 / games as f32;
    assert!(games > 300 && (0.4..0.6).contains(&share), "{visits} of {games} games");
    let counted = app.world().resource::<SelfPlay>().pool().rivals()[0].games;
    assert!(rated > 50 && rated - counted as usize <= 1, "{counted} of {rated} rated games");
    let told = app.world().resource::<Problems>().told();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn past_policies_play_one_of_the_teams_and_do_not_learn() {
    let self_play = SelfPlayPlugin {
        share: 1.0,
        snapshot_decisions: 100,
        snapshots: 100,
        games: 3,
        ..SelfPlayPlugin::default()
    };
    let mut app = app(32, self_play);
    assert!(visitors(&mut app).is_empty(), "there is no past yet");
    play(&mut app, 6);
    let found = visitors(&mut app);
    assert_eq!(found.len(), 32);
    for team in ["red", "blue"] {
        assert!(found.iter().any(|visitors| visitors.team == team), "sides alternate");
    }
    let mut agents = app.world_mut().query::<(&Agent, &InArena, Has<PolicyOverride>, Has<Untrained>)>();
    for (agent, place, is_past, is_untrained) in agents.iter(app.world()) {
        let visitors = app.world().get::<Visitors>(place.arena).unwrap();
        let is_visitor = agent.team.as_ref() == Some(&visitors.team);
        assert_eq!((is_past, is_untrained), (is_visitor, is_visitor));
    }
    play(&mut app, 40);
    let pool = app.world().resource::<SelfPlay>().pool();
    assert!(pool.rivals().len() > 20);
    assert!(pool.rivals().iter().map(|rival| rival.games).sum::<u64>() > 500);
    let mean = pool.rivals().iter().map(|rival| rival.score).sum::<f32>() / pool.rivals().len() as f32;
    assert!((0.4..0.6).contains(&mean), "red always wins, and half of the visitors are red: {mean}");
    assert!(pool.worst_score().unwrap() <= mean);
    // What the visitors do is not learned from as the learner's own.
    let block = app.world_mut().resource_mut::<Training>().stop().unwrap().replay().to_block();
    let learns = block.slots.chunks_exact(2).map(|slots| [slots[0].learns, slots[1].learns]);
    let [both, one]: [usize; 2] = [2, 1].map(|count| {
        learns.clone().filter(|learns| learns.iter().filter(|learns| **learns).count() == count).count()
    });
    assert!(both > 0 && one > 5 * both && both + one == block.rows(), "{both} and {one} of {}", block.rows());
}

#[test]
fn without_rivals_everybody_learns() {
    let mut app = app(8, SelfPlayPlugin { share: 0.0, snapshot_decisions: 1, ..SelfPlayPlugin::default() });
    play(&mut app, 5);
    assert!(visitors(&mut app).is_empty());
    let mut marked = app.world_mut().query_filtered::<(), Or<(With<Untrained>, With<PolicyOverride>)>>();
    assert_eq!(marked.iter(app.world()).count(), 0);
}

#[test]
fn without_two_teams_no_rival_plays_and_it_is_told() {
    let mut app = app(4, SelfPlayPlugin { share: 1.0, snapshot_decisions: 1, ..SelfPlayPlugin::default() });
    let mut agents = app.world_mut().query_filtered::<Entity, With<Agent>>();
    for agent in agents.iter(app.world()).collect::<Vec<_>>() {
        app.world_mut().entity_mut(agent).insert(Agent::new("duelist", 1, 1));
    }
    play(&mut app, 5);
    assert!(visitors(&mut app).is_empty());
    let told = app.world().resource::<Problems>().told();
    assert!(told.len() == 1 && told[0].contains("self-play needs two teams"), "{told:?}");
}

#[test]
fn agents_that_join_during_a_visit_are_played_by_the_rival_and_what_the_game_set_stays() {
    let self_play =
        SelfPlayPlugin { share: 1.0, snapshot_decisions: 1, games: 3, ..SelfPlayPlugin::default() };
    let mut app = app(4, self_play);
    let mut arenas = app.world_mut().query_filtered::<Entity, With<Arena>>();
    // Each arena has a referee, which the game never trains.
    for arena in arenas.iter(app.world()).collect::<Vec<_>>() {
        app.world_mut().spawn((Agent::new("referee", 1, 1), InArena::new(arena), Untrained));
    }
    // In each game, everybody is replaced.
    app.add_systems(Reset, |mut commands: Commands, players: Query<(Entity, &Agent, &InArena)>| {
        for (player, agent, place) in players.iter().filter(|(_, agent, _)| agent.behavior == "duelist") {
            commands.entity(player).despawn();
            commands.spawn((agent.clone(), place.clone()));
        }
    });
    play(&mut app, 3);
    let mut visits = 0;
    for _ in 0..7 {
        play(&mut app, 1);
        app.update();
        let mut players = app.world_mut().query::<(&Agent, &InArena, Has<Untrained>, Has<PolicyOverride>)>();
        for (agent, place, is_untrained, is_played_by_rival) in players.iter(app.world()) {
            let visitors = app.world().get::<Visitors>(place.arena);
            let is_visitor = visitors.is_some_and(|visitors| agent.team.as_ref() == Some(&visitors.team));
            assert_eq!(is_played_by_rival, is_visitor);
            assert_eq!(is_untrained, is_visitor || agent.behavior == "referee");
            visits += usize::from(is_visitor);
        }
        (0..LENGTH - 1).for_each(|_| app.update());
    }
    assert!(visits >= 7, "{visits}");
}

#[test]
fn a_script_of_the_game_plays_as_long_as_it_is_drawn() {
    let anchors = vec![("quarter".to_owned(), RivalKind::Script)];
    let self_play = SelfPlayPlugin {
        share: 0.5,
        snapshot_decisions: u64::MAX,
        games: 1,
        anchors,
        ..SelfPlayPlugin::default()
    };
    let mut app = app(16, self_play);
    let (mut with, mut without) = (0, 0);
    for _ in 0..10 {
        play(&mut app, 1);
        app.update();
        let mut agents =
            app.world_mut().query::<(&Action, Option<&PlayedBy>, Has<ActionOverride>, Has<Untrained>)>();
        for (action, played_by, is_taken_over, is_untrained) in agents.iter(app.world()) {
            let is_script = played_by.is_some_and(|by| by.0 == "quarter");
            assert_eq!((is_taken_over, is_untrained), (is_script, is_script));
            if is_script {
                assert_eq!(action[0], 0.25);
                with += 1;
            } else {
                without += 1;
            }
        }
        (0..LENGTH - 1).for_each(|_| app.update());
    }
    assert!(with > 40 && without > 2 * with, "{with} and {without}");
    let rival = &app.world().resource::<SelfPlay>().pool().rivals()[0];
    assert!(rival.games > 40 && (0.3..0.7).contains(&rival.score), "{rival:?}");
}

#[test]
fn agents_do_not_explore_in_rated_games_and_only_those_count() {
    let self_play =
        SelfPlayPlugin { share: 0.67, snapshot_decisions: 100, games: 2, ..SelfPlayPlugin::default() };
    let mut app = app(64, self_play);
    let (mut rated, mut seen) = (0, 0);
    for _ in 0..20 {
        play(&mut app, 1);
        app.update();
        let mut arenas = app.world_mut().query::<(&Episode, Option<&Visitors>)>();
        for (episode, visitors) in arenas.iter(app.world()) {
            let is_rated = visitors.is_some_and(|visitors| visitors.is_rated);
            assert_eq!(episode.exploration_scale() == 0.0, is_rated);
            rated += usize::from(is_rated);
            seen += usize::from(visitors.is_some());
        }
        (0..LENGTH - 1).for_each(|_| app.update());
    }
    assert!(rated * 3 > seen && rated * 3 < seen * 2, "{rated} of {seen}");
    let pool = app.world().resource::<SelfPlay>().pool();
    let games: u64 = pool.rivals().iter().map(|rival| rival.games).sum();
    assert!(games > 100 && games < 2 * seen as u64, "{games}");
    // Red always wins, so policies are all as strong.
    let rating = pool.rating().unwrap();
    assert!((800.0..1_200.0).contains(&rating), "{rating}");
}

#[test]
fn a_rival_plays_in_the_share_of_the_games_however_long_it_stays() {
    for games in [1, 5] {
        let anchors = vec![("script".to_owned(), RivalKind::Script)];
        let self_play = SelfPlayPlugin {
            share: 0.4,
            snapshot_decisions: u64::MAX,
            games,
            anchors,
            ..SelfPlayPlugin::default()
        };
        let mut app = app(100, self_play);
        let (mut met, mut all) = (0, 0);
        for game in 0..60 {
            play(&mut app, 1);
            // The first games have the rivals of the first draw, which stay together.
            if game >= 20 {
                met += visitors(&mut app).len();
                all += 100;
            }
        }
        let share = met as f32 / all as f32;
        assert!((0.35..0.45).contains(&share), "{share} if a rival stays for {games} games");
    }
}

#[test]
fn an_agent_has_the_policy_that_the_game_gave_it_again_after_a_visit() {
    let self_play =
        SelfPlayPlugin { share: 1.0, snapshot_decisions: 10, games: 1, ..SelfPlayPlugin::default() };
    let mut app = app(4, self_play);
    let agents: Vec<Entity> =
        app.world_mut().query_filtered::<Entity, With<Agent>>().iter(app.world()).collect();
    app.update();
    // A copy, since the rivals are the acting policy itself, which never changes here.
    let own = std::sync::Arc::new((**app.world().resource::<ActingPolicy>().snapshot().unwrap()).clone());
    for agent in &agents {
        app.world_mut().entity_mut(*agent).insert((PolicyOverride(own.clone()), ActionOverride(vec![0.5])));
    }
    let is_own = |app: &App, agent: &Entity| {
        app.world()
            .get::<PolicyOverride>(*agent)
            .is_some_and(|policy| std::sync::Arc::ptr_eq(&policy.0, &own))
    };
    play(&mut app, 8);
    assert!(!agents.iter().all(|agent| is_own(&app, agent)), "rivals play some of them");
    let arenas: Vec<Entity> =
        app.world_mut().query_filtered::<Entity, With<Arena>>().iter(app.world()).collect();
    for arena in arenas {
        app.world_mut().entity_mut(arena).remove::<Visitors>();
    }
    app.world_mut().flush();
    for agent in &agents {
        assert!(is_own(&app, agent));
        assert_eq!(app.world().get::<ActionOverride>(*agent).unwrap().0, [0.5]);
    }
}

#[test]
#[should_panic(expected = "`SelfPlayPlugin::share` is 57, expected a share from 0 to 1")]
fn a_share_in_percent_is_refused() {
    let _ = app(1, SelfPlayPlugin { share: 57.0, ..SelfPlayPlugin::default() });
}

#[test]
fn an_agent_that_moves_between_arenas_with_rivals_has_what_the_second_rival_gives_it() {
    let script = |name: &str| (name.to_owned(), RivalKind::Script);
    let self_play = SelfPlayPlugin { share: 1.0, games: 1_000, anchors: vec![script("slow")], ..default() };
    let mut app = app(2, self_play);
    play(&mut app, 2);
    let found = visitors(&mut app);
    let mut agents = app.world_mut().query::<(Entity, &Agent, &InArena)>();
    let agents: Vec<(Entity, String, Entity)> = agents
        .iter(app.world())
        .map(|(entity, agent, place)| (entity, agent.team.clone().unwrap(), place.arena))
        .collect();
    let arenas = [agents[0].2, agents[2].2];
    let of = |arena: Entity, team: &str| {
        agents.iter().find(|agent| agent.2 == arena && agent.1 == team).unwrap().0
    };
    assert_eq!(found.len(), 2);
    let team = app.world().get::<Visitors>(arenas[0]).unwrap().team.clone();
    let moved = of(arenas[0], &team);
    assert!(
        app.world().get::<PlayedBy>(moved).is_some() && app.world().get::<ActionOverride>(moved).is_some()
    );
    // To an arena where nobody visits its team.
    app.world_mut().entity_mut(arenas[1]).remove::<Visitors>();
    app.world_mut().entity_mut(moved).insert(InArena::new(arenas[1]));
    app.world_mut().flush();
    let has = |app: &App| {
        let agent = app.world().entity(moved);
        (agent.contains::<PlayedBy>(), agent.contains::<ActionOverride>(), agent.contains::<Untrained>())
    };
    assert_eq!(has(&app), (false, false, false));
    app.world_mut().entity_mut(moved).insert(InArena::new(arenas[0]));
    app.world_mut().flush();
    assert!(has(&app).0 && has(&app).2, "the rival plays it again");
}

#[test]
fn a_winner_that_is_no_team_and_games_without_a_result_are_told() {
    let self_play =
        || SelfPlayPlugin { share: 0.9, snapshot_decisions: 100, games: 1, ..SelfPlayPlugin::default() };
    let mut app = app(16, self_play());
    app.add_systems(FixedLast, |mut games: ResMut<Messages<GameEnded>>| {
        let all: Vec<GameEnded> = games.drain().collect();
        for game in all {
            games.write(GameEnded { winner: Some("Red".into()), ..game });
        }
    });
    play(&mut app, 20);
    let told = app.world().resource::<Problems>().told();
    assert!(told.len() == 1 && told[0].contains("`Red`") && told[0].contains("blue"), "{told:?}");
    assert!(app.world().resource::<SelfPlay>().pool().rivals().iter().all(|rival| rival.games == 0));

    let mut app = self::app(16, self_play());
    app.add_systems(FixedLast, |mut games: ResMut<Messages<GameEnded>>| games.clear());
    play(&mut app, 20);
    let told = app.world().resource::<Problems>().told();
    assert!(told.len() == 1 && told[0].contains("without a `GameEnded`"), "{told:?}");
}

#[test]
fn what_the_game_does_not_want_explored_stays_so_after_a_rated_visit() {
    let self_play = SelfPlayPlugin {
        share: 0.7,
        snapshot_decisions: 40,
        games: 1,
        anchors: vec![("script".into(), RivalKind::Script)],
        ..default()
    };
    let mut app = app(16, self_play);
    let arenas: Vec<Entity> =
        app.world_mut().query_filtered::<Entity, With<Arena>>().iter(app.world()).collect();
    let (marked, others) = arenas.split_at(8);
    for arena in marked {
        app.world_mut().entity_mut(*arena).insert(NoExploration);
    }
    play(&mut app, 20);
    let is_marked = |arena: &Entity| app.world().get::<NoExploration>(*arena).is_some();
    assert!(marked.iter().all(is_marked));
    for arena in others {
        let is_rated = app.world().get::<Visitors>(*arena).is_some_and(|visitors| visitors.is_rated);
        assert_eq!(is_marked(arena), is_rated);
    }
}

#[test]
fn in_the_shipped_game_no_rival_plays() {
    let groups = ArenaSpec::new(vec![AgentSpec::new("duelist", 1, 1); 2]).groups(true).unwrap();
    let plugins = MaddpgPlugins::play(PolicySnapshot::zeros(&groups).unwrap()).with_decision_period(1);
    let mut app = headless::app(1);
    let anchors = vec![("script".into(), RivalKind::Script)];
    app.add_plugins((plugins, SelfPlayPlugin { share: 1.0, games: 1, anchors, ..default() }))
        .add_systems(Observe, |mut agents: Query<&mut Observation>| {
            agents.iter_mut().for_each(|mut agent| agent.write(&[1.0]));
        })
        .add_systems(Reset, || {})
        .add_systems(FixedUpdate, judge);
    let arena = app.world_mut().spawn(Arena::default()).id();
    for team in ["red", "blue"] {
        app.world_mut().spawn((Agent::new("duelist", 1, 1).in_team(team), InArena::new(arena)));
    }
    headless::start(&mut app);
    play(&mut app, 20);
    assert!(visitors(&mut app).is_empty());
    assert_eq!(app.world_mut().query::<&PlayedBy>().iter(app.world()).count(), 0);
}

/// Whether an agent is excluded from training, and whether it has a policy of its own or a script.
fn visit(app: &App, agent: Entity) -> [bool; 2] {
    let agent = app.world().entity(agent);
    [agent.contains::<Untrained>(), agent.contains::<PolicyOverride>() || agent.contains::<PlayedBy>()]
}

/// An app with one arena, where a script always plays one team, and the arena with its red and blue agent.
fn with_a_script() -> (App, Entity, [Entity; 2]) {
    let anchors = vec![("script".into(), RivalKind::Script)];
    let mut app = app(1, SelfPlayPlugin { share: 1.0, games: 1_000, anchors, ..default() });
    app.update();
    let arena = app.world_mut().query_filtered::<Entity, With<Arena>>().single(app.world()).unwrap();
    let mut agents = app.world_mut().query::<(Entity, &Agent)>();
    let of_team = |team: &str| {
        let mut agents = agents.iter(app.world());
        agents.find(|(_, agent)| agent.team.as_deref() == Some(team)).unwrap().0
    };
    let agents = ["red", "blue"].map(of_team);
    assert_eq!(visitors(&mut app).len(), 1);
    (app, arena, agents)
}

#[test]
fn an_agent_that_is_disabled_when_a_rival_comes_or_leaves_is_not_missed() {
    let (mut app, arena, agents) = with_a_script();
    let visitors = visitors(&mut app).remove(0);
    let visited = agents[usize::from(visitors.team == "blue")];
    assert_eq!(visit(&app, visited), [true, true]);
    app.world_mut().entity_mut(visited).insert(Disabled);
    app.world_mut().entity_mut(arena).remove::<Visitors>();
    app.world_mut().flush();
    app.world_mut().entity_mut(visited).remove::<Disabled>();
    assert_eq!(visit(&app, visited), [false, false], "the rival has left");
    app.world_mut().entity_mut(visited).insert(Disabled);
    app.world_mut().entity_mut(arena).insert(visitors);
    app.world_mut().flush();
    app.world_mut().entity_mut(visited).remove::<Disabled>();
    assert_eq!(visit(&app, visited), [true, true], "it is back");
}

#[test]
fn the_rival_plays_its_team_when_agents_change_sides() {
    let (mut app, _, agents) = with_a_script();
    let rivals_team = visitors(&mut app).remove(0).team;
    for swap in [false, true] {
        let teams = if swap { ["blue", "red"] } else { ["red", "blue"] };
        for (agent, team) in agents.into_iter().zip(teams) {
            app.world_mut().entity_mut(agent).insert(Agent::new("duelist", 1, 1).in_team(team));
        }
        app.world_mut().flush();
        for (agent, team) in agents.into_iter().zip(teams) {
            assert_eq!(visit(&app, agent), [team == rivals_team; 2], "{team}");
        }
        app.update();
    }
}

/// The policy of a duelist that does nothing.
fn resting() -> RivalKind {
    let groups = ArenaSpec::new(vec![AgentSpec::new("duelist", 1, 1); 2]).groups(true).unwrap();
    RivalKind::Policy(PolicySnapshot::zeros(&groups).unwrap().into())
}

#[test]
fn games_of_a_person_are_not_rated_and_no_script_takes_the_person_s_place() {
    let anchors = vec![("script".into(), RivalKind::Script), ("resting".into(), resting())];
    let mut app = app(8, SelfPlayPlugin { share: 1.0, games: 1, anchors, ..default() });
    let people: Vec<Entity> = app
        .world_mut()
        .query::<(Entity, &Agent)>()
        .iter(app.world())
        .filter(|(_, agent)| agent.team.as_deref() == Some("red"))
        .map(|(entity, _)| entity)
        .collect();
    let held = ActionOverride(vec![0.5]);
    for person in &people {
        app.world_mut().entity_mut(*person).insert(held.clone());
    }
    for _ in 0..40 {
        play(&mut app, 1);
        for person in &people {
            assert_eq!(app.world().get::<ActionOverride>(*person), Some(&held));
            assert!(app.world().get::<PlayedBy>(*person).is_none());
        }
    }
    let games = |app: &App| -> u64 {
        app.world().resource::<SelfPlay>().pool().rivals().iter().map(|rival| rival.games).sum()
    };
    assert!(visitors(&mut app).iter().any(|visitors| visitors.is_rated));
    assert_eq!(games(&app), 0);
    for person in &people {
        app.world_mut().entity_mut(*person).remove::<ActionOverride>();
    }
    play(&mut app, 20);
    assert!(games(&app) > 0);
}

/// Lets a game despawn its arenas when their game ends, and spawn others with `red` and a blue agent in `Reset`.
fn despawn_arenas(app: &mut App, red: impl Bundle + Clone) {
    app.add_observer(|ended: On<EpisodeEnded>, mut commands: Commands| {
        commands.entity(ended.arena).despawn();
        commands.spawn(Arena::default());
    })
    .add_systems(
        Reset,
        move |mut commands: Commands, resets: ArenasToReset, agents: Query<&InArena>| {
            for arena in resets.iter().filter(|arena| agents.iter().all(|in_arena| in_arena.arena != *arena))
            {
                let duelist = Agent::new("duelist", 1, 1);
                commands.spawn((duelist.clone().in_team("red"), InArena::slot(arena, 0), red.clone()));
                commands.spawn((duelist.in_team("blue"), InArena::slot(arena, 1)));
            }
        },
    );
}

#[test]
fn games_of_a_person_are_not_rated_in_arenas_that_are_despawned() {
    let anchors = vec![("resting".into(), resting())];
    let mut app = app(4, SelfPlayPlugin { share: 1.0, games: 2, anchors, ..default() });
    despawn_arenas(&mut app, ActionOverride(vec![0.5]));
    play(&mut app, 3);
    let before = app.world().resource::<SelfPlay>().pool().rivals()[0].games;
    play(&mut app, 40);
    assert!(visitors(&mut app).iter().any(|visitors| visitors.is_rated));
    assert_eq!(app.world().resource::<SelfPlay>().pool().rivals()[0].games, before);
}

#[test]
fn a_winner_that_is_no_team_is_told_in_arenas_that_are_despawned() {
    let anchors = vec![("resting".into(), resting())];
    let mut app = app(4, SelfPlayPlugin { share: 1.0, games: 2, anchors, ..default() });
    despawn_arenas(&mut app, ());
    app.add_systems(FixedLast, |mut games: ResMut<Messages<GameEnded>>| {
        let all: Vec<GameEnded> = games.drain().collect();
        for game in all {
            games.write(GameEnded { winner: Some("Red".into()), ..game });
        }
    });
    play(&mut app, 40);
    assert_eq!(app.world().resource::<SelfPlay>().pool().rivals()[0].games, 0);
    let told = app.world().resource::<Problems>().told();
    assert!(told.len() == 1 && told[0].contains("`Red`"), "{told:?}");
}

#[test]
fn arenas_whose_first_agents_come_in_reset_are_told_nothing_and_other_kinds_get_no_rival() {
    let anchors = vec![("script".into(), RivalKind::Script)];
    let mut app = app(0, SelfPlayPlugin { share: 1.0, games: 3, anchors, ..default() });
    for arenas in 0..40 {
        // Every second arena is a maze, in which one agent without a team searches.
        let is_maze = arenas % 2 == 1;
        app.world_mut().spawn((Arena::default(), Name::new(if is_maze { "maze" } else { "duel" })));
    }
    app.add_systems(
        Reset,
        |mut commands: Commands, arenas: ArenasToReset, names: Query<&Name>, agents: Query<&InArena>| {
            for arena in arenas.iter().filter(|arena| agents.iter().all(|in_arena| in_arena.arena != *arena))
            {
                if names.get(arena).is_ok_and(|name| name.as_str() == "maze") {
                    commands.spawn((Agent::new("mouse", 1, 1), InArena::new(arena)));
                } else {
                    for team in ["red", "blue"] {
                        commands.spawn((Agent::new("duelist", 1, 1).in_team(team), InArena::new(arena)));
                    }
                }
            }
        },
    );
    play(&mut app, 1);
    for _ in 0..10 {
        play(&mut app, 1);
        // More mazes are built all the time.
        app.world_mut().spawn((Arena::default(), Name::new("maze")));
        let mut arenas = app.world_mut().query::<(&Name, Has<Visitors>, Has<NoExploration>)>();
        for (name, is_visited, is_unexplored) in arenas.iter(app.world()) {
            assert!(name.as_str() == "duel" || !(is_visited || is_unexplored));
        }
    }
    assert!(visitors(&mut app).len() > 10);
    let told = app.world().resource::<Problems>().told();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_rival_need_only_fit_the_team_that_it_plays() {
    let anchors = vec![("resting".into(), resting())];
    let self_play =
        SelfPlayPlugin { share: 1.0, games: 1, snapshot_decisions: u64::MAX, anchors, ..default() };
    let mut app = app(4, self_play);
    let arenas: Vec<Entity> =
        app.world_mut().query_filtered::<Entity, With<Arena>>().iter(app.world()).collect();
    for arena in arenas {
        app.world_mut().spawn((Agent::new("referee", 1, 2), InArena::new(arena)));
    }
    let mut teams = std::collections::BTreeSet::new();
    for _ in 0..20 {
        play(&mut app, 1);
        teams.extend(visitors(&mut app).into_iter().map(|visitors| visitors.team));
    }
    assert_eq!(teams.into_iter().collect::<Vec<_>>(), ["blue", "red"]);
    let told = app.world().resource::<Problems>().told();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn rivals_play_only_where_they_fit() {
    let stranger = ArenaSpec::new(vec![AgentSpec::new("boxer", 1, 1)]).groups(true).unwrap();
    let stranger = RivalKind::Policy(PolicySnapshot::zeros(&stranger).unwrap().into());
    let anchors = vec![("stranger".into(), stranger)];
    let mut app =
        app(4, SelfPlayPlugin { share: 1.0, games: 1, snapshot_decisions: 40, anchors, ..default() });
    // Ships fight as well, but past policies are those of the duelists.
    for _ in 0..4 {
        let arena = app.world_mut().spawn(Arena::default()).id();
        for team in ["red", "blue"] {
            app.world_mut().spawn((Agent::new("ship", 1, 2).in_team(team), InArena::new(arena)));
        }
    }
    // In the middle of the games.
    app.update();
    for _ in 0..40 {
        play(&mut app, 1);
        let mut agents = app.world_mut().query::<(&Agent, Has<PolicyOverride>, &Action)>();
        for (agent, is_played, action) in agents.iter(app.world()) {
            assert!(action.is_made() && (!is_played || agent.behavior == "duelist"), "{}", agent.behavior);
        }
    }
    assert!(visitors(&mut app).len() > 1 && visitors(&mut app).iter().all(|rival| rival.rival != "stranger"));
    let told = app.world().resource::<Problems>().told();
    assert!(told.len() == 1 && told[0].contains("`stranger`") && told[0].contains("boxer"), "{told:?}");
}

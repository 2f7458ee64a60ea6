use std::array;

use bevy::prelude::*;

use super::{
    AGENTS, Deed, Gear, HUNTERS, HuntPlugin, HuntWorld, Player, STEP, TIME_LIMIT, latecomer, reward, sight,
    spec_with,
};
use crate::game::Scripted;
use bevy_maddpg::{
    agent::{Action, ActionMask, Agent, Life, Observation, Reward, Untrained},
    arena::{Arena, ArenasToObserve, Episode, InArena, Measures},
    random::{Random, stream},
};

/// Names of an episode's measures.
const MEASURES: [&str; 5] = ["hunters_return", "prey_return", "catches", "catch_all_seconds", "survivors"];

/// The state of an arena with a hunt. A component of the entity with the [`Arena`].
#[derive(Component, Debug, Clone)]
pub struct HuntArena {
    /// The current state of the field and the bodies.
    pub world: HuntWorld,
    /// The agents, by slot: the hunters, then the prey.
    pub agents: [Entity; AGENTS],
    /// The hunters' gear.
    pub gear: Gear,
    /// Decisions after which the hunter that is still missing joins; `None` if nobody is missing.
    pub(super) joins_after: Option<u32>,
    pub(super) random: Random,
    /// Steps of the episode.
    steps: u32,
}

/// A hunter has caught a prey.
#[derive(Message, Debug, Clone, Copy, PartialEq)]
pub struct PreyCaught {
    /// The entity with the [`HuntArena`].
    pub arena: Entity,
    /// The agent that has caught it.
    pub hunter: Entity,
    /// The agent that was caught.
    pub prey: Entity,
    /// Where the prey was, m from the middle of the field.
    pub position: Vec2,
}

/// A hunter has thrown a net at a prey.
#[derive(Message, Debug, Clone, Copy, PartialEq)]
pub struct NetThrown {
    /// The entity with the [`HuntArena`].
    pub arena: Entity,
    /// Where the prey was, m from the middle of the field.
    pub position: Vec2,
}

/// Spawns arena number `index`. [`HuntPlugin`] does this for as many arenas as it is asked for.
pub fn spawn(commands: &mut Commands, index: usize, plugin: &HuntPlugin) {
    let arena = commands.spawn(Arena::with_time_limit(TIME_LIMIT)).id();
    let spec = spec_with(plugin.gear);
    let agents = array::from_fn(|slot| {
        let role = &spec.slots[slot];
        let agent = Agent::new(&role.behavior, role.observation_size, 0).with_action(role.action.clone());
        let mut agent = commands.spawn((agent, InArena::slot(arena, slot)));
        let player = if slot < HUNTERS { plugin.hunters } else { plugin.prey };
        if player == Player::Scripted {
            agent.insert((Scripted, Untrained));
        }
        agent.id()
    });
    commands.entity(arena).insert((
        Measures::new(MEASURES),
        HuntArena {
            world: HuntWorld::default(),
            agents,
            gear: plugin.gear,
            joins_after: None,
            random: stream(plugin.seed, "hunt", index as u64),
            steps: 0,
        },
    ));
}

/// Sets up the worlds for new episodes.
pub(super) fn place(mut commands: Commands, mut arenas: Query<(&mut HuntArena, &Episode)>) {
    for (mut arena, episode) in arenas.iter_mut().filter(|(_, episode)| episode.needs_reset()) {
        arena.steps = 0;
        let HuntArena { world, random, .. } = &mut *arena;
        world.place(random);
        latecomer::hold_back(&mut commands, &mut arena, episode);
    }
}

/// Writes the observations.
pub(super) fn sense(
    observed: ArenasToObserve,
    arenas: Query<(Entity, &HuntArena)>,
    mut agents: Query<&mut Observation>,
    mut frame: Local<Vec<f32>>,
) {
    for (_, arena) in arenas.iter().filter(|(entity, _)| observed.contains(*entity)) {
        for (slot, agent) in arena.agents.iter().enumerate() {
            if let Ok(mut observation) = agents.get_mut(*agent) {
                sight::observe(&arena.world, slot, arena.gear, &mut frame);
                observation.write(&frame);
            }
        }
    }
}

/// Forbids what hunters cannot do now.
pub(super) fn mask(arenas: Query<&HuntArena>, mut masks: Query<&mut ActionMask>) {
    for arena in arenas.iter().filter(|arena| arena.gear == Gear::Choices) {
        for (slot, hunter) in arena.agents[..HUNTERS].iter().enumerate() {
            let Ok(mut mask) = masks.get_mut(*hunter) else { continue };
            for deed in [Deed::Dash, Deed::Net].into_iter().filter(|deed| !arena.world.can(slot, *deed)) {
                mask.forbid("deed", deed);
            }
        }
    }
}

/// Turns actions into accelerations and deeds.
pub(super) fn act(
    mut arenas: Query<(Entity, &mut HuntArena)>,
    actions: Query<&Action>,
    mut thrown: MessageWriter<NetThrown>,
) {
    for (entity, mut arena) in &mut arenas {
        let HuntArena { world, agents, gear, .. } = &mut *arena;
        for (slot, agent) in agents.iter().enumerate() {
            let Ok(action) = actions.get(*agent) else { continue };
            world.act(slot, Vec2::new(action[0], action[1]));
            if slot < HUNTERS {
                let deed = gear.deed(action, |deed| world.can(slot, deed));
                if let Some(prey) = world.perform(slot, deed) {
                    thrown.write(NetThrown { arena: entity, position: world.bodies()[prey].position });
                }
            }
        }
    }
}

/// Advances the worlds by one step.
pub(super) fn simulate(mut arenas: Query<&mut HuntArena>) {
    for mut arena in &mut arenas {
        arena.world.step();
        arena.steps += 1;
    }
}

/// Adds the rewards for the last step, ends the lives of prey that were caught, and ends the episode with the last one.
pub(super) fn judge(
    mut arenas: Query<(Entity, &HuntArena, &mut Episode)>,
    mut agents: Query<(&mut Reward, &mut Life)>,
    mut caught: MessageWriter<PreyCaught>,
) {
    for (entity, arena, mut episode) in &mut arenas {
        let HuntArena { world, agents: slots, .. } = arena;
        for (slot, agent) in slots.iter().enumerate() {
            if let Ok((mut reward, _)) = agents.get_mut(*agent) {
                reward.add(reward::reward(world, slot));
            }
        }
        for catch in world.catches() {
            if let Ok((_, mut life)) = agents.get_mut(slots[catch.prey]) {
                life.terminate();
            }
            caught.write(PreyCaught {
                arena: entity,
                hunter: slots[catch.hunter],
                prey: slots[catch.prey],
                position: world.bodies()[catch.prey].position,
            });
        }
        if world.prey().count() == 0 {
            episode.terminate();
        }
    }
}

/// Updates the measures of the episodes after a step.
pub(super) fn measure(
    mut arenas: Query<(&HuntArena, &mut Measures)>,
    rewards: Query<&Reward>,
    lives: Query<&Life>,
) {
    for (arena, mut measures) in &mut arenas {
        let (hunters, prey) = arena.agents.split_at(HUNTERS);
        let mean = |team: &[Entity]| {
            let returns = rewards.iter_many(team).map(Reward::episode_return);
            returns.sum::<f32>() / team.len() as f32
        };
        let survivors = lives.iter_many(prey).filter(|life| !life.is_over()).count();
        let caught = prey.len() - survivors;
        let seconds = arena.steps as f32 * STEP;
        let values = [mean(hunters), mean(prey), caught as f32, seconds, survivors as f32];
        measures.values_mut().zip(values).for_each(|(measure, value)| *measure = value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::Hunt,
        game::{Setup, headless_app},
        games::hunt::OBSTACLES,
    };
    use bevy_maddpg::{arena::EpisodeEnded, headless, plugin::MaddpgPlugins, policy::PolicySnapshot};

    /// An app with one arena in which nobody moves by itself. Each update is one decision.
    fn app(game: Hunt) -> App {
        let policy = PolicySnapshot::zeros(&spec_with(Gear::None).groups(true).unwrap()).unwrap();
        let setup = Setup { arenas: 1, ..Setup::default() };
        let mut app = headless_app(&game, MaddpgPlugins::play(policy), &setup);
        headless::start(&mut app);
        app.update();
        app
    }

    fn arena(app: &mut App) -> Mut<'_, HuntArena> {
        app.world_mut().query::<&mut HuntArena>().single_mut(app.world_mut()).unwrap()
    }

    fn measures(app: &mut App) -> [f32; 5] {
        let measures = app.world_mut().query::<&Measures>().single(app.world()).unwrap();
        let values: Vec<_> = measures.iter().map(|(_, value)| value).collect();
        values.try_into().unwrap()
    }

    /// Puts hunter 0 and this prey next to each other, away from everything else.
    fn bring_together(app: &mut App, prey: usize) {
        let mut arena = arena(app);
        *arena.world.obstacles_mut() = [Vec2::ZERO; OBSTACLES];
        let bodies = arena.world.bodies_mut();
        bodies[0].position = Vec2::new(0.5, 0.5);
        bodies[prey].position = Vec2::new(0.55, 0.5);
    }

    #[test]
    fn caught_prey_are_dead_until_the_arena_is_reset() {
        let mut app = app(Hunt::default());
        bring_together(&mut app, 5);
        app.update();
        let agents = arena(&mut app).agents;
        let is_over = |app: &App, slot: usize| app.world().get::<Life>(agents[slot]).unwrap().is_over();
        assert!(is_over(&app, 5) && !is_over(&app, 4) && !is_over(&app, 0));
        let messages = app.world().resource::<Messages<PreyCaught>>();
        let caught: Vec<_> = messages.get_cursor().read(messages).copied().collect();
        assert_eq!(caught.len(), 1);
        assert_eq!((caught[0].hunter, caught[0].prey), (agents[0], agents[5]));
        let reward = |app: &App| app.world().get::<Reward>(agents[5]).unwrap().episode_return();
        let at_death = reward(&app);
        app.update();
        assert_eq!(reward(&app), at_death, "the dead earn nothing");
        let [_, _, catches, _, survivors] = measures(&mut app);
        assert_eq!((catches, survivors), (1.0, 5.0));

        for prey in [3, 4, 6, 7, 8] {
            bring_together(&mut app, prey);
            app.update();
        }
        let messages = app.world().resource::<Messages<EpisodeEnded>>();
        let ended: Vec<_> = messages.get_cursor().read(messages).cloned().collect();
        assert!(ended.len() == 1 && !ended[0].truncated, "the last catch ends the episode");
        assert!((HUNTERS..AGENTS).all(|slot| !is_over(&app, slot)), "the reset has revived them");
        assert_eq!(arena(&mut app).world.prey().count(), AGENTS - HUNTERS);
    }

    #[test]
    fn an_episode_with_survivors_is_cut_off_at_the_time_limit() {
        let mut app = app(Hunt { prey: Player::Scripted, ..Hunt::default() });
        let mut last = [0.0; 5];
        while app.world().resource::<Messages<EpisodeEnded>>().is_empty() {
            last = measures(&mut app);
            app.update();
        }
        let messages = app.world().resource::<Messages<EpisodeEnded>>();
        let ended = messages.get_cursor().read(messages).next().cloned().unwrap();
        assert!(ended.truncated && ended.decisions == TIME_LIMIT, "{ended:?}");
        let measures: Vec<_> = ended.measures.iter().collect();
        assert_eq!(measures[3].0, "catch_all_seconds");
        assert!((measures[3].1 - 20.0).abs() < 1e-3 && measures[4].1 == 6.0, "{measures:?}");
        assert!(last[0] <= 0.1 && last[1] > 1.0, "hunters earn nothing, prey are safe: {last:?}");
    }

    #[test]
    fn in_half_of_the_episodes_a_hunter_joins_late() {
        let mut app = app(Hunt { prey: Player::Scripted, ..Hunt::default() });
        let (mut late, mut episodes) = (0, 0);
        for _ in 0..60 {
            let missing = !arena(&mut app).world.bodies()[latecomer::SLOT].in_play;
            late += usize::from(missing);
            episodes += 1;
            (0..TIME_LIMIT / 2).for_each(|_| app.update());
            assert_eq!(arena(&mut app).world.hunters().count(), HUNTERS, "in the first half");
            // To the second decision of the next episode.
            (0..TIME_LIMIT / 2).for_each(|_| app.update());
        }
        assert!((18..=42).contains(&late), "{late} of {episodes}");
    }

    #[test]
    fn scripted_teams_play_and_others_do_not() {
        let mut app = app(Hunt { hunters: Player::Scripted, ..Hunt::default() });
        (0..5).for_each(|_| app.update());
        let arena = arena(&mut app);
        let speed = |slot: usize| arena.world.bodies()[slot].velocity.length();
        assert!(speed(0) > 0.1 && speed(1) > 0.1);
        assert!((HUNTERS..AGENTS).all(|slot| speed(slot) == 0.0));
    }
}

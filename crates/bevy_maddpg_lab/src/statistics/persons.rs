//! In which episodes persons play.

use bevy::{ecs::system::SystemParam, prelude::*};
use bevy_maddpg::arena::{EpisodeEnded, InArena};

use crate::game::PlayedByPerson;

pub(super) fn plugin(app: &mut App) {
    app.add_observer(mark).add_observer(end).add_systems(First, unmark);
}

/// A person has played an agent of this arena in the current episode, if only for a while.
#[derive(Component, Debug)]
struct PersonInEpisode {
    /// Whether an episode has ended since.
    has_ended: bool,
}

/// Where persons have played.
#[derive(SystemParam)]
pub(crate) struct PlaysOfPersons<'w, 's> {
    marked: Query<'w, 's, (), With<PersonInEpisode>>,
}

impl PlaysOfPersons<'_, '_> {
    /// Whether a person has played an agent of this arena in an episode that ends in this frame.
    pub(crate) fn include(&self, arena: Entity) -> bool {
        self.marked.contains(arena)
    }
}

fn mark(played: On<Insert, PlayedByPerson>, mut commands: Commands, places: Query<&InArena>) {
    let arena = InArena::arena_of(played.entity, places.get(played.entity).ok());
    commands.entity(arena).try_insert(PersonInEpisode { has_ended: false });
}

fn end(ended: On<EpisodeEnded>, mut marks: Query<&mut PersonInEpisode>) {
    if let Ok(mut mark) = marks.get_mut(ended.arena) {
        mark.has_ended = true;
    }
}

/// Forgets arenas whose episodes with a person were counted in the last frame, unless a person still plays there.
fn unmark(
    mut commands: Commands,
    mut marks: Query<(Entity, &mut PersonInEpisode)>,
    played: Query<(Entity, Option<&InArena>), With<PlayedByPerson>>,
) {
    for (arena, mut mark) in marks.iter_mut().filter(|(_, mark)| mark.has_ended) {
        mark.has_ended = false;
        if !played.iter().any(|(agent, place)| InArena::arena_of(agent, place) == arena) {
            commands.entity(arena).try_remove::<PersonInEpisode>();
        }
    }
}

#[cfg(test)]
mod tests {
    use bevy::ecs::system::RunSystemOnce;

    use super::*;

    fn included(app: &mut App, arena: Entity) -> bool {
        app.world_mut().run_system_once(move |plays: PlaysOfPersons| plays.include(arena)).unwrap()
    }

    #[test]
    fn an_episode_counts_as_that_of_a_person_who_hands_back_before_its_end() {
        let mut app = App::new();
        plugin(&mut app);
        let [theirs, other] = [(); 2].map(|()| app.world_mut().spawn_empty().id());
        let agent = app.world_mut().spawn((InArena::new(theirs), PlayedByPerson)).id();
        app.world_mut().spawn(InArena::new(other));
        assert!(included(&mut app, theirs) && !included(&mut app, other));
        app.world_mut().entity_mut(agent).remove::<PlayedByPerson>();
        app.update();
        assert!(included(&mut app, theirs), "its episode has not ended");
        app.world_mut().trigger(EpisodeEnded::new(theirs, vec![0.0]));
        assert!(included(&mut app, theirs), "it has ended in this frame");
        app.update();
        assert!(!included(&mut app, theirs), "nobody plays in the next one");
    }

    #[test]
    fn every_episode_counts_as_that_of_a_person_who_stays() {
        let mut app = App::new();
        plugin(&mut app);
        // It plays alone, with the arena on its own entity.
        let agent = app.world_mut().spawn(PlayedByPerson).id();
        for _ in 0..2 {
            app.world_mut().trigger(EpisodeEnded::new(agent, vec![0.0]));
            app.update();
            assert!(included(&mut app, agent));
        }
    }
}

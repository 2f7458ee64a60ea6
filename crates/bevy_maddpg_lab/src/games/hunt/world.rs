use std::array;

use bevy::math::Vec2;
use bevy_maddpg::random::Random;

use super::{
    AGENTS, Body, HUNTER, HUNTERS, OBSTACLES, PREY,
    contact::{keep_in_field, push_apart},
    gear::{Deed, NET_RANGE, State},
    start,
};

/// A hunter has caught a prey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catch {
    /// Slot of the hunter.
    pub hunter: usize,
    /// Slot of the prey.
    pub prey: usize,
}

/// The field with its obstacles and agents, advanced in steps of [`STEP_SECONDS`](super::STEP_SECONDS).
#[derive(Debug, Clone, PartialEq)]
pub struct HuntWorld {
    /// By slot: the hunters, then the prey.
    bodies: [Body; AGENTS],
    obstacles: [Vec2; OBSTACLES],
    /// By slot, for the next step.
    actions: [Vec2; AGENTS],
    /// By slot: the hunters' gear, and whether prey are in nets.
    gear: [State; AGENTS],
    /// What was caught in the last step.
    catches: Vec<Catch>,
    /// How much nearer each hunter came in the last step to the prey that was nearest before it, m.
    gains: [f32; HUNTERS],
}

impl Default for HuntWorld {
    /// A world whose bodies are all in the middle; [`place`](Self::place) sets it up.
    fn default() -> Self {
        Self {
            bodies: array::from_fn(|slot| Body::new(if slot < HUNTERS { HUNTER } else { PREY })),
            obstacles: [Vec2::ZERO; OBSTACLES],
            actions: [Vec2::ZERO; AGENTS],
            gear: [State::default(); AGENTS],
            catches: Vec::with_capacity(AGENTS - HUNTERS),
            gains: [0.0; HUNTERS],
        }
    }
}

impl HuntWorld {
    /// Sets up a new episode: everything at random places, all agents at rest and in play.
    pub fn place(&mut self, random: &mut Random) {
        self.obstacles = start::obstacles(random);
        self.bodies.iter_mut().for_each(|body| body.in_play = false);
        for slot in 0..AGENTS {
            self.enter(slot, random);
        }
        self.catches.clear();
        self.gains = [0.0; HUNTERS];
        self.gear = [State::default(); AGENTS];
    }

    /// Puts the agent at `slot` into play, at rest at a random free place.
    pub fn enter(&mut self, slot: usize, random: &mut Random) {
        self.bodies[slot].position = start::free_place(self, slot, random);
        self.bodies[slot].velocity = Vec2::ZERO;
        self.bodies[slot].in_play = true;
        self.actions[slot] = Vec2::ZERO;
    }

    /// Takes the agent at `slot` out of play.
    pub fn leave(&mut self, slot: usize) {
        self.bodies[slot].velocity = Vec2::ZERO;
        self.bodies[slot].in_play = false;
    }

    /// The bodies of all agents, by slot.
    pub fn bodies(&self) -> &[Body; AGENTS] {
        &self.bodies
    }

    /// The bodies of all agents, by slot.
    pub fn bodies_mut(&mut self) -> &mut [Body; AGENTS] {
        &mut self.bodies
    }

    /// The hunters in play.
    pub fn hunters(&self) -> impl Iterator<Item = &Body> {
        self.bodies[..HUNTERS].iter().filter(|body| body.in_play)
    }

    /// The prey in play.
    pub fn prey(&self) -> impl Iterator<Item = &Body> {
        self.bodies[HUNTERS..].iter().filter(|body| body.in_play)
    }

    /// The opponents of the agent at `slot` that are in play.
    pub fn opponents(&self, slot: usize) -> impl Iterator<Item = &Body> {
        let slots = if slot < HUNTERS { HUNTERS..AGENTS } else { 0..HUNTERS };
        self.bodies[slots].iter().filter(|body| body.in_play)
    }

    /// The opponent nearest to the agent at `slot`; `None` if none is in play.
    pub fn nearest_opponent(&self, slot: usize) -> Option<&Body> {
        let own = &self.bodies[slot];
        self.opponents(slot).min_by(|a, b| own.gap(a).total_cmp(&own.gap(b)))
    }

    /// Centers of the obstacles, m. Their radius is [`OBSTACLE_RADIUS`](super::OBSTACLE_RADIUS).
    pub fn obstacles(&self) -> &[Vec2; OBSTACLES] {
        &self.obstacles
    }

    /// Centers of the obstacles, m.
    pub fn obstacles_mut(&mut self) -> &mut [Vec2; OBSTACLES] {
        &mut self.obstacles
    }

    /// Sets the action of the agent at `slot`: acceleration along x and y, each -1 to 1. It holds until the next one.
    pub fn act(&mut self, slot: usize, action: Vec2) {
        self.actions[slot] = action.clamp(Vec2::NEG_ONE, Vec2::ONE);
    }

    /// The gear of the agent at `slot`.
    pub(super) fn gear(&self, slot: usize) -> &State {
        &self.gear[slot]
    }

    /// Whether the hunter at `slot` can do this now.
    pub fn can(&self, slot: usize, deed: Deed) -> bool {
        let is_in_reach = || self.nearest_prey(slot).is_some_and(|(_, gap)| gap <= NET_RANGE);
        match deed {
            Deed::Run => true,
            Deed::Dash => self.gear[slot].can_dash(),
            Deed::Net => self.gear[slot].can_throw() && is_in_reach(),
        }
    }

    /// Lets the hunter at `slot` do this, if it can. Returns the slot of the prey that a net was thrown at.
    pub fn perform(&mut self, slot: usize, deed: Deed) -> Option<usize> {
        if !self.bodies[slot].in_play || !self.can(slot, deed) {
            return None;
        }
        match deed {
            Deed::Run => None,
            Deed::Dash => {
                self.gear[slot].dash();
                None
            }
            Deed::Net => {
                let (prey, _) = self.nearest_prey(slot)?;
                self.gear[slot].throw();
                self.gear[prey].catch_in_net();
                Some(prey)
            }
        }
    }

    /// Whether the prey at `slot` is in a net.
    pub fn is_netted(&self, slot: usize) -> bool {
        self.gear[slot].is_netted()
    }

    /// What was caught in the last step.
    pub fn catches(&self) -> &[Catch] {
        &self.catches
    }

    /// How much nearer the hunter at `slot` came in the last step to the prey that was nearest before it, m.
    pub fn gain(&self, slot: usize) -> f32 {
        self.gains[slot]
    }

    /// Advances the world by one step: bodies move, contacts push, and prey that a hunter touches are caught.
    pub fn step(&mut self) {
        let chased: [Option<(usize, f32)>; HUNTERS] = array::from_fn(|hunter| self.nearest_prey(hunter));
        let moved = self.bodies.iter_mut().zip(&self.actions).zip(&mut self.gear);
        for ((body, action), gear) in moved.filter(|((body, _), _)| body.in_play) {
            body.step(*action, gear.factors());
        }
        self.push();
        for (hunter, chased) in chased.into_iter().enumerate() {
            let own = &self.bodies[hunter];
            self.gains[hunter] = chased.map_or(0.0, |(prey, before)| before - own.gap(&self.bodies[prey]));
        }
        self.catch();
    }

    /// Slot and gap of the prey nearest to the hunter at `slot`; `None` if the hunter or all prey are out of play.
    fn nearest_prey(&self, hunter: usize) -> Option<(usize, f32)> {
        let own = self.bodies[hunter];
        let prey =
            self.bodies.iter().enumerate().skip(HUNTERS).filter(|(_, prey)| own.in_play && prey.in_play);
        prey.map(|(slot, prey)| (slot, own.gap(prey))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn push(&mut self) {
        let (hunters, prey) = self.bodies.split_at_mut(HUNTERS);
        for team in [hunters, prey] {
            for first in 0..team.len() {
                let (head, others) = team.split_at_mut(first + 1);
                let one = &mut head[first];
                for other in others {
                    if one.in_play && other.in_play {
                        push_apart(one, other);
                    }
                }
            }
        }
        for body in self.bodies.iter_mut().filter(|body| body.in_play) {
            keep_in_field(body, &self.obstacles);
        }
    }

    /// Takes the prey that a hunter touches out of play. If several hunters touch it, the nearest one has caught it.
    fn catch(&mut self) {
        self.catches.clear();
        for prey in HUNTERS..AGENTS {
            let body = self.bodies[prey];
            let hunters = self.bodies[..HUNTERS].iter().enumerate().filter(|(_, hunter)| hunter.in_play);
            let nearest =
                hunters.map(|(slot, hunter)| (slot, body.gap(hunter))).min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((hunter, _)) = nearest.filter(|(_, gap)| body.in_play && *gap <= 0.0) {
                self.leave(prey);
                self.catches.push(Catch { hunter, prey });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::hunt::{HALF_FIELD, OBSTACLE_RADIUS};
    use bevy_maddpg::random::stream;

    /// A world without obstacles in the way, with all agents far apart along the edges.
    fn spread_out() -> HuntWorld {
        let mut world = HuntWorld::default();
        for (slot, body) in world.bodies.iter_mut().enumerate() {
            body.position = Vec2::new(slot as f32 * 0.2 - 0.8, if slot < HUNTERS { 0.8 } else { -0.8 });
        }
        world
    }

    #[test]
    fn prey_that_a_hunter_touches_is_caught_and_the_others_play_on() {
        let mut world = spread_out();
        world.bodies[4].position = world.bodies[1].position + Vec2::X * 0.08;
        world.step();
        assert_eq!(world.catches(), [Catch { hunter: 1, prey: 4 }]);
        assert!(!world.bodies[4].in_play);
        assert_eq!(world.prey().count(), 5);
        let place = world.bodies[4].position;
        world.act(4, Vec2::X);
        world.act(5, Vec2::X);
        world.step();
        assert!(world.catches().is_empty(), "it is caught only once");
        assert_eq!(world.bodies[4].position, place, "it does not move any more");
        assert!(world.bodies[5].velocity.x > 0.0);
    }

    #[test]
    fn a_net_slows_the_nearest_prey_and_a_dash_makes_a_hunter_fast() {
        let mut world = spread_out();
        assert!(!world.can(0, Deed::Net), "no prey is in reach");
        world.bodies[5].position = world.bodies[0].position - Vec2::Y * 0.3;
        assert_eq!(world.perform(0, Deed::Net), Some(5));
        assert!(world.is_netted(5) && !world.can(0, Deed::Net) && world.perform(0, Deed::Net).is_none());
        world.act(5, Vec2::X);
        world.act(6, Vec2::X);
        (0..6).for_each(|_| world.step());
        assert!(world.bodies[5].velocity.x < 0.31 && world.bodies[6].velocity.x > 0.5);
        world.perform(1, Deed::Dash);
        world.act(1, Vec2::X);
        (0..6).for_each(|_| world.step());
        assert!(world.bodies[1].velocity.x > HUNTER.top_speed, "{}", world.bodies[1].velocity);
    }

    #[test]
    fn the_nearest_of_several_hunters_has_caught_the_prey() {
        let mut world = spread_out();
        world.bodies[0].position = Vec2::new(0.5, 0.0);
        world.bodies[1].position = Vec2::new(0.7, 0.0);
        world.bodies[3].position = Vec2::new(0.605, 0.0);
        world.step();
        assert_eq!(world.catches(), [Catch { hunter: 1, prey: 3 }]);
    }

    #[test]
    fn a_hunter_out_of_play_catches_nothing() {
        let mut world = spread_out();
        world.leave(2);
        world.bodies[3].position = world.bodies[2].position;
        world.step();
        assert!(world.catches().is_empty() && world.bodies[3].in_play);
        assert_eq!(world.gain(2), 0.0);
    }

    #[test]
    fn a_hunter_gains_what_it_comes_nearer_to_the_nearest_prey() {
        let mut world = spread_out();
        world.bodies[0].position = Vec2::new(0.0, 0.0);
        world.bodies[3].position = Vec2::new(0.5, 0.0);
        world.obstacles = [Vec2::new(0.0, 0.6); OBSTACLES];
        world.act(0, Vec2::X);
        world.step();
        let moved = world.bodies[0].position.x;
        assert!(moved > 0.0 && (world.gain(0) - moved).abs() < 1e-6, "{}", world.gain(0));
        world.act(0, Vec2::NEG_X);
        (0..10).for_each(|_| world.step());
        assert!(world.gain(0) < 0.0);
    }

    #[test]
    fn nobody_ever_leaves_the_field_or_enters_an_obstacle() {
        let mut random = stream(3, "test", 0);
        let mut world = HuntWorld::default();
        world.place(&mut random);
        for step in 0..400 {
            for slot in 0..AGENTS {
                let turn = Vec2::from_angle((step / 20 * 7 + slot) as f32);
                world.act(slot, turn * 2.0);
            }
            world.step();
            for body in world.bodies.iter().filter(|body| body.in_play) {
                let limit = HALF_FIELD - body.build.radius + 1e-6;
                assert!(body.position.abs().max_element() <= limit, "{}", body.position);
                let obstacles = world.obstacles.iter().map(|obstacle| obstacle.distance(body.position));
                let nearest = obstacles.fold(f32::INFINITY, f32::min);
                assert!(nearest > OBSTACLE_RADIUS + body.build.radius - 1e-5, "{nearest}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_episode() {
        let episode = |seed| {
            let mut random = stream(seed, "test", 0);
            let mut world = HuntWorld::default();
            world.place(&mut random);
            for step in 0..200 {
                (0..AGENTS).for_each(|slot| world.act(slot, Vec2::from_angle((step * slot) as f32)));
                world.step();
            }
            world
        };
        assert_eq!(episode(1), episode(1));
        assert_ne!(episode(1), episode(2));
    }
}

//! A task that needs numbers and choices together: an agent aims by an angle and chooses one of four weapons, each with its own
//! range and cooldown. `WEAPONS_DECISIONS` sets the length of the training; the default is short.

use std::f32::consts::FRAC_PI_2;

use bevy::prelude::*;
use bevy_maddpg::{
    headless,
    learner::DeviceChoice,
    prelude::*,
    random::{Random, stream},
};
use rand::RngExt;

const ARENAS: usize = 16;
const TIME_LIMIT: u32 = 50;

#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
enum Weapon {
    Knife,
    Bow,
    Rifle,
    Bomb,
}

impl Weapon {
    const ALL: [Self; 4] = [Self::Knife, Self::Bow, Self::Rifle, Self::Bomb];

    /// From which distance to which it reaches, its damage, how exactly it must be aimed in rad, and the decisions after a shot
    /// in which it cannot be used.
    fn data(self) -> ([f32; 2], f32, f32, u32) {
        match self {
            Self::Knife => ([0.0, 0.3], 1.0, 0.8, 0),
            Self::Bow => ([0.2, 0.7], 1.5, 0.4, 1),
            Self::Rifle => ([0.4, 1.0], 2.0, 0.2, 2),
            Self::Bomb => ([0.1, 0.9], 4.0, 0.5, 5),
        }
    }
}

#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
struct Shot {
    weapon: Weapon,
    #[action(range = -FRAC_PI_2..=FRAC_PI_2)]
    angle: f32,
}

#[derive(AgentObservation)]
struct View {
    angle: f32,
    distance: f32,
    cooldowns: [f32; 4],
}

/// The relaxed action: a number for each weapon, of which the largest counts, and the angle.
#[derive(AgentAction, Debug, Clone, Copy, PartialEq)]
struct Relaxed {
    weapons: [f32; 4],
    #[action(range = -FRAC_PI_2..=FRAC_PI_2)]
    angle: f32,
}

/// The fight of one agent: where its target is, and which weapons are ready.
#[derive(Component, Debug, Clone)]
struct Fight {
    angle: f32,
    distance: f32,
    cooldowns: [u32; 4],
    random: Random,
}

impl Fight {
    fn new(seed: u64, index: usize) -> Self {
        let random = stream(seed, "fight", index as u64);
        let mut fight = Self { angle: 0.0, distance: 0.0, cooldowns: [0; 4], random };
        fight.appear();
        fight
    }

    fn appear(&mut self) {
        self.angle = self.random.random_range(-1.4..1.4);
        self.distance = self.random.random_range(0.0..1.0);
    }

    fn reaches(&self, weapon: Weapon) -> bool {
        let ([from, to], ..) = weapon.data();
        (from..=to).contains(&self.distance)
    }

    fn is_ready(&self, weapon: Weapon) -> bool {
        self.cooldowns[weapon as usize] == 0
    }

    /// Fires, and returns the damage. Then the next target appears.
    fn shoot(&mut self, weapon: Weapon, angle: f32) -> f32 {
        let (_, damage, width, cooldown) = weapon.data();
        let hit = (1.0 - ((angle - self.angle) / width).powi(2)).max(0.0);
        let is_fired = self.is_ready(weapon);
        let worth = if is_fired && self.reaches(weapon) { damage * hit } else { 0.0 };
        self.cooldowns.iter_mut().for_each(|left| *left = left.saturating_sub(1));
        if is_fired {
            self.cooldowns[weapon as usize] = cooldown;
        }
        self.appear();
        worth
    }

    fn view(&self) -> View {
        let cooldowns = self.cooldowns.map(|left| left as f32 / 5.0);
        View { angle: self.angle, distance: self.distance, cooldowns }
    }
}

/// The mean return of an episode if the most harmful weapon that is ready and reaches the target is always used, aimed exactly.
fn script() -> f32 {
    let mut fight = Fight::new(99, 0);
    let episodes = 400;
    let mut total = 0.0;
    for _ in 0..episodes {
        fight.cooldowns = [0; 4];
        for _ in 0..TIME_LIMIT {
            let harm = |weapon: &Weapon| {
                let is_useful = fight.is_ready(*weapon) && fight.reaches(*weapon);
                if is_useful { weapon.data().1 } else { 0.0 }
            };
            let best = Weapon::ALL.into_iter().max_by(|a, b| harm(a).total_cmp(&harm(b))).unwrap();
            // With no weapon for this target, the knife is used, which is ready again at once.
            let weapon = if harm(&best) > 0.0 { best } else { Weapon::Knife };
            total += fight.shoot(weapon, fight.angle);
        }
    }
    total / episodes as f32
}

/// A fight and what its agent does.
type Shooter<'a> = (&'a mut Fight, Option<&'a Chosen<Shot>>, Option<&'a Chosen<Relaxed>>, &'a mut Reward);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Variant {
    Masked,
    Unmasked,
    Relaxed,
}

/// Trains for this many decisions, then returns the mean return of some episodes without exploration.
fn train(variant: Variant, seed: u64, decisions: u64) -> f32 {
    let mut config = TrainingConfig::default();
    config.learner.gamma = 0.9;
    config.learner.updates_per_decision = 0.25;
    let mut app = headless::app(1);
    app.add_plugins(MaddpgPlugins::train(config).with_seed(seed).with_decision_period(1).with_training(
        |training| {
            training.pace = Pace::Lockstep;
            training.device = DeviceChoice::Cpu;
        },
    ))
    .add_systems(Reset, |resets: ArenasToReset, mut fights: Query<(&InArena, &mut Fight)>| {
        for (place, mut fight) in fights.iter_mut().filter(|(place, _)| resets.contains(place.arena)) {
            let _ = place;
            fight.cooldowns = [0; 4];
        }
    })
    .add_systems(Observe, |mut fights: Query<(&Fight, &mut Observation)>| {
        fights.iter_mut().for_each(|(fight, mut observation)| observation.write_view(&fight.view()));
    })
    .add_systems(FixedUpdate, |mut fights: Query<Shooter>| {
        for (mut fight, shot, relaxed, mut reward) in &mut fights {
            let relaxed = relaxed.and_then(Chosen::get).map(|relaxed| {
                let largest = |a: &usize, b: &usize| relaxed.weapons[*a].total_cmp(&relaxed.weapons[*b]);
                (Weapon::ALL[(0..4).max_by(largest).unwrap()], relaxed.angle)
            });
            let shot = shot.and_then(Chosen::get).map(|shot| (shot.weapon, shot.angle));
            if let Some((weapon, angle)) = shot.or(relaxed) {
                reward.add(fight.shoot(weapon, angle));
            }
        }
    });
    if variant == Variant::Masked {
        app.add_systems(Observe, |mut fights: Query<(&Fight, &mut ActionMask)>| {
            for (fight, mut mask) in &mut fights {
                for weapon in Weapon::ALL {
                    // The knife can always be used, so there is always a choice.
                    if weapon != Weapon::Knife && !(fight.is_ready(weapon) && fight.reaches(weapon)) {
                        mask.forbid("weapon", weapon);
                    }
                }
            }
        });
    }
    for index in 0..ARENAS {
        let arena = app.world_mut().spawn(Arena::with_time_limit(TIME_LIMIT)).id();
        let fight = (InArena::new(arena), Fight::new(seed, index));
        match variant {
            Variant::Relaxed => app.world_mut().spawn((Agent::of::<View, Relaxed>("shooter"), fight)),
            _ => app.world_mut().spawn((Agent::of::<View, Shot>("shooter"), fight)),
        };
    }
    headless::start(&mut app);
    while app.world().resource::<RolloutClock>().decisions < decisions {
        app.update();
        app.world_mut().resource_mut::<Messages<EpisodeEnded>>().clear();
    }
    app.world_mut().resource_mut::<Exploration>().enabled = false;
    // The first episodes were begun with exploration.
    let mut returns = Vec::new();
    for _ in 0..12 * TIME_LIMIT {
        app.update();
        returns.extend(
            app.world_mut()
                .resource_mut::<Messages<EpisodeEnded>>()
                .drain()
                .map(|episode| episode.returns[0]),
        );
    }
    returns.drain(..ARENAS);
    returns.iter().sum::<f32>() / returns.len() as f32
}

#[test]
fn numbers_and_choices_are_learned_together_better_than_relaxed_ones() {
    let decisions = std::env::var("WEAPONS_DECISIONS").ok().and_then(|text| text.parse().ok());
    let best = script();
    let seeds = if decisions.is_some() { 3 } else { 1 };
    let share = |variant| {
        let shares = (1..=seeds).map(|seed| train(variant, seed, decisions.unwrap_or(40_000)) / best);
        let mut shares: Vec<f32> = shares.collect();
        shares.sort_by(f32::total_cmp);
        println!("{variant:?}: {shares:.3?} of the script's return, {best:.1}");
        shares[0]
    };
    let [masked, unmasked, relaxed] = [Variant::Masked, Variant::Unmasked, Variant::Relaxed].map(share);
    assert!(masked > 0.9 && masked > relaxed, "{masked}, {unmasked}, {relaxed}");
    assert_eq!(Shot::BRANCHES, 1);
}

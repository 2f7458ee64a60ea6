//! What the pendulum returns at best, by dynamic programming: the values of all states on a grid, backwards from the last
//! step, and swings by the torque that they say is best.

use std::f64::consts::{PI, TAU};

use bevy_maddpg::{
    games::pendulum::{MAX_SPEED, MAX_TORQUE, Pendulum, TIME_LIMIT},
    random::stream,
};

const ANGLES: usize = 361;
const SPEEDS: usize = 241;
const TORQUES: usize = 33;

/// A state between four of the grid.
struct Place {
    corner: usize,
    /// Shares of the way to the next angle and the next speed.
    shares: [f32; 2],
}

/// What a torque leads to.
struct Move {
    reward: f32,
    place: Place,
}

/// The mean return of so many swings from random starts; on a finer grid it would be a little higher.
pub(crate) fn optimum(swings: u32) -> f64 {
    let states = (0..ANGLES * SPEEDS).map(|state| Pendulum {
        angle: (state / SPEEDS) as f64 / (ANGLES - 1) as f64 * TAU - PI,
        speed: ((state % SPEEDS) as f64 / (SPEEDS - 1) as f64 * 2.0 - 1.0) * MAX_SPEED,
    });
    let moves: Vec<Move> =
        states.flat_map(|state| torques().map(move |torque| step(state, torque).1)).collect();
    // By the steps that are left.
    let mut values = vec![vec![0.0; ANGLES * SPEEDS]];
    for left in 0..TIME_LIMIT as usize {
        let worth = |a: &Move| a.reward + a.place.value(&values[left]);
        let best = moves
            .chunks_exact(TORQUES)
            .map(|moves| moves.iter().map(worth).fold(f32::NEG_INFINITY, f32::max));
        values.push(best.collect());
    }
    let mut random = stream(0, "optimum", 0);
    let swing = |_| {
        let mut state = Pendulum::at_start(&mut random);
        let mut total = 0.0;
        for values in values.iter().rev().skip(1) {
            let ways = torques().map(|torque| step(state, torque));
            let worth = |way: &(Pendulum, Move)| way.1.reward + way.1.place.value(values);
            let Some((next, made)) = ways.max_by(|a, b| worth(a).total_cmp(&worth(b))) else { continue };
            total += f64::from(made.reward);
            state = next;
        }
        total
    };
    (0..swings).map(swing).sum::<f64>() / f64::from(swings)
}

fn torques() -> impl Iterator<Item = f64> {
    (0..TORQUES).map(|torque| (torque as f64 / (TORQUES - 1) as f64 * 2.0 - 1.0) * MAX_TORQUE)
}

fn step(mut state: Pendulum, torque: f64) -> (Pendulum, Move) {
    let reward = state.reward(torque) as f32;
    state.step(torque);
    (state, Move { reward, place: Place::of(&state) })
}

impl Place {
    fn of(state: &Pendulum) -> Self {
        let angle = (state.normalized_angle() + PI) / TAU * (ANGLES - 1) as f64;
        let speed = (state.speed / MAX_SPEED + 1.0) / 2.0 * (SPEEDS - 1) as f64;
        let (i, j) = ((angle as usize).min(ANGLES - 2), (speed as usize).min(SPEEDS - 2));
        Self { corner: i * SPEEDS + j, shares: [(angle - i as f64) as f32, (speed - j as f64) as f32] }
    }

    /// Interpolated between the corners.
    fn value(&self, values: &[f32]) -> f32 {
        let Self { corner, shares: [angle, speed] } = *self;
        let along = |corner: usize| values[corner] + speed * (values[corner + 1] - values[corner]);
        let (this, next) = (along(corner), along(corner + SPEEDS));
        this + angle * (next - this)
    }
}

//! The best return of the pendulum, by dynamic programming: computes the values of all states on a grid, backwards from
//! the last step, then plays episodes with the torque that these values rate best.

use std::f64::consts::{PI, TAU};

use bevy_maddpg::random::stream;
use bevy_maddpg_lab::games::pendulum::{MAX_SPEED, MAX_TORQUE, Pendulum, TIME_LIMIT};

const ANGLES: usize = 361;
const SPEEDS: usize = 241;
const TORQUES: usize = 33;

/// A state between four points of the grid.
struct Place {
    corner: usize,
    /// Fractions of the way to the next angle and the next speed of the grid.
    shares: [f32; 2],
}

/// The outcome of applying a torque.
struct Move {
    reward: f32,
    place: Place,
}

/// The mean return of `swings` episodes from random starts. A finer grid would raise it slightly.
pub(crate) fn optimum(swings: u32) -> f64 {
    let states = (0..ANGLES * SPEEDS).map(|state| Pendulum {
        angle: (state / SPEEDS) as f64 / (ANGLES - 1) as f64 * TAU - PI,
        speed: ((state % SPEEDS) as f64 / (SPEEDS - 1) as f64 * 2.0 - 1.0) * MAX_SPEED,
    });
    let moves: Vec<Move> =
        states.flat_map(|state| torques().map(move |torque| step(state, torque).1)).collect();
    // Indexed by the number of steps left.
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

    /// The value interpolated between the four corners.
    fn value(&self, values: &[f32]) -> f32 {
        let Self { corner, shares: [angle, speed] } = *self;
        let along = |corner: usize| values[corner] + speed * (values[corner + 1] - values[corner]);
        let (this, next) = (along(corner), along(corner + SPEEDS));
        this + angle * (next - this)
    }
}

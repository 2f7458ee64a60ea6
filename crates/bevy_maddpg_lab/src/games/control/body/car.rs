//! A car that should drive fast along a closed track. It needs no physics engine.

use std::{f32::consts::TAU, sync::Arc};

use bevy_rapier3d::rapier::math::{Rotation, Vector};
use rand::Rng;

use super::{Body, between};
use crate::games::control::part::{Part, Role, Shape};

/// Seconds of a control step.
const STEP: f32 = 0.05;
/// Distance of the axles, m.
const WHEELBASE: f32 = 2.5;
/// Speed for the full reward, and the top speed, m/s.
const SPEED: f32 = 30.0;
/// Acceleration at full throttle, m/s².
const THROTTLE: f32 = 6.0;
/// Deceleration at full brake, m/s².
const BRAKE: f32 = 10.0;
/// Largest angle of the front wheels, rad.
const STEERING: f32 = 0.5;
/// How fast the front wheels turn, rad/s.
const STEERING_RATE: f32 = 1.5;
/// Acceleration sideways at which the tires slip, m/s².
const GRIP: f32 = 8.0;
/// Half the width of the track, m.
const HALF_WIDTH: f32 = 4.0;
/// Points that shape a track.
const CORNERS: usize = 12;
/// Points of the middle line between two corners.
const POINTS: usize = 20;
/// Control steps without progress after which the episode ends.
const PATIENCE: u32 = 100;
/// How far ahead the driver sees the middle of the track, m.
const VIEW: [f32; 6] = [4.0, 8.0, 14.0, 22.0, 32.0, 44.0];
/// What the driver sees is divided by this, m.
const VIEW_SCALE: f32 = 20.0;

/// A point or a direction on the ground: x and the distance to the left of it.
type Point = [f32; 2];

/// The sum of a point and a direction times a factor.
fn along(point: Point, direction: Point, factor: f32) -> Point {
    [point[0] + factor * direction[0], point[1] + factor * direction[1]]
}

/// From one point to another.
fn way(from: Point, to: Point) -> Point {
    along(to, from, -1.0)
}

/// The inner product.
fn dot(one: Point, other: Point) -> f32 {
    one[0] * other[0] + one[1] * other[1]
}

/// The direction of an angle.
fn direction(angle: f32) -> Point {
    let (sine, cosine) = libm::sincosf(angle);
    [cosine, sine]
}

/// A direction turned left by a quarter.
fn left(direction: Point) -> Point {
    [-direction[1], direction[0]]
}

/// A closed track.
#[derive(Debug)]
struct Track {
    /// The middle line.
    middle: Vec<Point>,
    /// Directions of the middle line.
    directions: Vec<Point>,
    /// Distance of each point from the next one, m.
    lengths: Vec<f32>,
}

impl Track {
    /// A track around the origin, through corners at these distances.
    fn through(distances: [f32; CORNERS]) -> Self {
        let corner = |index: usize| {
            let index = index % CORNERS;
            along([0.0; 2], direction(TAU * index as f32 / CORNERS as f32), distances[index])
        };
        let mut middle = Vec::with_capacity(CORNERS * POINTS);
        for index in 0..CORNERS {
            let [before, from, to, after] = [0, 1, 2, 3].map(|offset| corner(index + offset));
            for point in 0..POINTS {
                let t = point as f32 / POINTS as f32;
                // A Catmull-Rom curve.
                middle.push([0, 1].map(|axis| {
                    let [a, b, c, d] = [before[axis], from[axis], to[axis], after[axis]];
                    0.5 * (2.0 * b
                        + t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a))))
                }));
            }
        }
        let count = middle.len();
        let ways: Vec<Point> =
            (0..count).map(|index| way(middle[index], middle[(index + 1) % count])).collect();
        let lengths: Vec<f32> = ways.iter().map(|way| dot(*way, *way).sqrt()).collect();
        let directions =
            ways.iter().zip(&lengths).map(|(way, length)| along([0.0; 2], *way, 1.0 / length)).collect();
        Self { middle, directions, lengths }
    }

    /// A random track.
    fn random(rng: &mut dyn Rng) -> Self {
        Self::through(std::array::from_fn(|_| between(rng, 32.0, 50.0)))
    }

    /// The section nearest to a point, near the last one.
    fn nearest(&self, point: Point, last: usize) -> usize {
        let count = self.middle.len();
        let distance = |index: usize| {
            let way = way(self.middle[index], point);
            dot(way, way)
        };
        (0..9)
            .map(|offset| (last + count - 4 + offset) % count)
            .min_by(|one, other| distance(*one).total_cmp(&distance(*other)))
            .expect("There are nine candidates")
    }
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub(in super::super) struct Car {
    track: Arc<Track>,
    place: Point,
    heading: f32,
    speed: f32,
    steering: f32,
    pedal: f32,
    section: usize,
    idle: u32,
    is_over: bool,
}

impl Car {
    /// A car at rest.
    pub fn new() -> Self {
        Self::on(Track::through([40.0; CORNERS]))
    }

    /// A car at the start of a track.
    fn on(track: Track) -> Self {
        let [x, y] = track.directions[0];
        Self {
            place: track.middle[0],
            heading: libm::atan2f(y, x),
            track: Arc::new(track),
            speed: 5.0,
            steering: 0.0,
            pedal: 0.0,
            section: 0,
            idle: 0,
            is_over: false,
        }
    }

    /// Distance to the left of the middle line, m.
    fn offset(&self) -> f32 {
        let way = way(self.track.middle[self.section], self.place);
        dot(way, left(self.track.directions[self.section]))
    }

    /// How much the car points along the track (cosine) and to its left (sine).
    fn alignment(&self) -> Point {
        let (along, forward) = (self.track.directions[self.section], direction(self.heading));
        [dot(forward, along), dot(forward, left(along))]
    }

    /// A point of the ground in the world, where y is up.
    fn on_ground([x, y]: Point) -> Vector {
        Vector::new(x, 0.0, -y)
    }
}

impl Body for Car {
    fn copy(&self) -> Box<dyn Body> {
        Box::new(self.clone())
    }

    fn reset(&mut self, rng: &mut dyn Rng) {
        *self = Self::on(Track::random(rng));
        let side = left(direction(self.heading));
        self.place = along(self.place, side, between(rng, -2.0, 2.0));
        self.heading += between(rng, -0.2, 0.2);
        self.section = self.track.nearest(self.place, 0);
    }

    fn observe(&self, out: &mut Vec<f32>) {
        out.extend([self.speed / SPEED, self.steering / STEERING, self.offset() / HALF_WIDTH]);
        out.extend(self.alignment());
        let forward = direction(self.heading);
        let (mut section, mut distance) = (self.section, 0.0);
        for view in VIEW {
            while distance < view {
                distance += self.track.lengths[section];
                section = (section + 1) % self.track.middle.len();
            }
            let way = way(self.place, self.track.middle[section]);
            out.extend([dot(way, forward) / VIEW_SCALE, dot(way, left(forward)) / VIEW_SCALE]);
        }
    }

    fn step(&mut self, action: &[f32]) -> f32 {
        if self.is_over {
            return 0.0;
        }
        let &[steering, pedal] = action else { panic!("The car has two actions") };
        self.pedal = pedal;
        let turn = STEERING_RATE * STEP;
        self.steering += (STEERING * steering - self.steering).clamp(-turn, turn);
        let push = if pedal > 0.0 { THROTTLE * pedal * (1.0 - self.speed / SPEED) } else { BRAKE * pedal };
        self.speed = (self.speed + STEP * push).clamp(0.0, SPEED);
        // The tires hold only so much: a car that is too fast goes straighter than its wheels.
        let slip = GRIP / self.speed.max(1e-3);
        let rate = (self.speed * libm::tanf(self.steering) / WHEELBASE).clamp(-slip, slip);
        // Halfway through the turn, for accuracy.
        self.place = along(self.place, direction(self.heading + 0.5 * STEP * rate), STEP * self.speed);
        self.heading += STEP * rate;
        let last = self.section;
        self.section = self.track.nearest(self.place, last);
        let count = self.track.middle.len();
        let progress = (self.section + count - last) % count;
        self.idle = if progress > 0 && progress < count / 2 { 0 } else { self.idle + 1 };
        self.is_over = self.offset().abs() > HALF_WIDTH || self.idle > PATIENCE;
        if self.is_over {
            return 0.0;
        }
        (self.speed * self.alignment()[0] / SPEED).clamp(0.0, 1.0)
    }

    fn terminated(&self) -> bool {
        self.is_over
    }

    fn parts(&self, out: &mut Vec<Part>) {
        let mut add = |shape: Shape, place: Point, height: f32, angle: f32, role: Role, effort: f32| {
            out.push(Part {
                shape,
                position: Self::on_ground(place) + height * Vector::Y,
                rotation: Rotation::from_rotation_y(angle),
                role,
                effort,
            });
        };
        add(Shape::Box { half: [2.0, 0.4, 0.8] }, self.place, 0.6, self.heading, Role::Tip, self.pedal);
        let forward = direction(self.heading);
        for side in [-0.8, 0.8] {
            let wheel = along(along(self.place, forward, 0.5 * WHEELBASE), left(forward), side);
            let angle = self.heading + self.steering;
            add(
                Shape::Box { half: [0.4, 0.35, 0.15] },
                wheel,
                0.35,
                angle,
                Role::Link,
                self.steering / STEERING,
            );
        }
        let track = &self.track;
        for index in (0..track.middle.len()).step_by(2) {
            for side in [-HALF_WIDTH, HALF_WIDTH] {
                let [x, y] = track.directions[index];
                let place = along(track.middle[index], left([x, y]), side);
                add(Shape::Box { half: [0.7, 0.1, 0.1] }, place, 0.1, libm::atan2f(y, x), Role::Base, 0.0);
            }
        }
    }

    fn focus(&self) -> Vector {
        Self::on_ground(self.place)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn it_speeds_up_brakes_and_leaves_the_track() {
        let mut car = Car::new();
        let mut last = car.speed;
        for _ in 0..10 {
            car.step(&[0.0, 1.0]);
            assert!(car.speed > last);
            last = car.speed;
        }
        car.step(&[0.0, -1.0]);
        assert!((car.speed - (last - STEP * BRAKE)).abs() < 1e-4);
        for _ in 0..200 {
            car.step(&[0.0, 1.0]);
        }
        assert!(car.terminated());
        assert_eq!(car.step(&[0.0, 1.0]), 0.0);
    }

    #[test]
    fn it_ends_without_progress() {
        let mut car = Car::new();
        for _ in 0..PATIENCE + 30 {
            car.step(&[0.0, -1.0]);
        }
        assert!(car.terminated());
    }

    #[test]
    fn a_circle_is_as_wide_as_the_wheels_say() {
        let mut car = Car::new();
        (car.speed, car.steering) = (5.0, 0.1);
        let radius = WHEELBASE / libm::tanf(0.1);
        let center = along(car.place, left(direction(car.heading)), radius);
        for _ in 0..30 {
            car.step(&[0.1 / STEERING, 0.0]);
            let way = way(center, car.place);
            assert!((dot(way, way).sqrt() - radius).abs() < 0.01);
        }
    }

    #[test]
    fn a_simple_driver_follows_random_tracks() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut car = Car::new();
        let mut view = Vec::new();
        for _ in 0..20 {
            car.reset(&mut rng);
            for _ in 0..400 {
                view.clear();
                car.observe(&mut view);
                let steering = libm::atan2f(view[8], view[7]) / STEERING;
                car.step(&[steering.clamp(-1.0, 1.0), (0.3 - view[0]).clamp(-1.0, 1.0)]);
                assert!(!car.terminated(), "It left the track");
            }
        }
    }
}

//! Pictures of the bodies, as agents see them.

use bevy_maddpg::policy::ImageSpec;
use bevy_rapier3d::rapier::math::Vector;

use super::{
    part::{Part, Role, Shape},
    task::Task,
};

/// Takes small grey pictures of a body, drawn on the CPU: without a window, and the same on every machine. It looks along z at the
/// plane of x and y. Edges are smooth: a pixel that a part covers to one half is half as bright.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// The point in the middle of the picture, m.
    center: [f32; 2],
    /// The size of a pixel, m.
    pixel: f32,
}

impl Camera {
    /// Pixels from left to right, and from top to bottom.
    pub const SIZE: [usize; 2] = [48, 32];

    /// The camera of a task. `None` where the body moves away, or through space.
    pub fn of(task: Task) -> Option<Self> {
        let (center, half_height) = match task {
            Task::Cart | Task::CartpoleBalance | Task::Cartpole | Task::CartpoleParallelDouble => {
                ([0.0, 0.0], 1.28)
            }
            Task::CartpoleSerialDouble => ([0.0, 0.5], 1.6),
            Task::CartpoleSerialTriple => ([0.0, 1.0], 2.1),
            Task::Pendulum => ([0.0, 0.0], 0.6),
            Task::FixedReacherSingle | Task::ReacherSingle => ([0.0, 0.0], 0.16),
            Task::FixedReacherDouble => ([0.0, 0.0], 0.28),
            Task::FixedReacher | Task::Reacher => ([0.0, 0.0], 0.4),
            Task::Car
            | Task::Cheetah
            | Task::HardCheetah
            | Task::Walker
            | Task::Hopper
            | Task::Reacher3dFixedTarget
            | Task::Canada2d
            | Task::Gripper => return None,
        };
        Some(Self { center, pixel: 2.0 * half_height / Self::SIZE[1] as f32 })
    }

    /// The pictures that it takes.
    pub fn image(&self) -> ImageSpec {
        let [width, height] = Self::SIZE;
        ImageSpec::grey(width, height)
    }

    /// Replaces the contents of `picture` by a picture of these parts: brightness from 0 to 1, row by row from the top.
    pub fn take(&self, parts: impl Iterator<Item = Part>, picture: &mut Vec<f32>) {
        picture.clear();
        picture.resize(Self::SIZE[0] * Self::SIZE[1], 0.0);
        parts.for_each(|part| self.draw(&part, picture));
    }

    /// Draws a part over what is there.
    fn draw(&self, part: &Part, picture: &mut [f32]) {
        let [width, height] = Self::SIZE;
        let brightness = match part.role {
            Role::Base => 0.4,
            Role::Target => 0.55,
            Role::Ball | Role::Tip => 0.8,
            Role::Link => 1.0,
        };
        let place = part.position.to_array();
        let [x, y, ..] = (part.rotation * Vector::Y).to_array();
        let reach = match part.shape {
            Shape::Capsule { half_length, radius } => half_length + radius,
            Shape::Ball { radius } => radius,
            Shape::Box { half: [a, b, _] } => a.hypot(b),
        };
        // The rows and columns that the part can reach.
        let middle = [
            (place[0] - self.center[0]) / self.pixel + 0.5 * width as f32,
            (self.center[1] - place[1]) / self.pixel + 0.5 * height as f32,
        ];
        let range = |middle: f32, size: usize| {
            let reach = reach / self.pixel + 1.0;
            let clamp = |at: f32| at.clamp(0.0, size as f32) as usize;
            clamp((middle - reach).floor())..clamp((middle + reach).ceil())
        };
        for row in range(middle[1], height) {
            for column in range(middle[0], width) {
                // From the middle of the part to the middle of the pixel, m.
                let right = (column as f32 + 0.5 - middle[0]) * self.pixel;
                let up = (middle[1] - row as f32 - 0.5) * self.pixel;
                // The same along the part's own y, and across it.
                let (along, across) = (right * x + up * y, right * y - up * x);
                let distance = match part.shape {
                    Shape::Ball { radius } => right.hypot(up) - radius,
                    Shape::Capsule { half_length, radius } => {
                        (along.abs() - half_length).max(0.0).hypot(across) - radius
                    }
                    Shape::Box { half: [a, b, _] } => {
                        let (dx, dy) = (across.abs() - a, along.abs() - b);
                        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0)
                    }
                };
                let cover = (0.5 - distance / self.pixel).clamp(0.0, 1.0);
                let pixel = &mut picture[row * width + column];
                *pixel += cover * (brightness - *pixel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bevy_rapier3d::rapier::math::Rotation;
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::games::control::Simulation;

    const CAMERA: Camera = Camera { center: [0.0, 0.0], pixel: 0.1 };

    fn picture(part: Part) -> Vec<f32> {
        let mut picture = Vec::new();
        CAMERA.take(std::iter::once(part), &mut picture);
        picture
    }

    fn part(shape: Shape, rotation: Rotation) -> Part {
        Part { shape, position: Vector::new(0.3, -0.2, 0.0), rotation, role: Role::Link, effort: 0.0 }
    }

    #[test]
    fn the_brightness_is_the_area() {
        let turned = Rotation::from_rotation_z(0.4);
        let (half_length, radius) = (0.5, 0.15);
        for (shape, area) in [
            (Shape::Ball { radius: 0.4 }, 0.16 * std::f32::consts::PI),
            (
                Shape::Capsule { half_length, radius },
                4.0 * half_length * radius + radius * radius * std::f32::consts::PI,
            ),
            (Shape::Box { half: [0.7, 0.3, 0.1] }, 4.0 * 0.7 * 0.3),
        ] {
            let found = picture(part(shape, turned)).iter().sum::<f32>() * CAMERA.pixel * CAMERA.pixel;
            assert!((found / area - 1.0).abs() < 0.03, "{shape:?}: {found}, expected {area}");
        }
    }

    #[test]
    fn the_middle_of_the_brightness_is_the_middle_of_the_part() {
        let picture = picture(part(Shape::Ball { radius: 0.23 }, Rotation::IDENTITY));
        let sum: f32 = picture.iter().sum();
        let mean = |of: fn(usize) -> usize| {
            picture.iter().enumerate().map(|(index, pixel)| of(index) as f32 * pixel).sum::<f32>() / sum
        };
        let (column, row) = (mean(|index| index % 48), mean(|index| index / 48));
        assert!((column - (23.5 + 3.0)).abs() < 0.05, "{column}");
        assert!((row - (15.5 + 2.0)).abs() < 0.05, "{row}");
    }

    #[test]
    fn a_capsule_leans_as_it_is_turned() {
        // Turned to the left, its upper end is left of its lower end.
        let leaning = part(Shape::Capsule { half_length: 0.6, radius: 0.1 }, Rotation::from_rotation_z(0.5));
        let picture = picture(leaning);
        let column = |row: usize| {
            let row = &picture[row * 48..(row + 1) * 48];
            row.iter().enumerate().map(|(x, pixel)| x as f32 * pixel).sum::<f32>() / row.iter().sum::<f32>()
        };
        assert!(column(14) < column(21) - 2.0);
    }

    #[test]
    fn every_body_with_pictures_is_in_them() {
        for task in Task::ALL {
            let Some(camera) = Camera::of(*task) else { continue };
            let mut simulation = Simulation::new(*task);
            simulation.reset(&mut SmallRng::seed_from_u64(1));
            let mut picture = Vec::new();
            camera.take(simulation.parts(), &mut picture);
            assert!(picture.iter().all(|pixel| (0.0..=1.0).contains(pixel)), "{task}");
            let lit = picture.iter().filter(|pixel| **pixel > 0.3).count();
            assert!((10..800).contains(&lit), "{task}: {lit} pixels");
        }
    }
}

//! Twenty control tasks after those of the paper that introduced DDPG, in rapier, with a planner as yardstick.

mod body;
mod part;
mod planner;
mod simulation;
mod task;
mod tolerance;
mod world;
mod yardstick;

pub use part::{Part, Role, Shape};
pub use planner::Planner;
pub use simulation::Simulation;
pub use task::{Task, UnknownTask};
pub use yardstick::{Yardstick, yardstick};

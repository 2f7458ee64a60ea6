//! Twenty control tasks: poles, arms, a car, and planar bodies that run, walk and hop.
//!
//! They are modelled on the tasks of the paper that introduced DDPG (Lillicrap et al. 2015), whose models and rewards were not
//! published, and on the DeepMind Control Suite, whose bodies and kind of rewards they use. A [`Simulation`] is a task's body in
//! rapier. It needs neither Bevy nor a window, its clones continue bit by bit like the original, and the same seed always plays
//! the same episode.
//!
//! | [`Task`] | body | reward of a control step |
//! |---|---|---|
//! | `cart` | 1 kg on a rail of 3.6 m, 10 N | near the middle |
//! | `pendulum` | 1 kg at 0.5 m, 1 N m, which is a fifth of what would lift it at once | half for height, half for being within 8 degrees of upright |
//! | `cartpole_balance`, `cartpole` | the cart with a pole of 1 m and 0.1 kg, which stands or hangs at the start | upright × slow × near the middle |
//! | `cartpole_parallel_double` | poles of 1 m and 0.5 m side by side; equal ones would not obey | the same, mean over the poles |
//! | `cartpole_serial_double`, `cartpole_serial_triple` | poles of 1 m on top of each other | the same |
//! | `fixed_reacher_single`, `fixed_reacher_double`, `fixed_reacher` | 1, 2 or 3 links of 12 cm, 0.05 N m each, without gravity; the target is fixed | 0.3 for being closer, 0.7 for the tip within 1.5 cm of the target |
//! | `reacher_single`, `reacher` | 1 or 3 links; the target is random | the same |
//! | `car` | a car with 30 m/s top speed and tires that slip at 8 m/s² on a random track, 8 m wide | speed along the track / 30 m/s |
//! | `cheetah`, `hard_cheetah` | the suite's cheetah, 14 kg, with springs in its joints or without | speed / 10 m/s |
//! | `walker` | the suite's walker | upright and high, and five times as much for walking at 1 m/s |
//! | `hopper` | the suite's hopper | head over foot at 0.6 m or more |
//! | `reacher3d_fixed_target` | an arm with 7 joints, 0.8 m long, without gravity | as the reachers', within 3 cm |
//! | `canada2d` | 3 links of 15 cm and a ball on a table | 0.2 for the tip near the ball, 0.8 for the ball near the target |
//! | `gripper` | an arm with 3 joints and 2 fingers, and a ball on the floor | 0.3 for the ball between the fingers, 0.7 for the ball near the target |
//!
//! All rewards are between 0 and 1 and fall smoothly with the distance from what is asked. Where [the suite is sparse](Task::is_sparse_in_the_suite),
//! [`Simulation::sparse_score`] gives its reward too. Except for the cheetahs, the walker and the car, all rewards have a
//! factor for small actions: 1 without action, 0.8 at full action.
//!
//! | | |
//! |---|---|
//! | action | 1 to 7 numbers, -1 to 1: the torque (or force) of each motor as share of its largest one; for the car, steering and pedal |
//! | observation | positions (angles that go round as cosine and sine), speeds, ways to targets |
//! | control step | [`Task::control_seconds`]; physics steps are 5 ms with 4 substeps |
//! | decision | every [2](Task::action_repeat) control steps |
//! | episode | 10 s; only the car's ends early: when it leaves the track, or after 5 s without progress |
//!
//! # Pictures
//!
//! Instead of its numbers, an agent can observe the last [`FRAMES`] pictures of its body, which a [`Camera`] draws, in those tasks
//! whose body stays in the picture ([`Camera::of`]).
//!
//! # Scores
//!
//! The [`Planner`] plays each task without training, by trying actions on clones. Scores are normalized like the paper's:
//! 0 is what random actions reach, and 1 is what the planner reaches. [`yardstick`] measures both.

mod body;
mod camera;
mod part;
mod planner;
mod play;
mod plugin;
mod simulation;
mod task;
mod tolerance;
mod world;
mod yardstick;

pub use camera::Camera;
pub use part::{Part, Role, Shape};
pub use planner::Planner;
pub use play::ControlArena;
pub use plugin::{ARENAS, ControlPlugin, FRAMES, Sight, adapt, score, spec};
pub use simulation::Simulation;
pub use task::{Task, UnknownTask};
pub use yardstick::{Scores, Yardstick, yardstick};

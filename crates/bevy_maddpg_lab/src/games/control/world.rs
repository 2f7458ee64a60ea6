//! Articulated bodies in rapier whose state can be copied.

mod ball;
mod link;
mod solid;

use std::{cell::RefCell, ops::Range, sync::Arc};

use bevy_rapier3d::rapier::{na::Unit, prelude::*};

use super::part::{Part, Role, Shape};
pub(super) use {
    link::{Freedom, Link},
    solid::{DENSITY, Solid, at},
};

/// Gravity, m/s².
pub(super) const GRAVITY: f32 = 9.81;
/// Substeps of a physics step.
const SUBSTEPS: usize = 4;
/// Stiffness of the spring that carries a motor's torque, as share of the largest torque, per rad or m.
const CARRIER: f32 = 1e-4;

thread_local! {
    /// The scratch memory of the solver. It holds no state between steps.
    static PIPELINE: RefCell<PhysicsPipeline> = RefCell::new(PhysicsPipeline::new());
}

/// One coordinate of a body.
#[derive(Debug, Clone, Copy)]
struct Coordinate {
    /// Its link.
    link: usize,
    /// Its index among the six coordinates of a joint.
    axis: usize,
    /// Stiffness of its spring.
    stiffness: f32,
    /// Torque at full action.
    gear: f32,
    /// Share of the torque that acts.
    effort: f32,
}

/// Something to draw.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its link.
    link: usize,
    /// Its shape.
    shape: Shape,
    /// Its place in the link.
    place: Pose,
    /// What it is.
    role: Role,
}

/// What does not change after a world was built.
#[derive(Debug, Default)]
struct Plan {
    /// Everything to draw.
    pieces: Vec<Piece>,
    /// The rigid bodies of the links.
    links: Vec<RigidBodyHandle>,
    /// The first coordinate of each link.
    first: Vec<usize>,
    /// Damping of each coordinate.
    damping: Vec<f32>,
    /// Armature of each coordinate.
    armature: Vec<f32>,
}

/// One articulated body, perhaps with a floor and a free ball. A clone continues bit by bit like the original.
///
/// Planar bodies lie in the plane of x and y, with y up. Links are numbered in the order in which they are added, starting with
/// the fixed [`World::GROUND`], and so are coordinates.
#[derive(Clone)]
pub(super) struct World {
    bodies: RigidBodySet,
    colliders: ColliderSet,
    impulse_joints: ImpulseJointSet,
    joints: MultibodyJointSet,
    islands: IslandManager,
    broad_phase: BroadPhaseBvh,
    narrow_phase: NarrowPhase,
    ccd: CCDSolver,
    parameters: IntegrationParameters,
    gravity: Vector,
    robot: Option<MultibodyIndex>,
    coordinates: Vec<Coordinate>,
    ball: Option<RigidBodyHandle>,
    plan: Arc<Plan>,
}

impl World {
    /// The fixed link from which every body starts.
    pub const GROUND: usize = 0;
    /// What the robot is, for collisions.
    const ROBOT: Group = Group::GROUP_1;
    /// What the floor is, for collisions.
    const FLOOR: Group = Group::GROUP_2;
    /// What the ball is, for collisions.
    const BALL: Group = Group::GROUP_3;

    /// A world without bodies.
    ///
    /// - `step`: seconds of one physics step
    /// - `gravity`: downward acceleration, m/s²
    pub fn new(step: f32, gravity: f32) -> Self {
        let mut bodies = RigidBodySet::new();
        let ground = bodies.insert(RigidBodyBuilder::fixed());
        Self {
            bodies,
            colliders: ColliderSet::new(),
            impulse_joints: ImpulseJointSet::new(),
            joints: MultibodyJointSet::new(),
            islands: IslandManager::new(),
            broad_phase: BroadPhaseBvh::new(),
            narrow_phase: NarrowPhase::new(),
            ccd: CCDSolver::new(),
            parameters: IntegrationParameters {
                dt: step,
                num_solver_iterations: SUBSTEPS,
                max_ccd_substeps: 0,
                ..IntegrationParameters::default()
            },
            gravity: Vector::new(0.0, -gravity, 0.0),
            robot: None,
            ball: None,
            coordinates: Vec::new(),
            plan: Arc::new(Plan { links: vec![ground], first: vec![0], ..Plan::default() }),
        }
    }

    /// Adds a link and returns its number.
    pub fn add(&mut self, link: Link) -> usize {
        let plan = Arc::get_mut(&mut self.plan).expect("A world is built before it is cloned");
        let index = plan.links.len();
        let mut mass = link
            .solids
            .iter()
            .map(|solid| solid.mass(DENSITY))
            .reduce(|one, other| one + other)
            .unwrap_or_default();
        if let Some(kilograms) = link.mass {
            mass.set_mass(kilograms, true);
        }
        let body = self.bodies.insert(
            RigidBodyBuilder::dynamic().additional_mass_properties(mass).can_sleep(false).linear_damping(0.0),
        );
        let axes = link.freedom.axes();
        let free = axes.iter().fold(JointAxesMask::empty(), |mask, axis| mask | JointAxesMask::from(*axis));
        let mut joint = GenericJointBuilder::new(JointAxesMask::all() - free)
            .local_frame1(Pose::from_translation(link.anchor));
        if let Some(limits) = link.limits {
            joint = joint.limits(axes[0], limits);
        }
        let handle =
            self.joints.insert(plan.links[link.parent], body, joint.build(), true).expect("Links are a tree");
        self.robot = Some(self.joints.rigid_body_link(body).expect("It was just inserted").multibody);
        debug_assert!(self.joints.get(handle).is_some());
        plan.links.push(body);
        plan.first.push(self.coordinates.len());
        for axis in axes {
            self.coordinates.push(Coordinate {
                link: index,
                axis: *axis as usize,
                stiffness: link.stiffness,
                gear: link.gear,
                effort: 0.0,
            });
            plan.damping.push(link.damping);
            plan.armature.push(link.armature);
        }
        for solid in link.solids {
            let (shape, place) = solid.drawn();
            plan.pieces.push(Piece { link: index, shape, place, role: link.role });
        }
        index
    }

    /// Shows a solid that has no effect on the motion.
    pub fn show(&mut self, link: usize, solid: Solid, role: Role) {
        let plan = Arc::get_mut(&mut self.plan).expect("A world is built before it is cloned");
        let (shape, place) = solid.drawn();
        plan.pieces.push(Piece { link, shape, place, role });
    }

    /// Lets a solid of a link touch the floor and the ball.
    pub fn touch(&mut self, link: usize, solid: Solid, friction: f32) {
        self.colliders.insert_with_parent(
            Self::touching(solid.collider(), friction, Self::ROBOT, Self::FLOOR | Self::BALL),
            self.plan.links[link],
            &mut self.bodies,
        );
    }

    /// A collider of this group that touches the `others`. Of two that touch, the greater friction counts.
    fn touching(collider: ColliderBuilder, friction: f32, group: Group, others: Group) -> ColliderBuilder {
        collider
            .friction(friction)
            .friction_combine_rule(CoefficientCombineRule::Max)
            .collision_groups(InteractionGroups::new(group, others, InteractionTestMode::And))
    }

    /// Adds a floor at a height of 0.
    pub fn floor(&mut self, friction: f32) {
        // It has no rigid body: links that are jointed to its body would fall through it.
        let floor = ColliderBuilder::halfspace(Unit::new_unchecked(Vector::Y));
        self.colliders.insert(Self::touching(floor, friction, Self::FLOOR, Self::ROBOT | Self::BALL));
    }

    /// Ends the building: from here on, coordinates and speeds can be set.
    pub fn finish(mut self) -> Arc<Self> {
        let robot = self.robot.expect("A world has a body");
        for link in self.plan.links.iter().chain(&self.ball) {
            self.bodies[*link].recompute_mass_properties_from_colliders(&self.colliders);
        }
        let multibody = self.joints.get_multibody_mut(robot).expect("It exists");
        // Before this, the fixed root still counts six coordinates.
        multibody.forward_kinematics(&self.bodies, true);
        assert_eq!(multibody.ndofs(), self.coordinates.len());
        // By default, rapier damps every hinge.
        multibody.damping_mut().copy_from_slice(&self.plan.damping);
        multibody.armature_mut().copy_from_slice(&self.plan.armature);
        multibody.update_rigid_bodies(&mut self.bodies, true);
        Arc::new(self)
    }

    /// The articulated body.
    fn robot(&self) -> &Multibody {
        self.robot.and_then(|robot| self.joints.get_multibody(robot)).expect("A world has a body")
    }

    /// A coordinate, rad or m.
    pub fn position(&self, coordinate: usize) -> f32 {
        let Coordinate { link, axis, .. } = self.coordinates[coordinate];
        self.robot().link(link).expect("Every coordinate has a link").joint.coords()[axis]
    }

    /// The speed of a coordinate, rad/s or m/s.
    pub fn speed(&self, coordinate: usize) -> f32 {
        self.robot().generalized_velocity()[coordinate]
    }

    /// Coordinates.
    pub fn positions(&self, range: Range<usize>) -> impl Iterator<Item = f32> {
        range.map(|coordinate| self.position(coordinate))
    }

    /// Speeds of coordinates.
    pub fn speeds(&self, range: Range<usize>) -> impl Iterator<Item = f32> {
        range.map(|coordinate| self.speed(coordinate))
    }

    /// How many links there are, the ground included.
    pub fn links(&self) -> usize {
        self.plan.links.len()
    }

    /// How many coordinates there are.
    pub fn coordinates(&self) -> usize {
        self.coordinates.len()
    }

    /// Sets all coordinates and speeds.
    pub fn place(&mut self, positions: &[f32], speeds: &[f32]) {
        let moves: Vec<f32> =
            positions.iter().enumerate().map(|(index, position)| position - self.position(index)).collect();
        let multibody =
            self.robot.and_then(|robot| self.joints.get_multibody_mut(robot)).expect("A world has a body");
        multibody.apply_displacements(&moves);
        multibody.generalized_velocity_mut().copy_from_slice(speeds);
        multibody.forward_kinematics(&self.bodies, false);
        multibody.update_rigid_bodies(&mut self.bodies, true);
        let links = multibody.num_links();
        // The solver reads the speeds of the rigid bodies too.
        for link in 1..links {
            let multibody = self.robot();
            let velocity = multibody.body_jacobian(link) * multibody.generalized_velocity();
            let handle = multibody.link(link).expect("Below their number").rigid_body_handle();
            let body = &mut self.bodies[handle];
            body.set_linvel(Vector::new(velocity[0], velocity[1], velocity[2]), true);
            body.set_angvel(Vector::new(velocity[3], velocity[4], velocity[5]), true);
        }
    }

    /// The place of a link.
    pub fn pose(&self, link: usize) -> Pose {
        *self.bodies[self.plan.links[link]].position()
    }

    /// A point of a link, in the world.
    pub fn point(&self, link: usize, point: Vector) -> Vector {
        self.pose(link) * point
    }

    /// Speed of a link's center of mass, m/s.
    pub fn velocity(&self, link: usize) -> Vector {
        self.bodies[self.plan.links[link]].linvel()
    }

    /// Mass of a link, kg.
    pub fn mass(&self, link: usize) -> f32 {
        self.bodies[self.plan.links[link]].mass()
    }

    /// Sets what share of its torque every motor gives, in the order of the coordinates with a motor.
    pub fn drive(&mut self, action: &[f32]) {
        let motors = self.coordinates.iter_mut().filter(|coordinate| coordinate.gear != 0.0);
        for (coordinate, action) in motors.zip(action) {
            coordinate.effort = *action;
        }
    }

    /// Advances by a number of physics steps.
    pub fn step(&mut self, steps: u32) {
        for _ in 0..steps {
            self.carry();
            PIPELINE.with_borrow_mut(|pipeline| {
                pipeline.step(
                    self.gravity,
                    &self.parameters,
                    &mut self.islands,
                    &mut self.broad_phase,
                    &mut self.narrow_phase,
                    &mut self.bodies,
                    &mut self.colliders,
                    &mut self.impulse_joints,
                    &mut self.joints,
                    &mut self.ccd,
                    &(),
                    &(),
                );
            });
        }
    }

    /// Multibodies take no torques of motors, but they have springs. A spring that is soft and pulls from far away gives the
    /// same torque wherever the joint is.
    fn carry(&mut self) {
        let multibody =
            self.robot.and_then(|robot| self.joints.get_multibody_mut(robot)).expect("A world has a body");
        for coordinate in &self.coordinates {
            let &Coordinate { link, axis, stiffness, gear, effort } = coordinate;
            if gear == 0.0 && stiffness == 0.0 {
                continue;
            }
            let joint = &mut multibody.link_mut(link).expect("Every coordinate has a link").joint;
            let torque = gear * effort;
            if stiffness > 0.0 {
                joint.set_spring(axis, stiffness, torque / stiffness);
            } else {
                let carrier = CARRIER * gear.abs();
                joint.set_spring(axis, carrier, joint.coords()[axis] + torque / carrier);
            }
        }
    }

    /// How far hinged links are from their joints, m.
    #[cfg(test)]
    pub fn separation(&self) -> f32 {
        let robot = self.robot();
        robot
            .links()
            .filter(|link| link.joint.data.locked_axes.contains(JointAxesMask::LIN_AXES))
            .filter_map(|link| {
                let parent = &self.bodies[robot.link(link.parent_id()?)?.rigid_body_handle()];
                let joint = parent.position() * link.joint.data.local_frame1.translation;
                Some((self.bodies[link.rigid_body_handle()].translation() - joint).length())
            })
            .fold(0.0, f32::max)
    }

    /// Everything to draw.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.plan.pieces.iter().map(|piece| {
            let place = self.pose(piece.link) * piece.place;
            let first = self.plan.first[piece.link];
            let effort = match self.coordinates.get(first) {
                Some(coordinate) if coordinate.link == piece.link => coordinate.effort,
                _ => 0.0,
            };
            Part {
                shape: piece.shape,
                position: place.translation,
                rotation: place.rotation,
                role: piece.role,
                effort,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rods of 1 m and 1 kg, hinged on each other, without friction.
    fn rods(gears: [f32; 2]) -> World {
        let mut world = World::new(0.005, GRAVITY);
        let mut parent = World::GROUND;
        for (index, gear) in gears.into_iter().enumerate() {
            parent = world.add(Link {
                parent,
                anchor: at(0.0, if index == 0 { 0.0 } else { 1.0 }),
                gear,
                solids: &[Solid::capsule([0.0, 0.0], [0.0, 1.0], 0.02)],
                mass: Some(1.0),
                ..Link::default()
            });
        }
        (*world.finish()).clone()
    }

    /// Moment of inertia of a rod about its center, kg m².
    fn inertia() -> f64 {
        f64::from(Solid::capsule([0.0, 0.0], [0.0, 1.0], 0.02).mass(1.0).principal_inertia().z)
            / f64::from(Solid::capsule([0.0, 0.0], [0.0, 1.0], 0.02).mass(1.0).mass())
    }

    /// Angular accelerations of the rods, by their absolute angles from upright, their speeds and the torques at the hinges.
    fn accelerations([first, second, first_speed, second_speed]: [f64; 4], torques: [f64; 2]) -> [f64; 2] {
        let gravity = f64::from(GRAVITY);
        let own = inertia() + 0.25;
        let (sine, cosine) = (first - second).sin_cos();
        let coupling = 0.5 * cosine;
        let left = own + 1.0;
        let first_force =
            -0.5 * sine * second_speed * second_speed + 1.5 * gravity * first.sin() + torques[0] - torques[1];
        let second_force = 0.5 * sine * first_speed * first_speed + 0.5 * gravity * second.sin() + torques[1];
        let determinant = left * own - coupling * coupling;
        [
            (own * first_force - coupling * second_force) / determinant,
            (left * second_force - coupling * first_force) / determinant,
        ]
    }

    /// Energy of the rods, J.
    fn energy([first, second, first_speed, second_speed]: [f64; 4]) -> f64 {
        let own = inertia() + 0.25;
        0.5 * (own + 1.0) * first_speed * first_speed
            + 0.5 * own * second_speed * second_speed
            + 0.5 * (first - second).cos() * first_speed * second_speed
            + f64::from(GRAVITY) * (1.5 * first.cos() + 0.5 * second.cos())
    }

    /// Absolute angles and speeds of the rods.
    fn state(world: &World) -> [f64; 4] {
        let [first, second] = [0, 1].map(|coordinate| f64::from(world.position(coordinate)));
        let [first_speed, second_speed] = [0, 1].map(|coordinate| f64::from(world.speed(coordinate)));
        [first, first + second, first_speed, first_speed + second_speed]
    }

    #[test]
    fn a_free_double_pendulum_swings_as_it_should() {
        let mut world = rods([0.0; 2]);
        world.place(&[1.2, 0.8], &[0.0; 2]);
        let mut exact = [1.2, 2.0, 0.0, 0.0];
        let start = energy(exact);
        let (mut largest, step) = (0.0f64, 1e-3);
        for _ in 0..200 {
            world.step(1);
            for _ in 0..5 {
                let slope = |state: [f64; 4]| {
                    let [first, second] = accelerations(state, [0.0; 2]);
                    [state[2], state[3], first, second]
                };
                let moved = |slope: [f64; 4], time: f64| {
                    std::array::from_fn(|index| exact[index] + time * slope[index])
                };
                let one = slope(exact);
                let two = slope(moved(one, 0.5 * step));
                let three = slope(moved(two, 0.5 * step));
                let four = slope(moved(three, step));
                exact = std::array::from_fn(|index| {
                    exact[index]
                        + step / 6.0 * (one[index] + 2.0 * two[index] + 2.0 * three[index] + four[index])
                });
            }
            largest = largest.max((state(&world)[1] - exact[1]).abs());
        }
        assert!((energy(exact) - start).abs() < 1e-6, "The formulas are inconsistent");
        assert!(
            (energy(state(&world)) - start).abs() < 0.25,
            "The energy went from {start} to {}",
            energy(state(&world))
        );
        assert!(largest < 0.03, "The angle differs by {largest}");
    }

    #[test]
    fn torques_act_as_they_should() {
        for (start, effort) in
            [([0.3, 1.0], [1.0, 0.0]), ([2.0, -1.5], [0.0, -1.0]), ([-1.0, 0.5], [0.4, 0.7])]
        {
            let mut world = rods([3.0, 2.0]);
            world.place(&start, &[0.0; 2]);
            let expected =
                accelerations(state(&world), [3.0 * f64::from(effort[0]), 2.0 * f64::from(effort[1])]);
            world.drive(&effort);
            world.step(1);
            let [_, _, first, second] = state(&world).map(|number| number / 0.005);
            for (actual, expected) in [first, second].into_iter().zip(expected) {
                assert!(
                    (actual - expected).abs() < 0.01 * expected.abs() + 0.02,
                    "{actual} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_motor_pulls_the_same_everywhere() {
        let mut world = World::new(0.005, 0.0);
        world.add(Link {
            freedom: Freedom::SlideX,
            gear: 10.0,
            solids: &[Solid::Ball { center: Vector::ZERO, radius: 0.1 }],
            mass: Some(2.0),
            ..Link::default()
        });
        let mut world = (*world.finish()).clone();
        world.place(&[-7.0], &[0.0]);
        world.drive(&[0.5]);
        world.step(200);
        assert!((world.speed(0) - 2.5).abs() < 0.02, "{}", world.speed(0));
        assert!((world.position(0) + 5.75).abs() < 0.02, "{}", world.position(0));
    }

    #[test]
    fn speeds_are_set_as_they_should() {
        let mut world = rods([0.0; 2]);
        world.place(&[0.0, 0.0], &[1.0, -1.0]);
        assert!((world.velocity(1) - at(-0.5, 0.0)).length() < 1e-6);
        assert!((world.velocity(2) - at(-1.0, 0.0)).length() < 1e-6);
        assert!((world.point(2, at(0.0, 1.0)) - at(0.0, 2.0)).length() < 1e-6);
        world.step(1);
        assert!((world.velocity(2) - at(-1.0, 0.0)).length() < 0.02);
    }
}

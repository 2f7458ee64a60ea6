use bevy::math::DVec2;
use rand::RngExt;

use crate::random::Random;

/// Seconds of one step.
pub const STEP_SECONDS: f64 = 0.1;
/// Share of its velocity that a body loses in a step.
pub const DAMPING: f64 = 0.25;
/// Force between two bodies, a unit of penetration.
pub const CONTACT_FORCE: f64 = 100.0;
/// Softness of a contact: the distance over which its force sets in.
pub const CONTACT_MARGIN: f64 = 1e-3;
/// Numbers that an agent says at once, at most.
pub const MAX_WORDS: usize = 4;

/// Numbers of a moving agent's action as mpe2 has it: nothing, left, right, down, up.
const MPE2_MOVES: usize = 5;
/// Numbers of a moving agent's action: force along x and y.
const MOVES: usize = 2;

/// A round body of mass 1 in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Center; the field reaches from -1 to 1, but nothing holds a body inside.
    pub position: DVec2,
    /// Velocity, units of length a second.
    pub velocity: DVec2,
    /// Radius.
    pub size: f64,
    /// Whether forces move it.
    pub movable: bool,
    /// Whether it pushes and is pushed by other bodies that collide.
    pub collides: bool,
    /// Speed that it never exceeds; `None` is no limit.
    pub max_speed: Option<f64>,
    /// Force of an action of 1.
    pub acceleration: f64,
}

impl Body {
    /// An agent's body: movable, colliding, without a limit to its speed, with a force of 5 at full action.
    pub fn agent(size: f64) -> Self {
        Self {
            position: DVec2::ZERO,
            velocity: DVec2::ZERO,
            size,
            movable: true,
            collides: true,
            max_speed: None,
            acceleration: 5.0,
        }
    }

    /// A landmark: neither moved nor in the way.
    pub fn landmark(size: f64) -> Self {
        Self { movable: false, collides: false, acceleration: 0.0, ..Self::agent(size) }
    }

    /// Whether the two bodies cover a common point.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.position.distance(other.position) < self.size + other.size
    }
}

/// What an agent can say and has said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Voice {
    words: usize,
    said: [f64; MAX_WORDS],
}

impl Voice {
    /// The voice of an agent that says `words` numbers a step, at most [`MAX_WORDS`]; 0 is mute.
    pub fn new(words: usize) -> Self {
        assert!(words <= MAX_WORDS, "an agent says at most {MAX_WORDS} numbers, found {words}");
        Self { words, said: [0.0; MAX_WORDS] }
    }

    /// The numbers last said, each in 0 to 1; zeros before the first step.
    pub fn said(&self) -> &[f64] {
        &self.said[..self.words]
    }

    fn say(&mut self, words: impl Iterator<Item = f64>) {
        self.said.iter_mut().zip(words).for_each(|(said, word)| *said = word);
    }
}

/// A plane with agents and landmarks, moved on in steps of [`STEP_SECONDS`].
///
/// The physics of mpe2 1.1.1 (`_mpe_utils/core.py`), in the same precision: contacts are stiff.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticleWorld {
    /// The landmark that the agents are after, where the scenario has one.
    pub goal: usize,
    /// The landmark whose sign is the key, where the scenario has one.
    pub key: usize,
    /// The agents first, then the landmarks.
    bodies: Vec<Body>,
    /// One an agent.
    voices: Vec<Voice>,
    /// Force on each body in the step to come.
    forces: Vec<DVec2>,
}

impl ParticleWorld {
    /// A world with these agents, by slot, and landmarks; all of them lie at the origin.
    pub fn new(
        agents: impl IntoIterator<Item = (Body, Voice)>,
        landmarks: impl IntoIterator<Item = Body>,
    ) -> Self {
        let (mut bodies, voices): (Vec<_>, Vec<_>) = agents.into_iter().unzip();
        bodies.extend(landmarks);
        Self { goal: 0, key: 0, forces: vec![DVec2::ZERO; bodies.len()], bodies, voices }
    }

    /// The agents' bodies, by slot.
    pub fn agents(&self) -> &[Body] {
        &self.bodies[..self.voices.len()]
    }

    /// The agents' bodies, by slot.
    pub fn agents_mut(&mut self) -> &mut [Body] {
        &mut self.bodies[..self.voices.len()]
    }

    /// The landmarks.
    pub fn landmarks(&self) -> &[Body] {
        &self.bodies[self.voices.len()..]
    }

    /// The landmarks.
    pub fn landmarks_mut(&mut self) -> &mut [Body] {
        &mut self.bodies[self.voices.len()..]
    }

    /// The agents' voices, by slot.
    pub fn voices(&self) -> &[Voice] {
        &self.voices
    }

    /// The landmark with the index [`goal`](Self::goal).
    pub fn goal_landmark(&self) -> &Body {
        &self.landmarks()[self.goal]
    }

    /// Distance of an agent from the goal.
    pub fn goal_distance(&self, slot: usize) -> f64 {
        self.agents()[slot].position.distance(self.goal_landmark().position)
    }

    /// Sets up a new episode: agents at rest, silent, anywhere from -1 to 1; landmarks within plus and minus
    /// `landmarks_within`.
    pub fn scatter(&mut self, landmarks_within: f64, random: &mut Random) {
        let agents = self.voices.len();
        for (index, body) in self.bodies.iter_mut().enumerate() {
            let within = if index < agents { 1.0 } else { landmarks_within };
            body.position.x = random.random_range(-within..within);
            body.position.y = random.random_range(-within..within);
            body.velocity = DVec2::ZERO;
        }
        self.voices.iter_mut().for_each(|voice| voice.said.fill(0.0));
        self.forces.fill(DVec2::ZERO);
    }

    /// Takes the action of the agent at `slot` for the step to come: if it is movable 2 numbers in -1 to 1, its force
    /// along x and y; then as many as it says, -1 to 1 for 0 to 1.
    ///
    /// # Panics
    /// If the action has another length.
    pub fn act(&mut self, slot: usize, action: &[f32]) {
        let (moves, words) = self.split(slot, action, MOVES);
        if let [x, y] = *moves {
            self.push(slot, [x.clamp(-1.0, 1.0), y.clamp(-1.0, 1.0)]);
        }
        self.voices[slot].say(words.iter().map(|word| (f64::from(word.clamp(-1.0, 1.0)) + 1.0) / 2.0));
    }

    /// Like [`act`](Self::act) with the continuous action that mpe2 takes, each number in 0 to 1: if the agent is
    /// movable 5 numbers (nothing, left, right, down, up), then as many as it says.
    ///
    /// # Panics
    /// If the action has another length.
    pub fn act_as_mpe2(&mut self, slot: usize, action: &[f32]) {
        let (moves, words) = self.split(slot, action, MPE2_MOVES);
        if let [_, left, right, down, up] = *moves {
            let [left, right, down, up] = [left, right, down, up].map(|number| number.clamp(0.0, 1.0));
            self.push(slot, [right - left, up - down]);
        }
        self.voices[slot].say(words.iter().map(|word| f64::from(word.clamp(0.0, 1.0))));
    }

    /// The part of an action that moves and the part that speaks.
    fn split<'a>(&self, slot: usize, action: &'a [f32], moves: usize) -> (&'a [f32], &'a [f32]) {
        let moves = if self.agents()[slot].movable { moves } else { 0 };
        assert_eq!(action.len(), moves + self.voices[slot].words, "numbers in the action of slot {slot}");
        action.split_at(moves)
    }

    fn push(&mut self, slot: usize, [x, y]: [f32; 2]) {
        self.forces[slot] = DVec2::new(f64::from(x), f64::from(y)) * self.bodies[slot].acceleration;
    }

    /// Moves the world on by [`STEP_SECONDS`] under the actions taken since the last step.
    pub fn step(&mut self) {
        self.add_contact_forces();
        for (body, force) in self.bodies.iter_mut().zip(&mut self.forces) {
            let force = std::mem::take(force);
            if !body.movable {
                continue;
            }
            body.position += body.velocity * STEP_SECONDS;
            body.velocity = body.velocity * (1.0 - DAMPING) + force * STEP_SECONDS;
            let speed = body.velocity.length();
            if let Some(limit) = body.max_speed.filter(|limit| speed > *limit) {
                body.velocity = body.velocity / speed * limit;
            }
        }
    }

    /// A soft wall around each body: the force is linear in the penetration, whose corner is rounded off.
    fn add_contact_forces(&mut self) {
        for (first, a) in self.bodies.iter().enumerate() {
            for (second, b) in self.bodies.iter().enumerate().skip(first + 1) {
                let distance = a.position.distance(b.position);
                // Bodies at the same point push in no direction.
                if !(a.collides && b.collides && (a.movable || b.movable)) || distance == 0.0 {
                    continue;
                }
                let overlap = (a.size + b.size - distance) / CONTACT_MARGIN;
                let penetration =
                    CONTACT_MARGIN * (overlap.max(0.0) + libm::log1p(libm::exp(-overlap.abs())));
                let force = (a.position - b.position) / distance * (CONTACT_FORCE * penetration);
                self.forces[first] += force;
                self.forces[second] -= force;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(agents: impl IntoIterator<Item = Body>) -> ParticleWorld {
        ParticleWorld::new(agents.into_iter().map(|body| (body, Voice::default())), [])
    }

    #[test]
    fn a_full_action_accelerates_by_5_and_the_position_follows_a_step_later() {
        let mut world = world([Body::agent(0.1)]);
        world.act(0, &[1.0, -0.5]);
        world.step();
        assert_eq!(world.agents()[0].position, DVec2::ZERO);
        assert_eq!(world.agents()[0].velocity, DVec2::new(0.5, -0.25));
        world.step();
        assert_eq!(world.agents()[0].position, DVec2::new(0.05, -0.025), "the action counts for one step");
        assert_eq!(world.agents()[0].velocity, DVec2::new(0.375, -0.1875));
    }

    #[test]
    fn both_forms_of_an_action_do_and_say_the_same() {
        let agent = || (Body::agent(0.1), Voice::new(2));
        let (mut ours, mut theirs) = (ParticleWorld::new([agent()], []), ParticleWorld::new([agent()], []));
        ours.act(0, &[0.5, -0.25, -1.0, 0.5]);
        theirs.act_as_mpe2(0, &[0.9, 0.25, 0.75, 0.5, 0.25, 0.0, 0.75]);
        assert_eq!(ours, theirs);
        assert_eq!(ours.voices()[0].said(), [0.0, 0.75]);
    }

    #[test]
    fn overlapping_bodies_push_each_other_apart_and_landmarks_stand() {
        let mut bodies = [Body::agent(0.1), Body::agent(0.1)];
        bodies[1].position.x = 0.1;
        let mut two = world(bodies.clone());
        two.step();
        let velocities = [two.agents()[0].velocity.x, two.agents()[1].velocity.x];
        assert!((velocities[0] + 1.0).abs() < 1e-9 && velocities[0] == -velocities[1], "{velocities:?}");

        bodies[1].movable = false;
        let mut one = world(bodies);
        one.step();
        assert_eq!(one.agents()[0].velocity.x, velocities[0]);
        assert_eq!(one.agents()[1].velocity, DVec2::ZERO);
    }

    #[test]
    fn speed_is_limited_in_every_direction() {
        let mut world = world([Body { max_speed: Some(0.3), ..Body::agent(0.1) }]);
        world.act(0, &[1.0, 1.0]);
        world.step();
        assert!((world.agents()[0].velocity.length() - 0.3).abs() < 1e-12);
    }
}

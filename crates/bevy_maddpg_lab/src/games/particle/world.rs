use bevy::math::DVec2;
use rand::RngExt;

use bevy_maddpg::random::Random;

/// Seconds of one step.
pub const STEP_SECONDS: f64 = 0.1;
/// Share of its velocity that a body loses per step.
pub const DAMPING: f64 = 0.25;
/// Force between two bodies per unit of penetration.
pub const CONTACT_FORCE: f64 = 100.0;
/// Softness of a contact: the distance over which its force builds up.
pub const CONTACT_MARGIN: f64 = 1e-3;
/// Maximum number of words, one number each, that an agent says per step.
pub const MAX_WORDS: usize = 4;

/// Numbers by which an agent moves in mpe2: nothing, left, right, down, up.
const MPE2_MOVES: usize = 5;
/// Numbers by which an agent moves here: force along x and y.
const MOVES: usize = 2;

/// A round body of mass 1 in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Center. The field spans -1 to 1 along x and y, but bodies can leave it.
    pub position: DVec2,
    /// Velocity, units of length per second.
    pub velocity: DVec2,
    /// Radius.
    pub size: f64,
    /// Whether forces move it.
    pub movable: bool,
    /// Whether it pushes, and is pushed by, other bodies that collide.
    pub collides: bool,
    /// Maximum speed; `None` means no limit.
    pub max_speed: Option<f64>,
    /// Force at an action of 1.
    pub acceleration: f64,
}

impl Body {
    /// An agent's body: it moves and collides, has no speed limit, and a force of 5 at full action.
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

    /// A landmark: it neither moves nor collides.
    pub fn landmark(size: f64) -> Self {
        Self { movable: false, collides: false, acceleration: 0.0, ..Self::agent(size) }
    }

    /// Whether the two bodies overlap.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.position.distance(other.position) < self.size + other.size
    }
}

/// How many words an agent says per step, and what it said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Voice {
    words: usize,
    said: [f64; MAX_WORDS],
}

impl Voice {
    /// The voice of an agent that says `words` numbers per step; 0 means mute.
    ///
    /// # Panics
    /// If `words` is more than [`MAX_WORDS`].
    pub fn new(words: usize) -> Self {
        assert!(words <= MAX_WORDS, "an agent says at most {MAX_WORDS} numbers, found {words}");
        Self { words, said: [0.0; MAX_WORDS] }
    }

    /// The numbers said last, each 0 to 1; zeros before the first step.
    pub fn said(&self) -> &[f64] {
        &self.said[..self.words]
    }

    fn say(&mut self, words: impl Iterator<Item = f64>) {
        self.said.iter_mut().zip(words).for_each(|(said, word)| *said = word);
    }
}

/// A plane with agents and landmarks, advanced in steps of [`STEP_SECONDS`].
///
/// The physics of mpe2 1.1.1 (`_mpe_utils/core.py`), in the same precision, because contacts are stiff.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticleWorld {
    /// Index of the goal among the landmarks, in scenarios that have one. In `simple_crypto` it stands for the message.
    pub goal: usize,
    /// Index of the landmark that stands for the key, in `simple_crypto`.
    pub key: usize,
    /// The agents first, then the landmarks.
    bodies: Vec<Body>,
    /// One per agent.
    voices: Vec<Voice>,
    /// Force on each body in the next step.
    forces: Vec<DVec2>,
}

impl ParticleWorld {
    /// A world with these agents, by slot, and landmarks, all at the origin.
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

    /// Distance of the agent at `slot` to the goal.
    pub fn goal_distance(&self, slot: usize) -> f64 {
        self.agents()[slot].position.distance(self.goal_landmark().position)
    }

    /// Sets up a new episode. All bodies are at rest and all agents silent, at random positions: agents within -1 to 1
    /// along x and y, landmarks within plus or minus `landmarks_within`.
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

    /// Sets the action of the agent at `slot` for the next step: if it is movable, 2 numbers in -1 to 1, its force
    /// along x and y; then one number per word, -1 to 1, which is mapped to 0 to 1.
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

    /// Like [`act`](Self::act), but with the continuous action of mpe2, each number in 0 to 1: if the agent is movable,
    /// 5 numbers (nothing, left, right, down, up), then one number per word.
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

    /// Splits an action into the part that moves and the part that speaks.
    fn split<'a>(&self, slot: usize, action: &'a [f32], moves: usize) -> (&'a [f32], &'a [f32]) {
        let moves = if self.agents()[slot].movable { moves } else { 0 };
        assert_eq!(action.len(), moves + self.voices[slot].words, "wrong action length for slot {slot}");
        action.split_at(moves)
    }

    fn push(&mut self, slot: usize, [x, y]: [f32; 2]) {
        self.forces[slot] = DVec2::new(f64::from(x), f64::from(y)) * self.bodies[slot].acceleration;
    }

    /// Advances the world by [`STEP_SECONDS`] under the actions set since the last step.
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

    /// Adds the forces between colliding bodies: linear in the penetration, with a smooth onset (softplus).
    fn add_contact_forces(&mut self) {
        for (first, a) in self.bodies.iter().enumerate() {
            for (second, b) in self.bodies.iter().enumerate().skip(first + 1) {
                let distance = a.position.distance(b.position);
                // Bodies at the same point do not push: the direction is undefined.
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

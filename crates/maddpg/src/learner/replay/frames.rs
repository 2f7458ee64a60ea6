use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    ops::Range,
};

use crate::policy::ArenaSpec;

/// The frames of the images in a replay buffer. Most of them belong to several transitions, because policies see several frames at
/// once and because each observation follows another. Each is stored once, with 8 bits per number.
#[derive(Debug, Clone)]
pub(in crate::learner) struct FrameStore {
    /// Numbers in a frame.
    size: usize,
    pixels: Vec<u8>,
    /// How many places in the replay buffer use each frame; 0 if the frame can be overwritten.
    uses: Vec<u32>,
    unused: Vec<u32>,
    by_hash: HashMap<u64, Vec<u32>>,
    /// The frame that is being added.
    added: Vec<u8>,
}

/// Frames in a store are numbered up to this, so that an `f32` holds their numbers exactly.
pub(in crate::learner) const MOST_FRAMES: usize = 1 << 24;

impl FrameStore {
    fn new(size: usize) -> Self {
        Self {
            size,
            pixels: Vec::new(),
            uses: Vec::new(),
            unused: Vec::new(),
            by_hash: HashMap::new(),
            added: Vec::new(),
        }
    }

    fn frame(&self, number: u32) -> &[u8] {
        &self.pixels[number as usize * self.size..][..self.size]
    }

    /// Stores a frame, unless it is there already, and returns its number.
    fn add(&mut self, frame: &[f32]) -> f32 {
        self.added.clear();
        self.added.extend(frame.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8));
        let hash = hash(&self.added);
        let mut known = self.by_hash.get(&hash).into_iter().flatten().copied();
        let known = known.find(|number| self.frame(*number) == self.added);
        let number = known.unwrap_or_else(|| {
            let number = self.unused.pop().unwrap_or(self.uses.len() as u32);
            if number as usize == self.uses.len() {
                self.pixels.extend_from_slice(&self.added);
                self.uses.push(0);
            } else {
                let start = number as usize * self.size;
                self.pixels[start..start + self.size].copy_from_slice(&self.added);
            }
            self.by_hash.entry(hash).or_default().push(number);
            number
        });
        self.uses[number as usize] += 1;
        number as f32
    }

    /// Notes that one place less uses the frame.
    fn release(&mut self, number: f32) {
        let number = number as u32;
        self.uses[number as usize] -= 1;
        if self.uses[number as usize] == 0 {
            let hash = hash(self.frame(number));
            if let Some(numbers) = self.by_hash.get_mut(&hash) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.by_hash.remove(&hash);
                }
            }
            self.unused.push(number);
        }
    }

    /// Appends the numbers of a frame.
    fn read(&self, number: f32, out: &mut Vec<f32>) {
        out.extend(self.frame(number as u32).iter().map(|pixel| f32::from(*pixel) / 255.0));
    }
}

fn hash(frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(frame);
    hasher.finish()
}

/// How joint observations with images are stored: a number stands for each frame.
#[derive(Debug, Clone)]
pub(in crate::learner) struct StoredImages {
    parts: Vec<Part>,
    /// One store for each size of frames.
    stores: Vec<FrameStore>,
}

/// A part of the joint observation.
#[derive(Debug, Clone)]
struct Part {
    /// Where it is in the joint observation.
    range: Range<usize>,
    /// Where it starts in the stored observation.
    place: usize,
    /// The index of its store, if it is a frame. Other numbers are stored as they are.
    store: Option<usize>,
}

impl Part {
    /// Where it is in the stored observation.
    fn stored(&self) -> Range<usize> {
        let size = if self.store.is_some() { 1 } else { self.range.len() };
        self.place..self.place + size
    }
}

impl StoredImages {
    /// For arenas of `spec`; `None` if no agent observes an image.
    pub(in crate::learner) fn of(spec: &ArenaSpec) -> Option<Self> {
        let (mut parts, mut stores): (Vec<Part>, Vec<FrameStore>) = (Vec::new(), Vec::new());
        let mut add = |range: Range<usize>, store: Option<usize>| {
            let place = parts.last().map_or(0, |part| part.stored().end);
            if !range.is_empty() {
                parts.push(Part { range, place, store });
            }
        };
        for (slot, agent) in spec.slots.iter().enumerate() {
            let offset = spec.observation_offset(slot);
            let mut start = offset;
            for pixels in agent.image.iter().flat_map(|image| image.pixels(agent.observation_size)) {
                add(start..offset + pixels.start, None);
                start = offset + pixels.end;
                let store = stores.iter().position(|store| store.size == pixels.len());
                let store = store.unwrap_or_else(|| {
                    stores.push(FrameStore::new(pixels.len()));
                    stores.len() - 1
                });
                add(offset + pixels.start..start, Some(store));
            }
            add(start..offset + agent.observation_size, None);
        }
        (!stores.is_empty()).then_some(Self { parts, stores })
    }

    /// How many numbers a joint observation has as it is stored.
    pub(in crate::learner) fn stored_size(&self) -> usize {
        self.parts.last().map_or(0, |part| part.stored().end)
    }

    /// Bytes of the frames that each further transition adds: the newest frame of each image, and what the store keeps about
    /// that frame.
    pub(in crate::learner) fn bytes_per_transition(spec: &ArenaSpec) -> usize {
        /// Bytes for a counter, an entry in the table of hashes, and the list in that entry.
        const BOOKKEEPING: usize = 64;
        let images = spec.slots.iter().filter_map(|agent| agent.image);
        images.map(|image| image.frame_size() + BOOKKEEPING).sum()
    }

    /// Stores the frames of a joint observation, and writes the observation in its stored form to `stored`.
    pub(super) fn add(&mut self, observation: &[f32], stored: &mut [f32]) {
        for part in &self.parts {
            let numbers = &observation[part.range.clone()];
            match part.store {
                None => stored[part.stored()].copy_from_slice(numbers),
                Some(store) => stored[part.place] = self.stores[store].add(numbers),
            }
        }
    }

    /// Releases the frames of an observation, which is given in its stored form.
    pub(super) fn release(&mut self, stored: &[f32]) {
        for part in &self.parts {
            if let Some(store) = part.store {
                self.stores[store].release(stored[part.place]);
            }
        }
    }

    /// Appends the joint observation that has the stored form `stored`.
    pub(super) fn read(&self, stored: &[f32], out: &mut Vec<f32>) {
        for part in &self.parts {
            match part.store {
                None => out.extend_from_slice(&stored[part.stored()]),
                Some(store) => self.stores[store].read(stored[part.place], out),
            }
        }
    }

    /// The frames of each store, one after another.
    pub(in crate::learner) fn pixels(&self) -> impl Iterator<Item = &[u8]> {
        self.stores.iter().map(|store| &store.pixels[..])
    }

    /// Number of stores.
    pub(in crate::learner) fn stores(&self) -> usize {
        self.stores.len()
    }

    /// Replaces the frames by those that [`pixels`](Self::pixels) returned. `stored` contains all observations in their
    /// stored form.
    pub(super) fn restore<'a>(
        &mut self,
        pixels: Vec<Vec<u8>>,
        stored: impl Iterator<Item = &'a [f32]>,
    ) -> Result<(), String> {
        for (store, pixels) in self.stores.iter_mut().zip(pixels) {
            let (found, size) = (pixels.len(), store.size);
            if !found.is_multiple_of(size) || found / size > MOST_FRAMES {
                return Err(format!(
                    "its frames have {found} bytes, expected at most {MOST_FRAMES} frames of {size}"
                ));
            }
            *store = FrameStore { pixels, uses: vec![0; found / size], ..FrameStore::new(size) };
        }
        for stored in stored {
            for part in &self.parts {
                let Some(store) = part.store else { continue };
                let (uses, number) = (&mut self.stores[store].uses, stored[part.place]);
                if !(number >= 0.0 && number.fract() == 0.0 && (number as usize) < uses.len()) {
                    let frames = uses.len();
                    return Err(format!("it names the frame {number} of {frames} frames"));
                }
                uses[number as usize] += 1;
            }
        }
        for store in &mut self.stores {
            for number in (0..store.uses.len() as u32).rev() {
                if store.uses[number as usize] == 0 {
                    store.unused.push(number);
                } else {
                    let hash = hash(store.frame(number));
                    store.by_hash.entry(hash).or_default().push(number);
                }
            }
        }
        Ok(())
    }
}

use std::sync::Arc;

use bevy::prelude::*;

use crate::policy::{LatestPolicy, PolicySnapshot, Scratch};

/// The policies in use. They can be replaced at any time; actions that were already decided stay.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// /// From the next decision on, the guards use another policy.
/// fn raise_difficulty(mut acting: ResMut<ActingPolicy>) -> Result {
///     acting.set(PolicySnapshot::load("guard-hard.safetensors")?);
///     Ok(())
/// }
/// # let mut app = App::new();
/// # app.add_systems(Update, raise_difficulty);
/// ```
#[derive(Resource, Debug, Default)]
pub struct ActingPolicy {
    latest: Option<LatestPolicy>,
    current: Option<Arc<PolicySnapshot>>,
    pub(super) scratch: Scratch,
    swaps: u64,
}

impl ActingPolicy {
    /// Makes the agents use this snapshot from the next decision on.
    pub fn set(&mut self, snapshot: PolicySnapshot) {
        self.follow(LatestPolicy::new(snapshot));
    }

    /// Makes the agents use the newest snapshot that a learner publishes, from the next decision on.
    pub fn follow(&mut self, latest: LatestPolicy) {
        self.current = Some(latest.load());
        self.latest = Some(latest);
        self.swaps += 1;
    }

    /// The snapshot in use. `None` until one is set or the first arena starts.
    pub fn snapshot(&self) -> Option<&Arc<PolicySnapshot>> {
        self.current.as_ref()
    }

    /// How often the snapshot in use was replaced.
    pub fn swaps(&self) -> u64 {
        self.swaps
    }

    /// Takes the newest snapshot.
    fn refresh(&mut self) {
        let (Some(latest), Some(current)) = (&self.latest, &self.current) else {
            return;
        };
        let newest = latest.load();
        if !Arc::ptr_eq(current, &newest) {
            self.current = Some(newest);
            self.swaps += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_none()
    }

    /// The snapshot in use, and memory for its forward pass.
    pub(super) fn parts(&mut self) -> (Option<Arc<PolicySnapshot>>, &mut Scratch) {
        (self.current.clone(), &mut self.scratch)
    }
}

/// Takes the newest snapshot for the decision that follows.
pub(super) fn swap(mut acting: ResMut<ActingPolicy>) {
    acting.refresh();
}

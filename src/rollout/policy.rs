use std::sync::Arc;

use bevy::prelude::*;

use crate::policy::{LatestPolicy, PolicySnapshot, Scratch};

/// The policy that acts. It can be replaced at any time; actions that were already decided stay.
///
/// ```no_run
/// use bevy::prelude::*;
/// use bevy_maddpg::prelude::*;
///
/// /// From now on, the guards act by another policy.
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
    /// Lets the agents act by this policy from the next decision on.
    pub fn set(&mut self, snapshot: PolicySnapshot) {
        self.follow(LatestPolicy::new(snapshot));
    }

    /// Lets the agents act by the newest policy that a learner publishes, from the next decision on.
    pub fn follow(&mut self, latest: LatestPolicy) {
        self.current = Some(latest.load());
        self.latest = Some(latest);
        self.swaps += 1;
    }

    /// The policy that made the last decision; `None` before the first arena.
    pub fn snapshot(&self) -> Option<&Arc<PolicySnapshot>> {
        self.current.as_ref()
    }

    /// How often the acting policy was replaced.
    pub fn swaps(&self) -> u64 {
        self.swaps
    }

    /// Takes the newest policy.
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

    /// The acting policy, and memory for its forward pass.
    pub(super) fn parts(&mut self) -> Option<(Arc<PolicySnapshot>, &mut Scratch)> {
        Some((self.current.clone()?, &mut self.scratch))
    }
}

/// Takes the newest policy for the decision that follows.
pub(super) fn swap(mut acting: ResMut<ActingPolicy>) {
    acting.refresh();
}

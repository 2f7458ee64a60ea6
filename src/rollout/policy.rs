use std::{sync::Arc, time::Duration};

use bevy::prelude::*;

use super::RolloutError;
use crate::policy::{ArenaSpec, PolicySlot, PolicySnapshot, Scratch};

/// The policy that acts. Swap it at any time; decisions already made stand.
#[derive(Resource, Debug, Default)]
pub struct ActingPolicy {
    slot: Option<PolicySlot>,
    current: Option<Arc<PolicySnapshot>>,
    pub(super) scratch: Scratch,
    swaps: u64,
    pub(super) waits: WaitTimes,
}

/// How long the game thread spent on the learner's account at each of the last decisions.
#[derive(Debug, Default)]
pub(super) struct WaitTimes {
    seconds: Vec<f32>,
    next: usize,
}

/// Decisions over which [`ActingPolicy::wait_percentile`] looks back.
const WAITS: usize = 4096;

impl WaitTimes {
    fn push(&mut self, wait: Duration) {
        let wait = wait.as_secs_f32();
        if self.seconds.len() < WAITS {
            self.seconds.reserve_exact(WAITS - self.seconds.len());
            self.seconds.push(wait);
        } else {
            self.seconds[self.next] = wait;
            self.next = (self.next + 1) % WAITS;
        }
    }
}

impl ActingPolicy {
    /// Acts with this policy from the next decision on.
    pub fn set(&mut self, snapshot: PolicySnapshot) {
        self.follow(PolicySlot::new(snapshot));
    }

    /// Acts with the newest policy of a slot from the next decision on, as a learner publishes them.
    pub fn follow(&mut self, slot: PolicySlot) {
        self.current = Some(slot.load());
        self.slot = Some(slot);
        self.swaps += 1;
    }

    /// The policy that made the last decision; `None` before the first arena.
    pub fn snapshot(&self) -> Option<&Arc<PolicySnapshot>> {
        self.current.as_ref()
    }

    /// How often the acting policy was replaced by a newer one.
    pub fn swaps(&self) -> u64 {
        self.swaps
    }

    /// The time below which `share` (0 to 1) of the last 4,096 decisions spent on the learner's account: handing over
    /// transitions and swapping the policy. `None` before the first decision with a learner.
    pub fn wait_percentile(&self, share: f32) -> Option<Duration> {
        let mut seconds = self.waits.seconds.clone();
        seconds.sort_unstable_by(f32::total_cmp);
        let index = ((seconds.len() as f32 * share) as usize).min(seconds.len().checked_sub(1)?);
        Some(Duration::from_secs_f32(seconds[index]))
    }

    /// Notes what one decision's hand-over and swap took.
    pub(crate) fn note_wait(&mut self, wait: Duration) {
        self.waits.push(wait);
    }

    /// Takes the newest policy of the slot.
    fn refresh(&mut self) {
        let (Some(slot), Some(current)) = (&self.slot, &self.current) else {
            return;
        };
        let newest = slot.load();
        if !Arc::ptr_eq(current, &newest) {
            self.current = Some(newest);
            self.swaps += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slot.is_none()
    }

    /// The acting policy and memory for its forward pass.
    pub(super) fn parts(&mut self) -> Option<(Arc<PolicySnapshot>, &mut Scratch)> {
        Some((self.current.clone()?, &mut self.scratch))
    }

    pub(super) fn check(&self, spec: &ArenaSpec) -> Result<(), RolloutError> {
        match &self.current {
            Some(snapshot) if snapshot.spec() != *spec => {
                Err(RolloutError::OtherAgents { policy: snapshot.spec().slots, arenas: spec.slots.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Takes the newest policy for the decision that follows.
pub(super) fn swap(mut acting: ResMut<ActingPolicy>) {
    acting.refresh();
}

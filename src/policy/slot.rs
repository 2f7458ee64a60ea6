use std::sync::Arc;

use arc_swap::ArcSwap;

use super::PolicySnapshot;

/// Where the newest [`PolicySnapshot`] is to be had. The learner stores, the game reads; neither waits.
#[derive(Debug, Clone)]
pub struct PolicySlot(Arc<ArcSwap<PolicySnapshot>>);

impl PolicySlot {
    /// A slot that holds `snapshot` until another is published.
    pub fn new(snapshot: PolicySnapshot) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(snapshot)))
    }

    /// Replaces the snapshot. Readers that hold the old one keep it, whole.
    pub fn publish(&self, snapshot: PolicySnapshot) {
        self.0.store(Arc::new(snapshot));
    }

    /// The newest snapshot.
    pub fn load(&self) -> Arc<PolicySnapshot> {
        self.0.load_full()
    }
}

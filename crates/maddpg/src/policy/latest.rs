use std::sync::Arc;

use arc_swap::ArcSwap;

use super::PolicySnapshot;

/// The newest [`PolicySnapshot`], shared between a learner that publishes it and a game that reads it. Neither of them
/// waits for the other.
#[derive(Debug, Clone)]
pub struct LatestPolicy(Arc<ArcSwap<PolicySnapshot>>);

impl LatestPolicy {
    /// Shares `snapshot` as the first one.
    pub fn new(snapshot: impl Into<Arc<PolicySnapshot>>) -> Self {
        Self(Arc::new(ArcSwap::new(snapshot.into())))
    }

    /// Replaces the snapshot. Readers that still hold the old one keep it unchanged.
    pub fn publish(&self, snapshot: PolicySnapshot) {
        self.0.store(Arc::new(snapshot));
    }

    /// The newest snapshot.
    pub fn load(&self) -> Arc<PolicySnapshot> {
        self.0.load_full()
    }
}

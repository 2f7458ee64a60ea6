//! A policy file from a stranger is refused, or acts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use maddpg::policy::{PolicySnapshot, Scratch};

fuzz_target!(|content: &[u8]| {
    let Ok(snapshot) = PolicySnapshot::from_bytes(content) else { return };
    for policy in snapshot.policies() {
        let agent = &policy.group().agent;
        let mut action = vec![0.0; agent.action_size()];
        policy.act(&vec![0.5; agent.observation_size], &[], &mut action, 1, &mut Scratch::default());
    }
});

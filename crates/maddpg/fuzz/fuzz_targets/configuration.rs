//! A configuration from a stranger is refused, or the same after it was written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use maddpg::learner::{Preset, TrainingConfig};

fuzz_target!(|text: &str| {
    let Ok(config) = TrainingConfig::from_toml(Preset::default(), text) else { return };
    config.check().expect("what was accepted passes the check");
    let written = config.to_toml().expect("a valid configuration can be written");
    assert_eq!(TrainingConfig::from_toml(Preset::default(), &written).expect("what was written can be read"), config);
});

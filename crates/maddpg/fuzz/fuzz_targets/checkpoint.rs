//! A checkpoint from a stranger is refused, or the learner goes on.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use maddpg::{
    learner::{Device, Learner},
    policy::ArenaSpec,
};

static SPEC: LazyLock<ArenaSpec> = LazyLock::new(maddpg_fuzz::spec);
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("maddpg-fuzz-{}", std::process::id())));

fuzz_target!(|content: &[u8]| {
    fs::write(&*FILE, content).expect("the folder for temporary files can be written");
    let Ok(mut learner) = Learner::load(&FILE, &SPEC, Device::cpu()) else { return };
    if !learner.replay().is_empty() && learner.config().batch_size <= 1_000 {
        // An error says that training diverged.
        let _ = learner.update(true);
    }
    let _ = learner.snapshot();
});

//! Writes the files that the fuzz targets begin with: `corpus/TARGET/...` in the working folder.

use std::{error::Error, fs, path::Path};

use maddpg::learner::Preset;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = |target: &str| Path::new("corpus").join(target);
    for target in ["policy", "checkpoint", "configuration"] {
        fs::create_dir_all(folder(target))?;
    }
    let learner = maddpg_fuzz::learner();
    learner.snapshot()?.save(folder("policy").join("small"))?;
    learner.save(&folder("checkpoint").join("small"), false)?;
    learner.save(&folder("checkpoint").join("with-replay"), true)?;
    for preset in Preset::ALL {
        fs::write(folder("configuration").join(preset.to_string()), preset.config().to_toml()?)?;
    }
    Ok(())
}

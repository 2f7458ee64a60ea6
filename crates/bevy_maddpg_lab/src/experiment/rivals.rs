//! The past policies of self-play, which are kept in the run's folder, so that a resumed run goes on with them.

use std::path::PathBuf;

use bevy::prelude::*;
use bevy_maddpg::self_play::{PastPolicies, SelfPlay};

use super::{ExperimentError, eprintln_line};

/// Keeps the past policies in `folder`. If the run is resumed after `resumed` joint decisions, goes on with those taken until then. Does
/// nothing for games without self-play.
pub(super) fn add(app: &mut App, folder: PathBuf, resumed: Option<u64>) -> Result<(), ExperimentError> {
    let Some(mut play) = app.world_mut().get_resource_mut::<SelfPlay>() else { return Ok(()) };
    let mut past = PastPolicies::new(folder);
    past.load(&mut play, resumed.unwrap_or(0))?;
    app.add_systems(Last, move |play: Res<SelfPlay>| {
        if play.is_changed()
            && past.is_stale(play.pool())
            && let Err(error) = past.save(play.pool())
        {
            eprintln_line(&error.to_string());
        }
    });
    Ok(())
}

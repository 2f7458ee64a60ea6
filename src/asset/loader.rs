use std::sync::Arc;

use bevy::{
    asset::{AssetLoader, LoadContext, io::Reader},
    prelude::*,
};

use crate::policy::{PolicyError, PolicySnapshot};

/// The policies in one file.
#[derive(Asset, TypePath, Debug, Clone)]
pub struct PolicyAsset(Arc<PolicySnapshot>);

impl PolicyAsset {
    /// Makes an asset of these policies. Use it to add policies to [`Assets`] that do not come from a file.
    pub fn new(snapshot: impl Into<Arc<PolicySnapshot>>) -> Self {
        Self(snapshot.into())
    }

    /// The policies.
    pub fn snapshot(&self) -> &Arc<PolicySnapshot> {
        &self.0
    }
}

/// Loads policy files, which end in `.safetensors`.
#[derive(TypePath, Debug, Default)]
pub struct PolicyLoader;

/// A policy file that cannot be loaded as an asset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLoadError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is damaged or is not a policy file.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl AssetLoader for PolicyLoader {
    type Asset = PolicyAsset;
    type Settings = ();
    type Error = PolicyLoadError;

    async fn load(
        &self,
        reader: &mut dyn Reader,
        _: &(),
        _: &mut LoadContext<'_>,
    ) -> Result<PolicyAsset, PolicyLoadError> {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).await?;
        Ok(PolicyAsset::new(PolicySnapshot::from_bytes(&content)?))
    }

    fn extensions(&self) -> &[&str] {
        &["safetensors"]
    }
}

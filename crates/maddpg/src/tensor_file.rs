//! Files of named `f32` tensors with a checksum: the container format of policies and checkpoints.
//!
//! Such a file is a `.safetensors` file with one metadata entry, `bevy_maddpg`: JSON with the name of the format, a
//! header, and a CRC-32 of the format, the header and every tensor. The same content gives the same bytes. Files are
//! written to a temporary file, synced and renamed, so a killed process leaves either the old file or the new one.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A tensor: its shape and its numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// The key of the metadata entry. There is only one, since the order of several would differ from run to run.
const ENVELOPE: &str = "bevy_maddpg";

/// The content of the metadata entry.
#[derive(Serialize, Deserialize)]
struct Envelope {
    format: String,
    crc32: String,
    header: Value,
}

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system reported an error.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The content is damaged, or the file has another format.
    #[error("`{}` is not a valid {format}: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The expected format.
        format: &'static str,
        /// What is wrong with the file, and what to do.
        reason: String,
    },
}

impl FileError {
    pub(crate) fn damaged(path: &Path, format: &'static str, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), format, reason: reason.into() }
    }
}

/// Writes `tensors` and `header` to `path` atomically.
pub(crate) fn write(
    path: &Path,
    format: &'static str,
    header: &impl Serialize,
    tensors: &Tensors,
) -> Result<(), FileError> {
    let io_error = |source| FileError::Io { action: "write", path: path.into(), source };
    let header = serde_json::to_value(header).map_err(|error| io_error(error.into()))?;
    let bytes: BTreeMap<&str, Vec<u8>> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.data.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name.as_str()])
            .map_err(|error| io_error(io::Error::other(error)))?;
        views.push((name.as_str(), view));
    }
    let envelope = Envelope { format: format.into(), crc32: checksum(format, &header, &views), header };
    let envelope = serde_json::to_string(&envelope).map_err(|error| io_error(error.into()))?;
    let metadata = HashMap::from([(ENVELOPE.to_owned(), envelope)]);
    let content =
        safetensors::serialize(views, Some(metadata)).map_err(|error| io_error(io::Error::other(error)))?;
    write_atomically(path, &content).map_err(io_error)
}

/// Reads a file that [`write`] wrote. For any other file, the error says what is wrong with it.
pub(crate) fn read<H: DeserializeOwned>(
    path: &Path,
    format: &'static str,
) -> Result<(H, Tensors), FileError> {
    let content =
        fs::read(path).map_err(|source| FileError::Io { action: "read", path: path.into(), source })?;
    parse(&content, format).map_err(|reason| FileError::damaged(path, format, reason))
}

/// Reads the bytes of a file that [`write`] wrote; the error says what is wrong with them.
pub(crate) fn parse<H: DeserializeOwned>(content: &[u8], format: &str) -> Result<(H, Tensors), String> {
    let unreadable = |error: safetensors::SafeTensorError| {
        format!(
            "its {} bytes are not a complete safetensors file ({error}); use an undamaged copy",
            content.len()
        )
    };
    let (_, metadata) = SafeTensors::read_metadata(content).map_err(unreadable)?;
    let file = SafeTensors::deserialize(content).map_err(unreadable)?;
    let metadata = metadata.metadata().clone().unwrap_or_default();
    let envelope = metadata.get(ENVELOPE).ok_or_else(|| format!("its metadata has no entry `{ENVELOPE}`"))?;
    let envelope: Envelope =
        serde_json::from_str(envelope).map_err(|error| format!("its metadata cannot be parsed: {error}"))?;
    if envelope.format != format {
        return Err(format!("its metadata names the format `{}`, expected `{format}`", envelope.format));
    }
    let mut views = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let views: Vec<_> = views.iter().map(|(name, view)| (name.as_str(), view.clone())).collect();
    let (found, expected) = (&envelope.crc32, checksum(format, &envelope.header, &views));
    if *found != expected {
        return Err(format!(
            "its checksum is {found}, but its content gives {expected}: it was damaged after it was written; use an \
             undamaged copy"
        ));
    }
    let tensors = views.into_iter().map(|(name, view)| {
        let data = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let tensor = Tensor { shape: view.shape().to_vec(), data: data.collect() };
        (name.to_owned(), tensor)
    });
    let header = serde_json::from_value(envelope.header)
        .map_err(|error| format!("its header cannot be parsed: {error}"))?;
    Ok((header, tensors.collect()))
}

/// Writes a file atomically: to a temporary file in the same folder, which is synced, then renamed.
///
/// # Errors
/// If the file cannot be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let result = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    result.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // The first error is the one to report; a leftover temporary file is harmless.
        let _ = fs::remove_file(&temporary);
    })
}

/// CRC-32 over the format, the header and the tensors in the order of their names.
fn checksum(format: &str, header: &Value, views: &[(&str, TensorView)]) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format.as_bytes());
    hasher.update(header.to_string().as_bytes());
    for (name, view) in views {
        hasher.update(name.as_bytes());
        hasher.update(format!("{:?}{:?}", view.dtype(), view.shape()).as_bytes());
        hasher.update(view.data());
    }
    format!("{:08x}", hasher.finalize())
}

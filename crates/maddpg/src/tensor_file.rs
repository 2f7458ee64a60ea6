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

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorView},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

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
struct Envelope<'a> {
    format: String,
    crc32: String,
    /// The checksum is over this text, so it is kept as it is in the file.
    #[serde(borrow)]
    header: &'a RawValue,
}

/// A kind of files.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What errors call such a file.
    pub(crate) name: &'static str,
    /// The formats that can be read.
    pub(crate) formats: &'static [&'static str],
    /// Large files consist of names and sizes to at most this part: 3 for a third.
    pub(crate) header_part: usize,
}

/// The content of a file. The header is still text, so that it is parsed when the bytes of the file are gone.
#[derive(Debug)]
pub(crate) struct Content {
    /// One of the formats that were expected.
    pub(crate) format: &'static str,
    header: String,
    pub(crate) tensors: Tensors,
    /// Size of the file in bytes.
    pub(crate) size: usize,
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
    // By way of a `Value`, whose keys are sorted, so that the same content gives the same bytes.
    let header = serde_json::to_value(header).map_err(|error| io_error(error.into()))?.to_string();
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
    let crc32 = checksum(format, &header, &views);
    let header = serde_json::from_str(&header).map_err(|error| io_error(error.into()))?;
    let envelope = Envelope { format: format.into(), crc32, header };
    let envelope = serde_json::to_string(&envelope).map_err(|error| io_error(error.into()))?;
    let metadata = HashMap::from([(ENVELOPE.to_owned(), envelope)]);
    let content =
        safetensors::serialize(views, Some(metadata)).map_err(|error| io_error(io::Error::other(error)))?;
    write_atomically(path, &content).map_err(io_error)
}

/// Reads a file of this kind that [`write`] wrote. For any other file, the error says what is wrong with it.
pub(crate) fn read(path: &Path, kind: &Kind) -> Result<Content, FileError> {
    let bytes =
        fs::read(path).map_err(|source| FileError::Io { action: "read", path: path.into(), source })?;
    parse(&bytes, kind).map_err(|reason| FileError::damaged(path, kind.name, reason))
}

/// Reads the bytes of a file of this kind that [`write`] wrote; the error says what is wrong with them.
///
/// Nothing is allocated for sizes that the file only claims: JSON is not parsed before [`check_entries`] allows it, and
/// tensors are copied from bytes that are there.
pub(crate) fn parse(bytes: &[u8], kind: &Kind) -> Result<Content, String> {
    let size = bytes.len();
    let incomplete = |reason: String| {
        format!("its {size} bytes are not a complete safetensors file ({reason}); use an undamaged copy")
    };
    let (length, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| incomplete("it has no length of the safetensors header".into()))?;
    let length = u64::from_le_bytes(*length);
    let (text, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| incomplete(format!("its safetensors header has {length} bytes")))?;
    let (found, most) = (text.len(), size / kind.header_part + SLACK / 4);
    if found > most {
        return Err(format!("its safetensors header has {found} of {size} bytes, expected at most {most}"));
    }
    check_entries("safetensors header", text, TENSOR_ENTRY, size)?;
    let metadata: Metadata = serde_json::from_slice(text).map_err(|error| incomplete(shortened(&error)))?;
    if metadata.data_len() != data.len() {
        let (found, expected) = (data.len(), metadata.data_len());
        return Err(incomplete(format!("its tensors have {found} bytes, expected {expected}")));
    }
    let envelope = metadata.metadata().as_ref().and_then(|entries| entries.get(ENVELOPE));
    let envelope = envelope.ok_or_else(|| format!("its metadata has no entry `{ENVELOPE}`"))?;
    let envelope: Envelope = serde_json::from_str(envelope)
        .map_err(|error| format!("its metadata cannot be parsed: {}", shortened(&error)))?;
    let Some(&format) = kind.formats.iter().find(|format| **format == envelope.format) else {
        let (found, expected) = (&envelope.format, kind.formats.join("` or `"));
        return Err(format!("its metadata names the format `{found}`, expected `{expected}`"));
    };
    let infos: BTreeMap<_, _> = metadata.tensors().into_iter().collect();
    let mut views = Vec::with_capacity(infos.len());
    for (name, info) in &infos {
        let (start, end) = info.data_offsets;
        let bytes = data.get(start..end).unwrap_or_default();
        let view = TensorView::new(info.dtype, info.shape.clone(), bytes)
            .map_err(|error| format!("its tensor `{name}` cannot be read: {error}"))?;
        if view.dtype() != Dtype::F32 {
            return Err(format!("its tensor `{name}` has numbers of type {}, expected F32", view.dtype()));
        }
        views.push((name.as_str(), view));
    }
    let (found, expected) = (&envelope.crc32, checksum(format, envelope.header.get(), &views));
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
    Ok(Content { format, tensors: tensors.collect(), header: envelope.header.get().into(), size })
}

impl Content {
    /// Parses the header.
    pub(crate) fn header<H: DeserializeOwned>(&self) -> Result<H, String> {
        check_entries("header", self.header.as_bytes(), HEADER_ENTRY, self.size)?;
        serde_json::from_str(&self.header)
            .map_err(|error| format!("its header cannot be parsed: {}", shortened(&error)))
    }

    /// Number of entries of the header's lists and objects.
    pub(crate) fn header_entries(&self) -> usize {
        entries(self.header.as_bytes())
    }
}

/// The message of a parser, without most of a long text that it quotes.
fn shortened(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Bytes that one entry of a list or an object takes at most when a safetensors header is parsed: the safetensors library
/// first keeps every entry in a general form, in vectors that double when they are full.
const TENSOR_ENTRY: usize = 128;

/// The same for a header, which is parsed into its types.
const HEADER_ENTRY: usize = 72;

/// Bytes that one byte of a text takes at most where a parser's error quotes it: what is not printable is escaped, in a
/// string that doubles when it is full.
const ESCAPED: usize = 12;

/// What a file of a few bytes may take in memory, in addition to what is proportional to its size.
pub(crate) const SLACK: usize = 512 * 1024;

/// Refuses JSON that could take much more memory than the file, of `size` bytes, has.
fn check_entries(what: &str, json: &[u8], entry: usize, size: usize) -> Result<(), String> {
    let escaped = json.iter().filter(|byte| !(b' '..=b'~').contains(*byte)).count();
    for (found, unit, most) in [
        (entries(json), "entries", (2 * size + SLACK) / entry),
        (escaped, "bytes that are not ASCII", (size - json.len() + SLACK) / ESCAPED),
    ] {
        if found > most {
            return Err(format!("its {what} has {found} {unit}, expected at most {most} in {size} bytes"));
        }
    }
    Ok(())
}

/// Number of entries of all lists and objects in a JSON text, or a few more.
fn entries(json: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => count += 1,
            _ => {}
        }
    }
    count
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
fn checksum(format: &str, header: &str, views: &[(&str, TensorView)]) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format.as_bytes());
    hasher.update(header.as_bytes());
    for (name, view) in views {
        hasher.update(name.as_bytes());
        hasher.update(format!("{:?}{:?}", view.dtype(), view.shape()).as_bytes());
        hasher.update(view.data());
    }
    format!("{:08x}", hasher.finalize())
}

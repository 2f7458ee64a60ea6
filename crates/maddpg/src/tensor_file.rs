//! Files of named tensors, of `f32` or of bytes, with a checksum: the container format of policies and checkpoints.
//!
//! Such a file is a `.safetensors` file with one metadata entry, `bevy_maddpg`: JSON with the name of the format, a
//! header, and a CRC-32 of the format, the header and every tensor. The same content gives the same bytes. Files are
//! written to a temporary file, synced and renamed, so a killed process leaves either the old file or the new one.
//!
//! Tensors are written and read in small parts, so that memory never contains both a whole file and its content.

mod read;

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crc32fast::Hasher;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[cfg(feature = "learner")]
pub(crate) use self::read::read_header;
pub(crate) use self::read::{Content, SLACK, parse, read};
use crate::atomic_file::write_in_parts;

/// A tensor: its shape and its numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// A view of a tensor to write, without a copy.
#[derive(Debug, Clone)]
pub(crate) struct TensorView<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data<'a>,
}

/// The numbers of a tensor to write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    Numbers(&'a [f32]),
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only checkpoints have bytes"))]
    Bytes(&'a [u8]),
}

impl Data<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Numbers(_) => Dtype::F32,
            Self::Bytes(_) => Dtype::U8,
        }
    }

    /// The size of the data in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Numbers(numbers) => size_of_val(*numbers),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Tensor {
    pub(crate) fn view(&self) -> TensorView<'_> {
        TensorView { shape: self.shape.clone(), data: Data::Numbers(&self.data) }
    }
}

/// The key of the metadata entry. There is only one, since the order of several would differ from run to run.
const ENVELOPE: &str = "bevy_maddpg";

/// The content of the metadata entry.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: String,
    crc32: String,
    /// The checksum covers this text, so the text is kept exactly as it is in the file.
    #[serde(borrow)]
    header: &'a RawValue,
}

/// A kind of file.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What errors call such a file.
    pub(crate) name: &'static str,
    /// The formats that can be read.
    pub(crate) formats: &'static [&'static str],
    /// In large files, names and sizes take at most one part in this many: 3 stands for a third.
    pub(crate) header_part: usize,
    /// Whether tensors of bytes may be among those of `f32`.
    pub(crate) has_bytes: bool,
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

/// How many numbers are converted to or from bytes at once.
const PART: usize = 16 * 1024;

/// Bytes of one number.
const NUMBER: usize = size_of::<f32>();

/// Writes `tensors` and `header` to `path` atomically.
pub(crate) fn write(
    path: &Path,
    format: &'static str,
    header: &impl Serialize,
    tensors: &BTreeMap<String, TensorView>,
) -> Result<(), FileError> {
    let io_error = |source| FileError::Io { action: "write", path: path.into(), source };
    let header = safetensors_header(format, header, tensors).map_err(io_error)?;
    write_in_parts(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for tensor in tensors.values() {
            as_bytes(&tensor.data, |bytes| file.write_all(bytes))?;
        }
        Ok(())
    })
    .map_err(io_error)
}

/// The header of the safetensors format, without its length.
fn safetensors_header(
    format: &str,
    header: &impl Serialize,
    tensors: &BTreeMap<String, TensorView>,
) -> io::Result<Vec<u8>> {
    // A `Value` has sorted keys, so the same content gives the same bytes.
    let header = serde_json::to_value(header)?.to_string();
    let mut checksum = Checksum::new(format, &header);
    let (mut infos, mut end) = (Vec::with_capacity(tensors.len()), 0);
    for (name, TensorView { shape, data }) in tensors {
        let start = end;
        end += data.size();
        checksum.begin(name, data.dtype(), shape);
        as_bytes(data, |bytes| {
            checksum.add(bytes);
            Ok(())
        })?;
        let info = TensorInfo { dtype: data.dtype(), shape: shape.clone(), data_offsets: (start, end) };
        infos.push((name.clone(), info));
    }
    let header = serde_json::from_str(&header)?;
    let envelope =
        serde_json::to_string(&Envelope { format: format.into(), crc32: checksum.text(), header })?;
    let entries = HashMap::from([(ENVELOPE.to_owned(), envelope)]);
    let metadata = Metadata::new(Some(entries), infos).map_err(io::Error::other)?;
    let mut text = serde_json::to_vec(&metadata)?;
    // The format pads its header, so that the numbers are aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok(text)
}

/// Passes the bytes of a tensor to `take`, in parts.
fn as_bytes(data: &Data, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let numbers = match data {
        Data::Numbers(numbers) => numbers,
        Data::Bytes(bytes) => return bytes.chunks(NUMBER * PART).try_for_each(take),
    };
    let mut bytes = Vec::with_capacity(NUMBER * PART.min(numbers.len()));
    for part in numbers.chunks(PART) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|number| number.to_le_bytes()));
        take(&bytes)?;
    }
    Ok(())
}

/// CRC-32 over the format, the header and the tensors in the order of their names.
struct Checksum(Hasher);

impl Checksum {
    fn new(format: &str, header: &str) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(format.as_bytes());
        hasher.update(header.as_bytes());
        Self(hasher)
    }

    /// Begins a tensor, whose bytes follow.
    fn begin(&mut self, name: &str, dtype: Dtype, shape: &[usize]) {
        self.0.update(name.as_bytes());
        self.0.update(format!("{dtype:?}{shape:?}").as_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn text(self) -> String {
        format!("{:08x}", self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safetensors_library_writes_the_same_bytes_and_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        let long: Vec<f32> = (0..2 * PART + 3).map(|x| x as f32).collect();
        let tensors = BTreeMap::from([
            ("b".to_owned(), Tensor { shape: vec![long.len()], data: long.clone() }),
            ("a".to_owned(), Tensor { shape: vec![1, 2], data: vec![0.5, -0.0] }),
        ]);
        let views = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view())).collect();
        write(&path, "x v1", &"a header", &views).unwrap();
        let found = std::fs::read(&path).unwrap();
        let bytes: Vec<u8> = long.iter().flat_map(|x| x.to_le_bytes()).collect();
        let library = safetensors::SafeTensors::deserialize(&found).unwrap();
        assert_eq!(library.tensor("b").unwrap().data(), bytes);
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&found).unwrap();
        let again = safetensors::serialize(library.tensors(), metadata.metadata().clone()).unwrap();
        assert!(again == found);

        let kind = Kind { name: "x v1", formats: &["x v1"], header_part: 1, has_bytes: false };
        for content in [read(&path, &kind).unwrap(), parse(&found, &kind).unwrap()] {
            assert!(content.tensors == tensors);
            assert_eq!(content.header::<String>().unwrap(), "a header");
        }
    }
}

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::de::DeserializeOwned;

use super::{Checksum, ENVELOPE, Envelope, FileError, Kind, NUMBER, PART, Tensor, Tensors};

/// The content of a file. The header is still text, so that it is parsed only after the bytes of the file have been
/// freed.
#[derive(Debug)]
pub(crate) struct Content {
    /// One of the formats that were expected.
    pub(crate) format: &'static str,
    header: String,
    pub(crate) tensors: Tensors,
    /// Tensors of bytes. Their shapes do not matter.
    #[cfg_attr(not(feature = "learner"), expect(dead_code, reason = "only checkpoints have bytes"))]
    pub(crate) bytes: BTreeMap<String, Vec<u8>>,
    /// Size of the file in bytes.
    pub(crate) size: usize,
}

/// Why a file cannot be used.
enum Failure {
    Io(io::Error),
    /// What is wrong with the content.
    Damaged(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Damaged(reason)
    }
}

/// Reads a file of this kind that [`write`](super::write) wrote. For any other file, the error says what is wrong with it.
pub(crate) fn read(path: &Path, kind: &Kind) -> Result<Content, FileError> {
    open(path, kind, |file, size| read_from(file, size, kind))
}

/// Reads only the header of such a file. Whether its tensors are damaged is not checked.
#[cfg(feature = "learner")]
pub(crate) fn read_header<H: DeserializeOwned>(path: &Path, kind: &Kind) -> Result<H, FileError> {
    open(path, kind, |file, size| {
        let head = read_head(file, size, kind)?;
        Ok(parse_header(&head.header, head.size)?)
    })
}

fn open<T>(
    path: &Path,
    kind: &Kind,
    read: impl FnOnce(&mut File, u64) -> Result<T, Failure>,
) -> Result<T, FileError> {
    let open = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let content = open().map_err(Failure::Io).and_then(|(mut file, size)| read(&mut file, size));
    content.map_err(|failure| match failure {
        Failure::Io(source) => FileError::Io { action: "read", path: path.into(), source },
        Failure::Damaged(reason) => FileError::damaged(path, kind.name, reason),
    })
}

/// Reads the bytes of a file of this kind that [`write`](super::write) wrote; the error says what is wrong with them.
pub(crate) fn parse(bytes: &[u8], kind: &Kind) -> Result<Content, String> {
    read_from(&mut Cursor::new(bytes), bytes.len() as u64, kind).map_err(|failure| match failure {
        Failure::Io(error) => error.to_string(),
        Failure::Damaged(reason) => reason,
    })
}

/// What comes before the tensors of a file.
struct Head {
    format: &'static str,
    header: String,
    /// The checksum that the file claims.
    crc32: String,
    metadata: Metadata,
    /// Where the tensors begin, and the size of the file, in bytes.
    start: u64,
    size: usize,
}

/// Reads a file of `size` bytes. No memory is allocated for sizes that the file only claims: JSON is parsed only after
/// [`check_entries`] has accepted it, and a tensor is as large as the bytes that the file has for it.
fn read_from(file: &mut (impl Read + Seek), size: u64, kind: &Kind) -> Result<Content, Failure> {
    let Head { format, header, crc32, metadata, start, size } = read_head(file, size, kind)?;
    let infos: BTreeMap<_, _> = metadata.tensors().into_iter().collect();
    let is_bytes = |info: &TensorInfo| kind.has_bytes && info.dtype == Dtype::U8;
    let is_wrong = |info: &TensorInfo| info.dtype != Dtype::F32 && !is_bytes(info);
    if let Some((name, info)) = infos.iter().find(|(_, info)| is_wrong(info)) {
        return Err(format!("its tensor `{name}` has numbers of type {}, expected F32", info.dtype).into());
    }
    let mut checksum = Checksum::new(format, &header);
    let (mut tensors, mut bytes) = (Tensors::new(), BTreeMap::new());
    for (name, info) in infos {
        checksum.begin(&name, info.dtype, &info.shape);
        let start = start + info.data_offsets.0 as u64;
        if file.stream_position()? != start {
            file.seek(SeekFrom::Start(start))?;
        }
        if is_bytes(info) {
            bytes.insert(name, read_bytes(file, info, &mut checksum)?);
        } else {
            let data = read_numbers(file, info, &mut checksum)?;
            tensors.insert(name, Tensor { shape: info.shape.clone(), data });
        }
    }
    let expected = checksum.text();
    // A fuzzer could not guess the checksum.
    if crc32 != expected && !cfg!(fuzzing) {
        return Err(format!(
            "its checksum is {crc32}, but its content gives {expected}: it was damaged after it was written; use an \
             undamaged copy"
        )
        .into());
    }
    Ok(Content { format, tensors, bytes, header, size })
}

/// Reads what comes before the tensors.
fn read_head(file: &mut impl Read, size: u64, kind: &Kind) -> Result<Head, Failure> {
    let incomplete = |reason: String| {
        format!("its {size} bytes are not a complete safetensors file ({reason}); use an undamaged copy")
    };
    let size = usize::try_from(size).map_err(|_| incomplete("it is too large for this machine".into()))?;
    let rest =
        size.checked_sub(8).ok_or_else(|| incomplete("it has no length of the safetensors header".into()))?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let length_of_text = usize::try_from(length)
        .ok()
        .filter(|length| *length <= rest)
        .ok_or_else(|| incomplete(format!("its safetensors header has {length} bytes")))?;
    let data_length = rest - length_of_text;
    let most = size / kind.header_part + SLACK / 4;
    if length_of_text > most {
        return Err(format!(
            "its safetensors header has {length_of_text} of {size} bytes, expected at most {most}"
        )
        .into());
    }
    let mut text = room_for(length_of_text)?;
    text.resize(length_of_text, 0);
    file.read_exact(&mut text)?;
    check_entries("safetensors header", &text, TENSOR_ENTRY, size)?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| incomplete(shortened(&error)))?;
    drop(text);
    if metadata.data_len() != data_length {
        let expected = metadata.data_len();
        return Err(incomplete(format!("its tensors have {data_length} bytes, expected {expected}")).into());
    }
    let envelope = metadata.metadata().as_ref().and_then(|entries| entries.get(ENVELOPE));
    let envelope = envelope.ok_or_else(|| format!("its metadata has no entry `{ENVELOPE}`"))?;
    let envelope: Envelope = serde_json::from_str(envelope)
        .map_err(|error| format!("its metadata cannot be parsed: {}", shortened(&error)))?;
    let Some(&format) = kind.formats.iter().find(|format| **format == envelope.format) else {
        let (found, expected) = (&envelope.format, kind.formats.join("` or `"));
        return Err(format!("its metadata names the format `{found}`, expected `{expected}`").into());
    };
    let header = envelope.header.get().into();
    let crc32 = envelope.crc32;
    Ok(Head { format, header, crc32, start: 8 + length, size, metadata })
}

/// Reads the numbers of a tensor, which begin at the file's current position.
fn read_numbers(
    file: &mut impl Read,
    info: &TensorInfo,
    checksum: &mut Checksum,
) -> Result<Vec<f32>, Failure> {
    let (start, end) = info.data_offsets;
    let mut left = (end - start) / NUMBER;
    let mut numbers = room_for(left)?;
    let mut bytes = vec![0; NUMBER * PART.min(left)];
    while left > 0 {
        let part = &mut bytes[..NUMBER * PART.min(left)];
        file.read_exact(part)?;
        checksum.add(part);
        numbers.extend(part.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        left -= part.len() / NUMBER;
    }
    Ok(numbers)
}

/// Reads a tensor of bytes, which begins at the file's current position.
fn read_bytes(file: &mut impl Read, info: &TensorInfo, checksum: &mut Checksum) -> Result<Vec<u8>, Failure> {
    let (start, end) = info.data_offsets;
    let mut bytes = room_for(end - start)?;
    bytes.resize(end - start, 0);
    file.read_exact(&mut bytes)?;
    checksum.add(&bytes);
    Ok(bytes)
}

/// An empty vector that can hold `count` items; an error if there is not enough memory.
fn room_for<T>(count: usize) -> io::Result<Vec<T>> {
    let mut room = Vec::new();
    match room.try_reserve_exact(count) {
        Ok(()) => Ok(room),
        Err(_) => {
            let bytes = count.saturating_mul(size_of::<T>());
            Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!("there is no memory for {bytes} of its bytes"),
            ))
        }
    }
}

impl Content {
    /// Parses the header.
    pub(crate) fn header<H: DeserializeOwned>(&self) -> Result<H, String> {
        parse_header(&self.header, self.size)
    }

    /// Number of entries of the header's lists and objects.
    pub(crate) fn header_entries(&self) -> usize {
        entries(self.header.as_bytes())
    }
}

/// Parses the header of a file of `size` bytes.
fn parse_header<H: DeserializeOwned>(header: &str, size: usize) -> Result<H, String> {
    check_entries("header", header.as_bytes(), HEADER_ENTRY, size)?;
    serde_json::from_str(header)
        .map_err(|error| format!("its header cannot be parsed: {}", shortened(&error)))
}

/// The message of a parser. If it quotes a long text, most of that text is left out.
fn shortened(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The most bytes that one entry of a list or an object takes when a safetensors header is parsed. The safetensors
/// library first keeps every entry in a general form, in vectors whose capacity doubles when they are full.
const TENSOR_ENTRY: usize = 128;

/// The same for our own header, which is parsed directly into its types.
const HEADER_ENTRY: usize = 72;

/// The most bytes that one byte of a text takes in a parser's error that quotes the text. Characters that are not
/// printable are escaped, in a string whose capacity doubles when it is full.
const ESCAPED: usize = 12;

/// Bytes of memory that every file may take, in addition to memory in proportion to its size.
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

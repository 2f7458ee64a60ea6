//! Checks a `metrics.csv` that an earlier process left behind.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek},
    path::Path,
};

use super::{super::output_error::OutputError, COLUMNS};

/// What some programs write at the start of a text file.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Length of the header and of all complete rows up to `decisions` joint decisions, in bytes; 0 if not even the header is complete. Rejects
/// a file with another header. A file that a spreadsheet saved, with a byte order mark or with `\r\n` at the ends of lines, is the same.
/// Does not change the file.
pub(super) fn rows_until(file: &mut File, path: &Path, decisions: u64) -> Result<u64, OutputError> {
    let io_error = |source| OutputError::io("read", path)(source);
    file.rewind().map_err(io_error)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut kept = next_line(&mut reader, &mut line).map_err(io_error)?;
    check_header(&line, path, kept)?;
    if kept == 0 {
        return Ok(0);
    }
    loop {
        let length = next_line(&mut reader, &mut line).map_err(io_error)?;
        if length == 0 || decisions_of(&line).is_none_or(|found| found > decisions) {
            return Ok(kept);
        }
        kept += length;
    }
}

/// Reads a line. Returns its length, or 0 if it has no end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    reader.read_until(b'\n', line)?;
    Ok(if line.ends_with(b"\n") { line.len() as u64 } else { 0 })
}

/// The second cell of a row.
fn decisions_of(line: &[u8]) -> Option<u64> {
    let cell = line.split(|byte| *byte == b',').nth(1)?;
    std::str::from_utf8(cell).ok()?.trim_matches('"').parse().ok()
}

/// Compares the first line with [`COLUMNS`]. If it is not whole, it only needs to be a prefix of the header.
fn check_header(line: &[u8], path: &Path, length: u64) -> Result<(), OutputError> {
    let expected = COLUMNS.join(",");
    let text = String::from_utf8_lossy(line);
    let found = text.trim_start_matches(BYTE_ORDER_MARK).trim_end_matches(['\n', '\r']);
    let fits = if length > 0 { found == expected } else { expected.starts_with(found) };
    if fits {
        return Ok(());
    }
    Err(OutputError::Columns { path: path.to_owned(), found: found.to_owned(), expected })
}

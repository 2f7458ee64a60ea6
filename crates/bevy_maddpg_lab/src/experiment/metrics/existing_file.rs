//! Checks a `metrics.csv` that an earlier process left behind.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::super::output_error::OutputError;
use super::COLUMNS;

/// Length of the header and all complete rows, in bytes; 0 if not even the header is complete. Rejects a file with
/// another header. Does not change the file.
pub(super) fn whole_rows(file: &mut File, path: &Path) -> Result<u64, OutputError> {
    let kept = whole_lines(file).map_err(OutputError::io("read", path))?;
    check_header(file, path, kept > 0)?;
    Ok(kept)
}

/// Length of the file up to and including its last newline, in bytes.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Compares the first line with [`COLUMNS`]. If it is not `whole`, it only needs to be a prefix of the header.
fn check_header(file: &mut File, path: &Path, whole: bool) -> Result<(), OutputError> {
    let expected = COLUMNS.join(",");
    let mut start = Vec::new();
    file.rewind()
        .and_then(|()| Read::by_ref(file).take(expected.len() as u64 + 1).read_to_end(&mut start))
        .map_err(OutputError::io("read", path))?;
    let start = String::from_utf8_lossy(&start);
    let found = start.lines().next().unwrap_or_default();
    let fits = match whole {
        true => start.strip_prefix(&expected) == Some("\n"),
        false => expected.starts_with(found),
    };
    if fits {
        return Ok(());
    }
    Err(OutputError::Columns { path: path.to_owned(), found: found.to_owned(), expected })
}

//! Errors when writing the files of a run.

use std::io;
use std::path::{Path, PathBuf};

/// A file of the run could not be written. Every message names the file and suggests what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The operating system reported an error.
    #[error(
        "cannot {action} {path}: {source}; check that its folder exists, is writable and has free space",
        path = .path.display()
    )]
    Io {
        /// The attempted action, as a verb: "create", "write", ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The columns of the file to append to differ from those that this version writes.
    #[error(
        "cannot append to {path}: its first line is `{found}`, expected `{expected}`; \
         move the file away or choose another output folder",
        path = .path.display()
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// The header this version writes.
        expected: String,
    },
    /// The picture could not be drawn.
    #[error(
        "cannot draw {path}: {reason}; check that its folder exists, is writable and has free space",
        path = .path.display()
    )]
    Draw {
        /// The file.
        path: PathBuf,
        /// The plotting library's error message.
        reason: String,
    },
}

impl OutputError {
    /// An [`OutputError::Io`] as a closure for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

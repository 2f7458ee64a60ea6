use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Reserves a folder for this process, until this value is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Reserves an existing folder; `None` if it is already reserved. Some network drives do not support locks. There, the folder is
    /// not reserved, and this succeeds.
    ///
    /// # Errors
    /// If the file `.lock` cannot be created in the folder.
    pub fn acquire(folder: &Path) -> io::Result<Option<Self>> {
        let file = File::create(folder.join(".lock"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { _file: file })),
        }
    }
}

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Reserves a folder for this process, as long as it lives.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Reserves a folder that exists; `None` if it is reserved already. Some network drives have no locks; there, it is not reserved.
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

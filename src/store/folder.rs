//! The data folder: who holds it, and what it was written by.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{EngineKind, StoreError};

const MAGIC: &str = "warren store";
const VERSION: u32 = 1;
const FORMAT: &str = "FORMAT";
const FORMAT_NEW: &str = "FORMAT.new";
const LOCK: &str = "LOCK";

/// A data folder that this process holds until the value is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, takes its lock and checks its format.
    pub(super) fn open(path: &Path, engine: EngineKind) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(io_error(path))?;
        // Before a lock file is put into somebody else's folder.
        let format = path.join(FORMAT);
        let fresh = !format.try_exists().map_err(io_error(&format))?;
        if fresh {
            refuse_foreign(path)?;
        }
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(io_error(&lock_path)(source)),
        }
        match fresh {
            true => write_format(path, engine)?,
            false => refuse_orphans(path)?,
        }
        check_format(path, engine)?;
        Ok(Self {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// As [`Folder::open`], but only what is a data folder already.
    pub(super) fn open_existing(path: &Path, engine: EngineKind) -> Result<Self, StoreError> {
        let format = path.join(FORMAT);
        match format.try_exists().map_err(io_error(&format))? {
            true => Self::open(path, engine),
            false => Err(StoreError::Foreign {
                path: path.to_path_buf(),
                reason: format!("is not Warren's: there is no {FORMAT} file in it; name one with --data-dir"),
            }),
        }
    }

    /// Says that another engine has the messages from now on.
    pub(super) fn set_engine(&self, engine: EngineKind) -> Result<(), StoreError> {
        write_format(&self.path, engine)
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where an engine has its files.
    pub(super) fn messages(&self, engine: EngineKind) -> PathBuf {
        self.path.join(format!("messages-{}", engine.name()))
    }

    /// Whether there is a segment of the log.
    pub(super) fn has_segments(&self) -> Result<bool, StoreError> {
        let path = self.messages(EngineKind::Log);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(io_error(&path))?,
        };
        for entry in entries {
            let name = entry.map_err(io_error(&path))?.file_name();
            if name.to_string_lossy().ends_with(".log") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes that an unprivileged process may still write to the folder's file system.
    pub(super) fn free_space(&self) -> Result<u64, StoreError> {
        free_space(&self.path).map_err(io_error(&self.path))
    }
}

/// Bytes that an unprivileged process may still write to the file system of `path`.
pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Bytes in the files under `path`, as the files are long.
pub(super) fn folder_bytes(path: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A file that goes while the folder is read counts for nothing.
        total += match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path())?,
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(total)
}

/// Makes the entries of a folder survive a power loss.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<'_> {
    |source| StoreError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// A folder with messages and without the definitions that say whose they are would lose them all.
fn refuse_orphans(path: &Path) -> Result<(), StoreError> {
    if path.join("state").try_exists().map_err(io_error(path))? {
        return Ok(());
    }
    for messages in ["messages-log", "messages-sled"] {
        let has_any = fs::read_dir(path.join(messages)).is_ok_and(|mut entries| entries.next().is_some());
        if has_any {
            return Err(StoreError::Foreign {
                path: path.to_path_buf(),
                reason: format!(
                    "has messages in {messages} and no folder state, which says whose they are; restore state from a \
                     backup, or move {messages} away to start without its messages"
                ),
            });
        }
    }
    Ok(())
}

fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(io_error(path))? {
        let name = entry.map_err(io_error(path))?.file_name();
        if ![LOCK, FORMAT_NEW, "lost+found"].iter().any(|ours| name == *ours) {
            return Err(StoreError::Foreign {
                path: path.to_path_buf(),
                reason: format!(
                    "is not Warren's: it holds {} and no {FORMAT} file; choose an empty folder with --data-dir",
                    name.to_string_lossy()
                ),
            });
        }
    }
    Ok(())
}

fn write_format(path: &Path, engine: EngineKind) -> Result<(), StoreError> {
    let new = path.join(FORMAT_NEW);
    let text = format!("{MAGIC}\nversion {VERSION}\nmessages {}\n", engine.name());
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path.join(FORMAT))?;
        sync_folder(path)?;
        // The folder itself may be new, too.
        match path.canonicalize()?.parent() {
            Some(parent) => sync_folder(parent).or_else(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => Ok(()),
                _ => Err(error),
            }),
            None => Ok(()),
        }
    };
    write().map_err(io_error(&new))
}

fn check_format(path: &Path, engine: EngineKind) -> Result<(), StoreError> {
    let file = path.join(FORMAT);
    let bytes = fs::read(&file).map_err(io_error(&file))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let foreign = |reason: String| {
        Err(StoreError::Foreign {
            path: path.to_path_buf(),
            reason,
        })
    };
    if lines.next() != Some(MAGIC) {
        return foreign(format!(
            "is not Warren's: its {FORMAT} file does not start with \"{MAGIC}\"; choose another with --data-dir"
        ));
    }
    let version = lines.next().and_then(|line| line.strip_prefix("version "));
    match version.and_then(|version| version.parse::<u32>().ok()) {
        Some(VERSION) => {}
        Some(other) => {
            return foreign(format!(
                "has format version {other}, and this Warren reads version {VERSION}; \
                 start the Warren that wrote it, or choose another folder with --data-dir"
            ));
        }
        None => {
            return foreign(format!(
                "has a {FORMAT} file without a version; restore it from a backup"
            ));
        }
    }
    let messages = lines.next().and_then(|line| line.strip_prefix("messages "));
    match messages {
        Some(name) if name == engine.name() => Ok(()),
        Some(name) => foreign(format!(
            "holds its messages in the engine \"{name}\", and store.messages is \"{}\"; \
             set store.messages = \"{name}\", or convert the folder with `warren store convert`",
            engine.name()
        )),
        None => foreign(format!(
            "has a {FORMAT} file without an engine; restore it from a backup"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_without_definitions_are_not_dropped() {
        let dir = tempfile::tempdir().unwrap();
        drop(Folder::open(dir.path(), EngineKind::Log).unwrap());
        fs::create_dir(dir.path().join("messages-log")).unwrap();
        // A first start that was killed between the two: there is nothing to lose.
        drop(Folder::open(dir.path(), EngineKind::Log).unwrap());
        fs::write(dir.path().join("messages-log/0000000001.log"), b"x").unwrap();
        let error = Folder::open(dir.path(), EngineKind::Log).unwrap_err().to_string();
        assert!(error.contains("no folder state"), "{error}");
        fs::create_dir(dir.path().join("state")).unwrap();
        drop(Folder::open(dir.path(), EngineKind::Log).unwrap());
    }
}

//! A sled database that is safe to lose power under, to kill, and to replace.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::StoreError;
use super::flush_watch::FlushWatch;
use super::folder::{free_space, io_error, sync_folder};
use super::write_through::write_through;

/// Free space under which nothing is given to sled: after an ENOSPC of its own it cannot go on, not even remove.
const SPACE_TO_WRITE: u64 = 16 << 20;
/// Free space under which a database is not opened: sled writes when it opens, and fails half-way without space.
const SPACE_TO_OPEN: u64 = 4 << 20;
/// sled's own threads give a database's lock back a moment after it was closed: so often it is looked for, and so long
/// apart.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);
/// A flush that takes longer may wait for a write that has failed.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// A sled database with what its own `flush` leaves out.
///
/// sled 0.34.7's `flush` is a `sync_file_range` on Linux, which does not make the disk write its cache; a
/// `sync_data` on any handle of the same file does. It makes what was flushed safe, but sled had counted on it before:
/// it writes into the heads of its segments up to where all is on stable storage, uses the space of what was replaced
/// again, and trusts both when it opens. So its file is one that is written through ([`write_through`]).
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    db: Arc<sled::Db>,
    file: File,
    watch: FlushWatch,
}

impl Database {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        if free_space(parent).map_err(io_error(parent))? < SPACE_TO_OPEN {
            return Err(no_space(path, SPACE_TO_OPEN));
        }
        settle_succession(path).map_err(io_error(path))?;
        match path.try_exists().map_err(io_error(path))? {
            true => prepare(path).map_err(io_error(path))?,
            false => {
                make(path, 0, |_| Ok(()))?;
                take_place(path).map_err(io_error(path))?;
            }
        }
        Self::open_synced(path, cache_bytes)
    }

    /// Opens a database whose files are synced. sled writes as it opens, and does not sync all of it.
    fn open_synced(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        // Before sled writes to it.
        if let Err(error) = File::open(path.join("db")).and_then(|file| write_through(&file)) {
            tracing::warn!(
                path = %path.display(),
                %error,
                "the file system does not write single files through: a power loss may leave a database that sled \
                 refuses to open"
            );
        }
        let database = Self::open_at(path, cache_bytes)?;
        sync_files(path).map_err(io_error(path))?;
        Ok(database)
    }

    fn open_at(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let db = Arc::new(open_patiently(path, cache_bytes)?);
        let watched = Arc::downgrade(&db);
        let watch = FlushWatch::new(FLUSH_PATIENCE, move || {
            // What it finds, the one that it wakes finds as well.
            let _ = watched.upgrade().map(|db| db.flush());
        });
        let db_path = path.join("db");
        let file = File::open(&db_path).map_err(io_error(&db_path))?;
        Ok(Self {
            path: path.to_path_buf(),
            db,
            file,
            watch: watch.map_err(io_error(path))?,
        })
    }

    /// Whether there is a database at a path, or one that a succession has put aside.
    pub(super) fn is_at(path: &Path) -> Result<bool, StoreError> {
        let there = |path: &Path| path.join("db").try_exists().map_err(io_error(path));
        Ok(there(path)? || there(&beside(path, OLD))?)
    }

    /// Makes the database that is to follow this one: what `fill` puts into it is on stable storage when this returns.
    /// On an error nothing is left of it.
    pub(super) fn make_successor(
        &self,
        cache_bytes: u64,
        fill: impl FnOnce(&Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        make(&self.path, cache_bytes, fill)
    }

    /// Gives the place of this database to the one that [`make_successor`](Self::make_successor) has made. Whenever the
    /// process ends or the power fails meanwhile, the next start finds one of the two, whole.
    pub(super) fn succeed(self, cache_bytes: u64) -> Result<Self, StoreError> {
        let path = self.path.clone();
        if let Err(error) = self.sync() {
            // See `make`.
            std::mem::forget(self);
            return Err(error);
        }
        drop(self);
        let replace = || {
            wait_until_closed(&path)?;
            fs::rename(&path, beside(&path, OLD))?;
            sync_above(&path)?;
            take_place(&path)?;
            fs::remove_dir_all(beside(&path, OLD))
        };
        replace().map_err(io_error(&path))?;
        Self::open_synced(&path, cache_bytes)
    }

    pub(super) fn scan_prefix(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> {
        self.db
            .scan_prefix(prefix)
            .map(|pair| pair.map_err(|error| database_error(&self.path, error)))
    }

    pub(super) fn range<K: AsRef<[u8]>>(
        &self,
        range: impl std::ops::RangeBounds<K>,
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> {
        self.db
            .range(range)
            .map(|pair| pair.map_err(|error| database_error(&self.path, error)))
    }

    /// Refuses `bytes` more where they could fill the disk, with `StorageFull`, before sled sees them.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let free = free_space(&self.path).map_err(io_error(&self.path))?;
        // sled writes a page anew for each change of it, hence twice the bytes.
        let needed = SPACE_TO_WRITE.saturating_add(bytes.saturating_mul(2));
        if free < needed {
            return Err(no_space(&self.path, needed));
        }
        Ok(())
    }

    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.db
            .apply_batch(batch)
            .map_err(|error| database_error(&self.path, error))
    }

    /// Hands everything to the operating system; sled's own flush does no more on Linux.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        match self.watch.during(|| self.db.flush()) {
            Ok(_) => Ok(()),
            Err(error) => Err(database_error(&self.path, error)),
        }
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.file.sync_data().map_err(io_error(&self.path))
    }
}

/// What the name of a database that is being made ends in.
const NEW: &str = ".new";
/// The same for one whose successor is whole.
const OLD: &str = ".old";

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut other = path.to_path_buf();
    other.as_mut_os_string().push(end);
    other
}

fn sync_above(path: &Path) -> io::Result<()> {
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a database beside `path`, whole and synced, or nothing: sled does not sync its own settings file, and without
/// that file it cannot open a database again.
fn make(
    path: &Path,
    cache_bytes: u64,
    fill: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let new = beside(path, NEW);
    remove_folder(&new).map_err(io_error(&new))?;
    fs::create_dir_all(&new).map_err(io_error(&new))?;
    let database = Database::open_at(&new, cache_bytes)?;
    let filled = fill(&database).and_then(|()| database.sync());
    if filled.is_err() {
        // sled may wait for ever for what it could not write when it is dropped.
        std::mem::forget(database);
        remove_folder(&new).map_err(io_error(&new))?;
        return filled;
    }
    drop(database);
    let settle = || {
        wait_until_closed(&new)?;
        sync_files(&new)
    };
    settle().map_err(io_error(&new))
}

/// Gives `path` to the database that was made beside it.
fn take_place(path: &Path) -> io::Result<()> {
    fs::rename(beside(path, NEW), path)?;
    sync_above(path)
}

/// Ends a succession that was cut short: the old database has its place again, unless the new one has it.
fn settle_succession(path: &Path) -> io::Result<()> {
    let old = beside(path, OLD);
    if !old.try_exists()? {
        return Ok(());
    }
    match path.try_exists()? {
        true => fs::remove_dir_all(&old),
        false => {
            fs::rename(&old, path)?;
            sync_above(path)
        }
    }
}

pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until nobody has a database any more that this process has just closed.
fn wait_until_closed(path: &Path) -> io::Result<()> {
    let file = File::open(path.join("db"))?;
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return file.unlock(),
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the database does not close"))
}

/// Makes a database ready to be opened after any end of the process that had it. sled takes a snapshot that was not
/// finished for the newest one, and is then unable to open. And it notes at once, synced, up to where it has read a log
/// that may not be synced itself, which a power loss would turn into a hole.
fn prepare(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    sync_files(path)
}

/// Puts all files of a folder on stable storage, and their names.
fn sync_files(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_files(&entry.path())?;
            continue;
        }
        // sled may take an old snapshot away meanwhile.
        match File::open(entry.path()).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(path)
}

/// Opens a database that this process may just have closed: sled's own threads give its lock back a moment later. No
/// other process has it, since the folder is locked before.
fn open_patiently(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes.max(1 << 20))
        .flush_every_ms(None);
    for _ in 1..ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                sleep(PAUSE);
            }
            other => return other.map_err(|error| database_error(path, error)),
        }
    }
    config.open().map_err(|error| database_error(path, error))
}

fn no_space(path: &Path, needed: u64) -> StoreError {
    let text = format!("the disk is full: {needed} bytes must be free, so make space");
    io_error(path)(io::Error::new(io::ErrorKind::StorageFull, text))
}

fn database_error(path: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) => io_error(path)(source),
        other => StoreError::Database {
            path: path.to_path_buf(),
            reason: other.to_string(),
        },
    }
}

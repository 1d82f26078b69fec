//! Definitions: in sled, or in memory for tests.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::catalogue::SledCatalogue;
use super::folder::{Folder, free_space, io_error, sync_folder};
use super::{Pairs, StateChange, StateStore, StoreError, Table};

/// Free space under which nothing is given to sled: after an ENOSPC of its own it cannot go on, not even remove.
const SPACE_TO_WRITE: u64 = 16 << 20;
/// Free space under which a database is not opened: sled writes when it opens, and fails half-way without space.
const SPACE_TO_OPEN: u64 = 4 << 20;

/// A sled database with what its own `flush` leaves out.
///
/// sled 0.34.7's `flush` is a `sync_file_range` on Linux, which does not make the disk write its cache; a
/// `sync_data` on any handle of the same file does.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    db: sled::Db,
    file: File,
}

impl Database {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        if free_space(parent).map_err(io_error(parent))? < SPACE_TO_OPEN {
            return Err(no_space(path, SPACE_TO_OPEN));
        }
        match path.try_exists().map_err(io_error(path))? {
            true => prepare(path).map_err(io_error(path))?,
            false => make(path, parent)?,
        }
        let db = open_patiently(path, cache_bytes)?;
        let db_path = path.join("db");
        let file = File::open(&db_path).map_err(io_error(&db_path))?;
        sync_files(path).map_err(io_error(path))?;
        Ok(Self {
            path: path.to_path_buf(),
            db,
            file,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
        match self.db.flush() {
            Ok(_) => Ok(()),
            Err(error) => Err(database_error(&self.path, error)),
        }
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.file.sync_data().map_err(io_error(&self.path))
    }
}

/// Makes an empty database, all or nothing: sled does not sync its own settings file, and without that file it cannot
/// open a database again.
fn make(path: &Path, parent: &Path) -> Result<(), StoreError> {
    let mut new = path.to_path_buf();
    new.as_mut_os_string().push(".new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&new)(error)),
        _ => {}
    }
    fs::create_dir_all(&new).map_err(io_error(&new))?;
    drop(open_patiently(&new, 0)?);
    let settle = || {
        sync_files(&new)?;
        fs::rename(&new, path)?;
        sync_folder(parent)
    };
    settle().map_err(io_error(path))
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
    const ATTEMPTS: u32 = 200;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 1..ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(PAUSE);
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

/// The byte that a table's keys start with. Part of the format: numbers are never used again. 11 is the
/// [`catalogue`](super::catalogue)'s.
fn prefix(table: Table) -> u8 {
    match table {
        Table::Vhosts => 1,
        Table::Users => 2,
        Table::Permissions => 3,
        Table::Policies => 4,
        Table::Exchanges => 5,
        Table::Queues => 6,
        Table::Bindings => 7,
        Table::Node => 8,
        Table::OperatorPolicies => 9,
        Table::VhostLimits => 10,
        Table::GlobalParameters => 12,
    }
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(prefix(table));
    full.extend_from_slice(key);
    full
}

/// Definitions in sled.
pub(super) struct SledState {
    database: Arc<Database>,
    // One sync at a time; those who come meanwhile would not be faster beside it.
    writing: Mutex<()>,
    _folder: Arc<Folder>,
}

impl SledState {
    pub(super) fn open(folder: Arc<Folder>, cache_bytes: u64) -> Result<Self, StoreError> {
        Ok(Self {
            database: Arc::new(Database::open(&folder.path().join("state"), cache_bytes)?),
            writing: Mutex::new(()),
            _folder: folder,
        })
    }

    /// Puts all that was given to the catalogue on stable storage.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.database.sync()
    }

    /// The segments of the log, in the same database.
    pub(super) fn catalogue(&self) -> Arc<SledCatalogue> {
        SledCatalogue::new(Arc::clone(&self.database))
    }
}

impl StateStore for SledState {
    fn scan(&self, table: Table) -> Result<Pairs, StoreError> {
        self.database
            .scan_prefix(&[prefix(table)])
            .map(|pair| pair.map(|(key, value)| (key[1..].to_vec(), value.to_vec())))
            .collect()
    }

    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        let mut bytes = 0;
        for change in changes {
            match change {
                StateChange::Put(table, key, value) => {
                    bytes += (key.len() + value.len()) as u64;
                    batch.insert(full_key(*table, key), value.as_slice());
                }
                StateChange::Remove(table, key) => batch.remove(full_key(*table, key)),
            }
        }
        let _writing = self.writing.lock();
        self.database.reserve(bytes)?;
        self.database.apply(batch)?;
        self.database.sync()
    }
}

/// Definitions in memory.
#[derive(Default)]
pub(super) struct MemoryState {
    pairs: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl StateStore for MemoryState {
    fn scan(&self, table: Table) -> Result<Pairs, StoreError> {
        let prefix = prefix(table);
        Ok(self
            .pairs
            .lock()
            .range(vec![prefix]..vec![prefix + 1])
            .map(|(key, value)| (key[1..].to_vec(), value.clone()))
            .collect())
    }

    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        let mut pairs = self.pairs.lock();
        for change in changes {
            match change {
                StateChange::Put(table, key, value) => {
                    pairs.insert(full_key(*table, key), value.clone());
                }
                StateChange::Remove(table, key) => {
                    pairs.remove(&full_key(*table, key));
                }
            }
        }
        Ok(())
    }
}

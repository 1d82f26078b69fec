//! A disk in memory that fails when it is told to and forgets what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Fault {
    /// The call does nothing and fails.
    Error(io::ErrorKind),
    /// A write writes half of the bytes and fails.
    Torn(io::ErrorKind),
    /// A read or write does half, which is no error.
    Short,
}

/// A change of a file that is not synced.
#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

#[derive(Clone, Default)]
struct Content {
    current: Vec<u8>,
    /// Up to where bytes were written: what a file is longer takes no space.
    allocated: usize,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

/// A change of the folder that is not synced.
#[derive(Clone)]
enum Entry {
    Created(String, usize),
    Removed(String),
}

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    entries: Vec<Entry>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    capacity: Option<u64>,
}

/// The disk; clones of the Arc are the same disk.
#[derive(Default)]
pub(in crate::store) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

struct SimulatedFile {
    state: Arc<Mutex<State>>,
    file: usize,
}

/// A small generator of numbers (xorshift), so that a seed gives the same losses again.
struct Random(u64);

impl Random {
    fn coin(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 63 == 1
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Truncate(length) => content.resize(*length as usize, 0),
        Change::Write(offset, bytes) => {
            let end = *offset as usize + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset as usize..end].copy_from_slice(bytes);
        }
    }
}

impl State {
    /// Counts a call; the fault that it meets.
    fn call(&mut self) -> Option<Fault> {
        self.calls += 1;
        match self.fault {
            Some((at, fault)) if at == self.calls => Some(fault),
            _ => None,
        }
    }

    fn plain_call(&mut self) -> io::Result<()> {
        match self.call() {
            Some(Fault::Error(kind) | Fault::Torn(kind)) => Err(kind.into()),
            Some(Fault::Short) | None => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].allocated as u64).sum()
    }
}

impl SimulatedDisk {
    /// How many calls were made.
    pub(in crate::store) fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// The call with this number, counted from the disk's first, meets a fault.
    pub(in crate::store) fn fail_at(&self, fault: Option<(u64, Fault)>) {
        self.state.lock().fault = fault;
    }

    /// So many bytes fit onto the disk.
    pub(in crate::store) fn set_capacity(&self, capacity: Option<u64>) {
        self.state.lock().capacity = capacity;
    }

    /// Bytes of all files.
    pub(in crate::store) fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// Changes a byte behind everybody's back.
    pub(in crate::store) fn damage(&self, name: &str, offset: usize) {
        let mut state = self.state.lock();
        let file = state.names[name];
        let content = &mut state.files[file];
        content.current[offset] ^= 0x40;
        content.durable = content.current.clone();
    }

    /// Takes a file away for good.
    pub(in crate::store) fn lose(&self, name: &str) {
        let mut state = self.state.lock();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// The disk as it would be if the power failed now and came back, as with [`Self::lose_power`]; this one goes on.
    pub(in crate::store) fn after_power_loss(&self, seed: u64) -> Self {
        let disk = Self {
            state: Arc::new(Mutex::new(self.state.lock().clone())),
        };
        disk.lose_power(seed);
        disk
    }

    /// The power fails and comes back. Of what was not synced nothing is left with seed 0, all with seed 1, and with
    /// others some: sector by sector, in no order.
    pub(in crate::store) fn lose_power(&self, seed: u64) {
        const SECTOR: usize = 512;
        let mut state = self.state.lock();
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut survives = || match seed {
            0 => false,
            1 => true,
            _ => random.coin(),
        };
        let State {
            files,
            names,
            durable_names,
            entries,
            ..
        } = &mut *state;
        for content in files {
            for change in content.changes.drain(..) {
                match change {
                    Change::Truncate(_) if survives() => apply(&mut content.durable, &change),
                    Change::Truncate(_) => {}
                    Change::Write(offset, bytes) => {
                        for (at, sector) in bytes.chunks(SECTOR).enumerate() {
                            if survives() {
                                let offset = offset + (at * SECTOR) as u64;
                                apply(&mut content.durable, &Change::Write(offset, sector.to_vec()));
                            }
                        }
                    }
                }
            }
            content.current = content.durable.clone();
            content.allocated = content
                .current
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at + 1);
        }
        for entry in entries.drain(..) {
            if survives() {
                match entry {
                    Entry::Created(name, file) => durable_names.insert(name, file),
                    Entry::Removed(name) => durable_names.remove(&name),
                };
            }
        }
        *names = durable_names.clone();
        state.fault = None;
    }
}

impl Disk for SimulatedDisk {
    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.plain_call()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.plain_call()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.to_owned(), file);
        state.entries.push(Entry::Created(name.to_owned(), file));
        Ok(Arc::new(SimulatedFile {
            state: Arc::clone(&self.state),
            file,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.plain_call()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimulatedFile {
            state: Arc::clone(&self.state),
            file,
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.plain_call()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.entries.push(Entry::Removed(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.plain_call()?;
        state.entries.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.plain_call()?;
        let used = state.used();
        Ok(state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used)))
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.plain_call()?;
        Ok(state.files[self.file].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let half = match state.call() {
            Some(Fault::Error(kind) | Fault::Torn(kind)) => return Err(kind.into()),
            Some(Fault::Short) => buffer.len().div_ceil(2),
            None => buffer.len(),
        };
        let content = &state.files[self.file].current;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(half);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        let (mut length, error) = match state.call() {
            Some(Fault::Error(kind)) => return Err(kind.into()),
            Some(Fault::Torn(kind)) => (bytes.len() / 2, Some(kind)),
            Some(Fault::Short) => (bytes.len().div_ceil(2), None),
            None => (bytes.len(), None),
        };
        if let Some(capacity) = state.capacity {
            let free = capacity.saturating_sub(state.used()) as usize;
            let inside = state.files[self.file].allocated.saturating_sub(offset as usize);
            length = length.min(inside + free);
            if length == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let content = &mut state.files[self.file];
        content.allocated = content.allocated.max(offset as usize + length);
        let change = Change::Write(offset, bytes[..length].to_vec());
        apply(&mut content.current, &change);
        content.changes.push(change);
        error.map_or(Ok(length), |kind| Err(kind.into()))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.plain_call()?;
        let content = &mut state.files[self.file];
        content.allocated = content.allocated.min(length as usize);
        apply(&mut content.current, &Change::Truncate(length));
        content.changes.push(Change::Truncate(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.plain_call()?;
        let content = &mut state.files[self.file];
        content.changes.clear();
        content.durable = content.current.clone();
        Ok(())
    }
}

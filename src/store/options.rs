//! How the store is opened.

use std::path::PathBuf;

/// Which engine holds the messages (`store.messages`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The shared write-ahead log in segments.
    Log,
    /// A sled database of its own.
    Sled,
    /// Nothing is kept: for tests. State and messages are gone with the process and no folder is touched.
    Memory,
}

impl EngineKind {
    /// The name that stands in the configuration and in the folder's `FORMAT` file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Sled => "sled",
            Self::Memory => "memory",
        }
    }
}

/// When what was written is forced to stable storage (`store.sync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Before anything is confirmed. What was confirmed survives a power loss.
    Always,
    /// Every so many milliseconds. Confirmed once the operating system has it: survives the end of the process, and
    /// a power loss takes what was confirmed in the last interval.
    Interval(u64),
    /// When the operating system likes. Survives the end of the process; a power loss takes some seconds.
    Never,
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data folder; made if it does not exist.
    pub dir: PathBuf,
    /// Who holds the messages.
    pub engine: EngineKind,
    /// When to sync.
    pub sync: SyncMode,
    /// Size at which a segment of the log is closed, in bytes; held between 4 KiB and 1 GiB.
    pub segment_bytes: u64,
    /// Size of the file that the log gives up so that settlements can be written to a full disk, in bytes; 0 for none.
    pub reserve_bytes: u64,
    /// Page cache of each sled database, in bytes.
    pub sled_cache_bytes: u64,
    /// What the files of the sled engine may be larger than three times its live bytes, in bytes. At most so many live
    /// bytes are copied in one go, between rounds, to give space back; a start copies any number.
    pub sled_slack_bytes: u64,
    /// How long a record that nobody needs at once (it is with a consumer, or nobody waits for its confirm) may wait
    /// for its settlement before it is written, in microseconds. It is written after one to two of these.
    pub settle_window_us: u64,
    /// How long plain settlements may wait for a round that is made anyway, in milliseconds.
    pub settle_delay_ms: u64,
}

impl StoreOptions {
    /// The defaults for a folder: log, `sync = "always"`, 64 MiB segments, a reserve of 4 MiB, 8 MiB of sled
    /// cache, 32 MiB of slack, 1 ms, 100 ms.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            engine: EngineKind::Log,
            sync: SyncMode::Always,
            segment_bytes: 64 << 20,
            reserve_bytes: 4 << 20,
            sled_cache_bytes: 8 << 20,
            sled_slack_bytes: 32 << 20,
            settle_window_us: 1000,
            settle_delay_ms: 100,
        }
    }
}

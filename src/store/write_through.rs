//! A file whose writes are on stable storage when they return.

use std::fs::File;
use std::io;

/// Has every write to a file from now on, through whatever descriptor, be one with an fdatasync: sets the attribute that
/// `chattr +S` sets. It stays with the file.
///
/// # Errors
/// The file system has no such attribute (tmpfs, NFS), or the file is another user's.
#[cfg(target_os = "linux")]
pub(super) fn write_through(file: &File) -> io::Result<()> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

    let flags = ioctl_getflags(file)?;
    if flags.contains(IFlags::SYNC) {
        return Ok(());
    }
    Ok(ioctl_setflags(file, flags | IFlags::SYNC)?)
}

/// Elsewhere sled syncs what it writes.
#[cfg(not(target_os = "linux"))]
pub(super) fn write_through(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::Path;

    use rustix::fs::{IFlags, ioctl_getflags};

    use super::*;
    use crate::store::database::Database;

    fn is_written_through(path: &Path) -> bool {
        ioctl_getflags(File::open(path).unwrap()).is_ok_and(|flags| flags.contains(IFlags::SYNC))
    }

    #[test]
    fn a_database_is_written_through_where_the_file_system_can_do_it() {
        let dir = tempfile::tempdir().unwrap();
        let probe = dir.path().join("probe");
        let can = write_through(&File::create(&probe).unwrap()).is_ok();
        assert_eq!(is_written_through(&probe), can);
        let path = dir.path().join("database");
        let file = path.join("db");
        let database = Database::open(&path, 1 << 20).unwrap();
        assert_eq!(is_written_through(&file), can);
        // Its successor is another file.
        database.make_successor(1 << 20, |_| Ok(())).unwrap();
        let database = database.succeed(1 << 20).unwrap();
        assert_eq!(is_written_through(&file), can);
        drop(database);
        // And so is what comes from a backup.
        let copy = dir.path().join("copy");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::rename(&copy, &file).unwrap();
        assert!(!is_written_through(&file));
        drop(Database::open(&path, 1 << 20).unwrap());
        assert_eq!(is_written_through(&file), can);
    }
}

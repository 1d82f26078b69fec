//! A disk that fills up while messages come, on a small file system of its own.

use std::path::Path;
use std::process::Command;

use super::client::Client;
use super::start;

const ACK: (u16, u16) = (60, 80);
const NACK: (u16, u16) = (60, 120);

/// A mounted file system in memory that goes with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, with the reason on standard error, where nothing may be mounted.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                skipped(&why)
            }
            Err(error) => skipped(&error.to_string()),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn skipped(why: &str) -> Option<SmallDisk> {
    eprintln!("SKIPPED: a small file system cannot be mounted here: {}", why.trim());
    None
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Publishes one message and waits for its answer: true for an ack.
fn publish(client: &mut Client, body: &[u8]) -> bool {
    client.publish("q", true, body);
    match client.frame() {
        (1, ACK, _) => true,
        (1, NACK, _) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_nacks_what_it_cannot_keep_and_works_again_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(48) else {
        return;
    };
    let running = start(Some(disk.path()));
    let mut publisher = Client::open(running.address, true);
    publisher.declare("q", true);
    publisher.confirm();
    let body = vec![b'x'; 120_000];
    let mut kept = 0;
    while publish(&mut publisher, &body) {
        kept += 1;
        assert!(kept < 1000, "the disk never fills up");
    }
    assert!(kept > 50, "{kept}");
    // Consumers drain: what was confirmed is there, and its settlements free the space.
    let mut consumer = Client::open(running.address, true);
    consumer.consume("q", true);
    for _ in 0..kept {
        assert_eq!(consumer.delivery(), body);
    }
    consumer.cast(1, (60, 30), |out| out.extend_from_slice(b"\x01c\0"));
    // What was refused may have been delivered, too.
    while consumer.frame().1 != (60, 31) {}
    let mut attempts = 0;
    while !publish(&mut publisher, &body) {
        attempts += 1;
        assert!(attempts < 1000, "the space never comes back");
    }
}

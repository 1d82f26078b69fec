//! A disk that fills up while messages come, on a small file system of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use warren::broker::{AlarmLimits, ResourceUsage};

use super::client::Client;
use super::{ENGINES, start, start_engine};

const ACK: (u16, u16) = (60, 80);
const NACK: (u16, u16) = (60, 120);
const BLOCKED: (u16, u16) = (10, 60);
const UNBLOCKED: (u16, u16) = (10, 61);

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

/// What fills the disk, and goes.
struct Filler(PathBuf);

impl Filler {
    fn new(disk: &SmallDisk, megabytes: usize) -> Self {
        let path = disk.path().join("filler");
        std::fs::write(&path, vec![1; megabytes << 20]).unwrap();
        Self(path)
    }

    fn remove(self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

const LENGTH: usize = 120_000;

/// Publishes one message and waits for its answer: true for an ack.
fn publish(client: &mut Client, number: u32) -> bool {
    let mut body = vec![b'x'; LENGTH];
    body[..4].copy_from_slice(&number.to_be_bytes());
    client.publish("q", true, &body);
    match client.frame() {
        (1, ACK, _) => true,
        (1, NACK, _) => false,
        other => panic!("{other:?}"),
    }
}

/// Consumes, with or without acks, until all of these have come, in this order. What was refused may come, too.
fn consume(client: &mut Client, expected: &[u32], no_ack: bool) {
    client.consume("q", no_ack);
    for want in expected {
        loop {
            let body = client.delivery();
            assert_eq!(body.len(), LENGTH);
            let number = u32::from_be_bytes(*body.first_chunk().unwrap());
            assert!(number <= *want, "{want} is missing");
            if number == *want {
                break;
            }
        }
    }
}

/// Publishes until the disk is full; what was confirmed.
fn fill(publisher: &mut Client) -> Vec<u32> {
    let confirmed: Vec<u32> = (0..1000).take_while(|number| publish(publisher, *number)).collect();
    assert!((50..1000).contains(&confirmed.len()), "{}", confirmed.len());
    // It does not get any better by itself.
    assert!((1000..1010).all(|number| !publish(publisher, number)));
    confirmed
}

/// Publishes until it works again: the space that was freed comes back within some rounds to the disk.
fn publish_again(publisher: &mut Client) -> u32 {
    (2000..3000)
        .find(|number| publish(publisher, *number))
        .expect("the space comes back")
}

#[test]
fn a_full_disk_nacks_what_it_cannot_keep_and_what_was_confirmed_outlives_a_restart() {
    for engine in ENGINES {
        let Some(disk) = SmallDisk::mount(64) else {
            return;
        };
        let filler = Filler::new(&disk, 20);
        let folder = disk.path().join("data");
        let running = start_engine(engine, Some(&folder), u64::MAX);
        let mut publisher = Client::open(running.address, true);
        publisher.declare("q", true);
        publisher.confirm();
        let mut confirmed = fill(&mut publisher);
        // Consumers go on; without acks, so that all of it stays.
        let mut consumer = Client::open(running.address, true);
        consume(&mut consumer, &confirmed, false);
        drop(consumer);
        filler.remove();
        confirmed.push(publish_again(&mut publisher));
        drop(publisher);
        running.stop();

        let running = start_engine(engine, Some(&folder), u64::MAX);
        let mut consumer = Client::open(running.address, true);
        assert_eq!(
            consumer.waiting("q"),
            confirmed.len() as u32,
            "what was refused is not there"
        );
        consume(&mut consumer, &confirmed, true);
    }
}

#[test]
fn a_full_disk_is_emptied_by_its_consumers_and_works_again_without_a_restart() {
    let Some(disk) = SmallDisk::mount(48) else {
        return;
    };
    // sled gives nothing back of what it has written, so that only others can make space for it.
    let running = start(Some(disk.path()));
    let mut publisher = Client::open(running.address, true);
    publisher.declare("q", true);
    publisher.confirm();
    let confirmed = fill(&mut publisher);
    let mut consumer = Client::open(running.address, true);
    consume(&mut consumer, &confirmed, true);
    consumer.cast(1, (60, 30), |out| out.extend_from_slice(b"\x01c\0"));
    // What was refused may have been delivered, too.
    while consumer.frame().1 != (60, 31) {}
    publish_again(&mut publisher);
}

#[test]
fn the_alarm_comes_before_the_disk_is_full_and_goes_with_the_reason() {
    for engine in ENGINES {
        let Some(disk) = SmallDisk::mount(80) else {
            return;
        };
        let filler = Filler::new(&disk, 20);
        let running = start_engine(engine, Some(&disk.path().join("data")), u64::MAX);
        let limits = AlarmLimits {
            disk_free_bytes: 24 << 20,
            memory_bytes: u64::MAX,
        };
        running.broker.alarms().set_limits(limits);
        let check = || {
            let disk_free_bytes = running.broker.messages().free_space().unwrap();
            running.broker.alarms().check(ResourceUsage {
                disk_free_bytes,
                memory_bytes: 0,
            });
            disk_free_bytes < limits.disk_free_bytes
        };
        let mut publisher = Client::open(running.address, true);
        publisher.declare("q", true);
        publisher.confirm();
        assert!(!check());
        let full = (0..1000).find(|number| {
            assert!(publish(&mut publisher, *number), "nothing is refused before the alarm");
            check()
        });
        publisher.expect(BLOCKED);
        let mut consumer = Client::open(running.address, true);
        let published: Vec<u32> = (0..=full.expect("an alarm")).collect();
        consume(&mut consumer, &published, true);
        filler.remove();
        assert!(!check());
        publisher.expect(UNBLOCKED);
        assert!(publish(&mut publisher, 2000));
    }
}

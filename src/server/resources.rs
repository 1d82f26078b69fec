//! What the machine has and what the broker uses of it, as Linux tells it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::broker::{AlarmLimits, Broker, ResourceUsage};
use crate::config::Config;

/// How often disk and memory are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// The limits of the alarms.
pub fn limits(config: &Config) -> AlarmLimits {
    AlarmLimits {
        disk_free_bytes: config.store.disk_free_limit_bytes,
        memory_bytes: config.store.memory_limit.bytes(total_memory()),
    }
}

/// Bytes that waiting messages may take before bodies are left on disk: an eighth of what raises the memory alarm. The
/// allocator keeps what each thread has freed for that thread, so that several times the budget may stay resident
/// (seen: twice).
pub fn budget(config: &Config) -> u64 {
    limits(config).memory_bytes / 8
}

/// Looks at disk and memory until the broker ends.
pub async fn watch(broker: Arc<Broker>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let broker = Arc::clone(&broker);
        // A file system on a network may take its time.
        let _ = tokio::task::spawn_blocking(move || check(&broker)).await;
    }
}

/// Looks once.
pub fn check(broker: &Broker) {
    broker.relieve_memory();
    let disk_free_bytes = broker.messages().free_space().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot tell how much of the disk is free");
        u64::MAX
    });
    let before = broker.alarms().raised();
    broker.alarms().check(ResourceUsage {
        disk_free_bytes,
        memory_bytes: used_memory(),
    });
    broker.tell_alarms(before);
}

/// Bytes of memory that this process has; 0 where the system does not tell.
fn used_memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&text, "VmRSS:").unwrap_or(0)
}

/// Bytes of memory that the machine has, or the cgroup that the process is in where that is less.
fn total_memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| kibibytes(&text, "MemTotal:"))
        .unwrap_or(u64::MAX);
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_files(&cgroups)
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
        .fold(machine, u64::min)
}

/// The number of a line such as `VmRSS:   1234 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

/// The files that may hold a limit (`max`, for none, is no number): of each cgroup that `/proc/self/cgroup` names, and
/// of those above it, in both versions of cgroups. In a container the path often does not exist, and the root's does.
fn limit_files(cgroups: &str) -> impl Iterator<Item = String> {
    cgroups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next().unwrap_or_default();
        let path = parts.next().unwrap_or_default();
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        };
        let counts = controllers.is_empty() || controllers.split(',').any(|name| name == "memory");
        let path = Some(path.trim_end_matches('/')).filter(|_| counts);
        let paths = std::iter::successors(path, |path| path.rsplit_once('/').map(|(above, _)| above));
        paths.map(move |path| format!("{root}{path}/{file}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_no_more_than_the_machine() {
        let (used, total) = (used_memory(), total_memory());
        assert!(used > 0);
        assert!(used < total, "{used} {total}");
        assert!(total < u64::MAX);
    }

    #[test]
    fn numbers_are_read_in_kibibytes() {
        let text = "VmPeak:\t  900 kB\nVmRSS:\t  12 kB\nThreads:\t3\n";
        assert_eq!(kibibytes(text, "VmRSS:"), Some(12 * 1024));
        assert_eq!(kibibytes(text, "VmSwap:"), None);
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn limits_are_looked_for_up_to_the_root() {
        let of = |text: &str| limit_files(text).collect::<Vec<_>>();
        assert_eq!(
            of("0::/system.slice/warren.service\n"),
            [
                "/sys/fs/cgroup/system.slice/warren.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(of("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            of("5:cpu:/a\n4:memory:/a\n"),
            [
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
        assert!(of("").is_empty());
    }
}

//! What a process has cost so far, from Linux's `/proc` (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

use super::error::BenchError;

/// Length of the clock tick of `/proc/PID/stat`: USER_HZ is 100 on every Linux platform that
/// Rust supports.
const TICK: Duration = Duration::from_millis(10);

/// CPU, memory and threads of one process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode since the process started, all threads.
    pub user: Duration,
    /// CPU time in the kernel since the process started, all threads.
    pub system: Duration,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// The most resident memory since the process started, bytes.
    pub peak_resident_bytes: u64,
    /// Number of threads.
    pub threads: u64,
}

impl Usage {
    /// User and system time.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// Reads the usage of process `pid`.
///
/// # Errors
/// There is no such process, or `/proc` is not Linux's.
pub fn usage(pid: u32) -> Result<Usage, BenchError> {
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|source| BenchError::Process { pid, source })
    };
    let mut usage = Usage::default();
    let known = cpu_of_stat(&read("stat")?).and_then(|(user, system)| {
        (usage.user, usage.system) = (user, system);
        memory_of_status(&read("status").ok()?, &mut usage)
    });
    known.map(|()| usage).ok_or_else(|| BenchError::Process {
        pid,
        source: io::Error::new(io::ErrorKind::InvalidData, "not the form of Linux's /proc"),
    })
}

/// User and system time of a `stat` line. The command name may hold spaces and parentheses.
fn cpu_of_stat(stat: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((TICK * ticks()?, TICK * ticks()?))
}

/// Memory and threads of a `status` file. A kernel thread has no memory: those stay 0.
fn memory_of_status(status: &str, usage: &mut Usage) -> Option<()> {
    for line in status.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let number = || {
            let digits = value.trim().trim_end_matches(" kB");
            digits.parse::<u64>().ok()
        };
        match name {
            "VmRSS" => usage.resident_bytes = number()? * 1024,
            "VmHWM" => usage.peak_resident_bytes = number()? * 1024,
            "Threads" => usage.threads = number()?,
            _ => {}
        }
    }
    (usage.threads > 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_nasty_name() {
        let stat = "42 (a) b (c) S 1 2 3 0 -1 4194560 9 8 7 6 1234 56 5 4 20 0 9 0 1 2 3";
        assert_eq!(
            cpu_of_stat(stat),
            Some((Duration::from_millis(12_340), Duration::from_millis(560)))
        );
        assert_eq!(cpu_of_stat("42 (a) S 1"), None);
    }

    #[test]
    fn a_status_file() {
        let mut usage = Usage::default();
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t     100 kB\nThreads:\t7\n";
        assert_eq!(memory_of_status(status, &mut usage), Some(()));
        assert_eq!(usage.resident_bytes, 102_400);
        assert_eq!(usage.peak_resident_bytes, 2 << 20);
        assert_eq!(usage.threads, 7);
        assert_eq!(memory_of_status("Name: x", &mut Usage::default()), None);
    }

    #[test]
    fn this_process_is_there_and_process_zero_is_not() {
        assert!(usage(std::process::id()).unwrap().resident_bytes > 0);
        assert!(matches!(usage(0), Err(BenchError::Process { pid: 0, .. })));
    }
}

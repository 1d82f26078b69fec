//! File descriptors: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for the store, the listeners, HTTP and the runtime.
const RESERVE: u64 = 256;

/// Raises the limit of open files as far as the process may, and warns where `connections_max` connections do not fit
/// under it.
pub fn prepare(connections_max: u32) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    if let Some(text) = shortage(limit.current, connections_max) {
        tracing::warn!("{text}");
    }
}

/// What to say where `open_files` (`None` for no limit) do not suffice.
fn shortage(open_files: Option<u64>, connections_max: u32) -> Option<String> {
    let open_files = open_files?;
    let wanted = u64::from(connections_max) + RESERVE;
    (open_files < wanted).then(|| {
        format!(
            "the limit of open files is {open_files}, but limits.connections_max = {connections_max} may need \
             {wanted}: raise the one (ulimit -n, LimitNOFILE=) or lower the other"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_names_both_numbers() {
        assert_eq!(shortage(None, u32::MAX), None);
        assert_eq!(shortage(Some(1_256), 1_000), None);
        let text = shortage(Some(1_255), 1_000).unwrap();
        assert!(text.contains("1255") && text.contains("connections_max = 1000") && text.contains("1256"));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        prepare(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}

//! Whether the broker reads from a connection, and why not where it does not.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::model::Millis;

use super::{ConnectionEntry, Raised};

/// A connection that a quota held counts as slowed for so long afterwards: who is over a quota waits again and again
/// for moments, and one look between two of them would say that all is well. RabbitMQ shows `flow` for as long.
const SHOWN_MS: Millis = 5_000;

/// Whose rate quota holds a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaOf {
    /// Its user's.
    #[default]
    User,
    /// Its vhost's.
    Vhost,
    /// That of a queue that it publishes to.
    Queue,
}

impl QuotaOf {
    const ALL: [Self; 3] = [Self::User, Self::Vhost, Self::Queue];

    /// As [`ConnectionState::blocked_by`] has it.
    fn name(self) -> &'static str {
        match self {
            Self::User => "user-quota",
            Self::Vhost => "vhost-quota",
            Self::Queue => "queue-quota",
        }
    }
}

/// What keeps the broker from reading from a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// An alarm is raised, and the connection has published.
    pub is_blocked: bool,
    /// The client does not read what the broker writes.
    pub is_unread: bool,
    /// Until when a quota holds or held it; 0 for never.
    pub slowed_until: Millis,
    /// Whose quota that is.
    pub slowed_by: QuotaOf,
}

/// Where a connection notes its [`Hold`] for those who look; written when it changes, never for a message.
#[derive(Debug, Default)]
pub struct HoldNote {
    blocked: AtomicBool,
    slowed_until: AtomicU64,
    slowed_by: AtomicU8,
}

impl HoldNote {
    /// An alarm blocks the connection from now on, or no longer.
    pub fn block(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    /// A quota holds the connection until then.
    pub fn slow(&self, until: Millis, by: QuotaOf) {
        self.slowed_by.store(by as u8, Ordering::Relaxed);
        self.slowed_until.store(until, Ordering::Relaxed);
    }

    /// What was noted, of a client that reads or does not.
    #[must_use]
    pub fn hold(&self, is_unread: bool) -> Hold {
        let by = usize::from(self.slowed_by.load(Ordering::Relaxed));
        Hold {
            is_blocked: self.blocked.load(Ordering::Relaxed),
            is_unread,
            slowed_until: self.slowed_until.load(Ordering::Relaxed),
            slowed_by: QuotaOf::ALL.get(by).copied().unwrap_or_default(),
        }
    }
}

/// How a connection stands, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// In RabbitMQ's words: `running`; `blocked` by an alarm; `blocking`, which is blocked as soon as it publishes;
    /// `flow`, slowed down for another reason.
    pub name: &'static str,
    /// Why it is not running: the alarms `memory` and `disk`; `backlog` while the disk does not keep up; `user-quota`,
    /// `vhost-quota` or `queue-quota`; `unread` where the client does not read what is sent to it. RabbitMQ has none of
    /// this.
    pub blocked_by: Vec<&'static str>,
}

impl ConnectionState {
    fn new(hold: Hold, raised: Raised, now: Millis) -> Self {
        let is_slowed = hold.slowed_until > 0 && now < hold.slowed_until.saturating_add(SHOWN_MS);
        let waits_for_disk = raised.backlog && hold.is_blocked;
        let reasons = [
            (raised.memory, "memory"),
            (raised.disk, "disk"),
            (waits_for_disk, "backlog"),
            (is_slowed, hold.slowed_by.name()),
            (hold.is_unread, "unread"),
        ];
        let blocked_by = reasons.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name);
        let is_slowed = is_slowed || waits_for_disk;
        let name = match (raised.memory || raised.disk, hold.is_blocked) {
            (true, true) => "blocked",
            (true, false) if !is_slowed && !hold.is_unread => "blocking",
            (false, _) if !is_slowed && !hold.is_unread => "running",
            _ => "flow",
        };
        Self {
            name,
            blocked_by: blocked_by.collect(),
        }
    }
}

impl ConnectionEntry {
    /// How the connection stands while these alarms are raised.
    #[must_use]
    pub fn state(&self, raised: Raised, now: Millis) -> ConnectionState {
        ConnectionState::new(self.link.hold(), raised, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_in_rabbitmqs_words_and_says_why() {
        let alarm = |memory, disk| Raised {
            memory,
            disk,
            backlog: false,
        };
        let backlog = Raised {
            backlog: true,
            ..Raised::default()
        };
        let note = HoldNote::default();
        let state = |is_unread, raised, now| {
            let state = ConnectionState::new(note.hold(is_unread), raised, now);
            format!("{} {}", state.name, state.blocked_by.join(","))
        };
        assert_eq!(state(false, alarm(false, false), 1), "running ");
        assert_eq!(state(false, alarm(false, true), 1), "blocking disk");
        assert_eq!(state(true, alarm(false, false), 1), "flow unread");
        assert_eq!(state(true, alarm(true, false), 1), "flow memory,unread");
        assert_eq!(state(false, backlog, 1), "running ", "it has not published");
        note.block(true);
        assert_eq!(state(false, backlog, 1), "flow backlog");
        assert_eq!(state(true, alarm(true, true), 1), "blocked memory,disk,unread");
        note.block(false);
        for (by, name) in [
            (QuotaOf::User, "flow user-quota"),
            (QuotaOf::Vhost, "flow vhost-quota"),
            (QuotaOf::Queue, "flow queue-quota"),
        ] {
            note.slow(100, by);
            assert_eq!(state(false, alarm(false, false), 50), name);
            assert_eq!(state(false, alarm(false, false), 100 + SHOWN_MS - 1), name);
            assert_eq!(state(false, alarm(false, false), 100 + SHOWN_MS), "running ");
        }
    }
}

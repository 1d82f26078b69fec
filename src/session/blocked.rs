//! Publishers that are not read from: while an alarm is raised, or over a rate quota; and what their clients hear of it.

use std::time::Duration;

use crate::amqp::Response;

use super::{Next, Session, throttle};

impl Session {
    /// Whether a rate quota holds this connection: nothing more is to be handled before [`Session::wakes_in`].
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.throttle.is_held()
    }

    /// After how long [`Session::wake`] is to be called; `None` while there is nothing to wait for.
    #[must_use]
    pub fn wakes_in(&self) -> Option<Duration> {
        self.throttle.wakes_in(&self.broker)
    }

    /// Lets go of a connection whose quota allows more, and tells a client that is no longer slowed.
    pub fn wake(&mut self) {
        self.throttle.wake(&self.broker);
        self.heed_quotas();
    }

    /// Whether an alarm blocks this connection: nothing more is to be read from it until that is over.
    ///
    /// As in RabbitMQ only connections that have published are blocked, all that they send with the publishes; what
    /// came with the first publish during an alarm is still taken.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Blocks or lets go of the connection, and tells the client if it wants to be told.
    pub fn heed_alarms(&mut self) {
        if !self.publisher || self.next != Next::Read || self.broker.alarms().any_raised() == self.blocked {
            return;
        }
        let raised = self.broker.alarms().raised();
        if self.blocked != raised.any() {
            self.blocked = raised.any();
            self.outbox.hold.block(self.blocked);
            self.broker.alarms().note_blocked(self.blocked);
        }
        if self.wire.capabilities().connection_blocked {
            match raised.reason() {
                Some(reason) => self.write(0, Response::ConnectionBlocked { reason }),
                None if self.throttle.is_told => {}
                None => self.write(0, Response::ConnectionUnblocked),
            }
        }
    }

    /// Tells the client that it is slowed, once that lasts, and that it no longer is; operators see it at once.
    pub(super) fn heed_quotas(&mut self) {
        if let Some((until, by)) = self.throttle.slowed() {
            self.outbox.hold.slow(until, by);
        }
        let lasts = self.throttle.is_lasting();
        if lasts == self.throttle.is_told || self.next != Next::Read {
            return;
        }
        self.throttle.is_told = lasts;
        if !self.wire.capabilities().connection_blocked || self.blocked {
            return;
        }
        match lasts {
            true => self.write(
                0,
                Response::ConnectionBlocked {
                    reason: throttle::REASON,
                },
            ),
            false => self.write(0, Response::ConnectionUnblocked),
        }
    }
}

//! Publisher confirms of one channel (RabbitMQ: "Consumer Acknowledgements and Publisher Confirms").

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::amqp::{OutBuffer, encode};
use crate::broker::{Count, Counters};
use crate::model::{ConfirmSink, ConfirmTicket};

use super::outbox::Outbox;

/// Set in a publish's count once a queue refused it.
const REFUSED: u32 = 1 << 31;

/// Counts, for each publish that is not confirmed yet, the queues that still owe an answer.
///
/// Confirms go out in the order of publishing, so that one `basic.ack` with `multiple` covers as many as it can.
#[derive(Debug)]
pub struct ConfirmTracker {
    this: Weak<ConfirmTracker>,
    channel: u16,
    outbox: Arc<Outbox>,
    /// Where confirms are counted: of the channel, and of its vhost.
    counted: [Arc<Counters>; 2],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The number of the publish at the front of `owed`.
    first: u64,
    owed: VecDeque<u32>,
    /// The writer has been asked to come for confirms.
    asked: bool,
}

impl ConfirmTracker {
    /// A tracker whose first publish has the number 1.
    #[must_use]
    pub fn new(channel: u16, outbox: Arc<Outbox>, counted: [Arc<Counters>; 2]) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            channel,
            outbox,
            counted,
            state: Mutex::new(State {
                first: 1,
                owed: VecDeque::new(),
                asked: false,
            }),
        })
    }

    /// A ticket for the publish numbered `tag`.
    #[must_use]
    pub fn ticket(self: &Arc<Self>, tag: u64) -> ConfirmTicket {
        ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, tag)
    }

    /// Notes the next publishes, each with the number of queues it reached; drains `queues`. To be called before
    /// their tickets can be answered.
    pub fn register(&self, queues: &mut Vec<u32>) {
        let mut state = self.state.lock();
        state.owed.extend(queues.drain(..));
        self.ask_writer(state);
    }

    /// Writes what can be confirmed, in order.
    pub fn encode(&self, out: &mut OutBuffer) {
        let mut state = self.state.lock();
        state.asked = false;
        let mut confirmed = 0;
        while let Some(&front) = state.owed.front() {
            if front & !REFUSED != 0 {
                break;
            }
            let refused = front == REFUSED;
            let run = state.owed.iter().take_while(|owed| **owed == front).count();
            state.owed.drain(..run);
            state.first += run as u64;
            let last = state.first - 1;
            if refused {
                encode::nack(out, self.channel, last, run > 1);
            } else {
                encode::ack(out, self.channel, last, run > 1);
                confirmed += run as u64;
            }
        }
        drop(state);
        for counters in &self.counted {
            counters.add(Count::Confirm, confirmed);
        }
    }

    fn answer(&self, tag: u64, refused: bool) {
        let mut state = self.state.lock();
        let Some(at) = tag.checked_sub(state.first) else {
            return;
        };
        if let Some(owed) = state.owed.get_mut(at as usize) {
            *owed = (owed.saturating_sub(1)) | if refused { REFUSED } else { 0 };
        }
        if at == 0 {
            self.ask_writer(state);
        }
    }

    fn ask_writer(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let ready = state.owed.front().is_some_and(|owed| owed & !REFUSED == 0);
        if ready && !state.asked {
            state.asked = true;
            drop(state);
            if let Some(this) = self.this.upgrade() {
                self.outbox.write_confirms(this);
            }
        }
    }
}

impl ConfirmSink for ConfirmTracker {
    fn taken(&self, tag: u64) {
        self.answer(tag, false);
    }

    fn refused(&self, tag: u64) {
        self.answer(tag, true);
    }
}

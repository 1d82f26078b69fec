//! Deduplication: of two messages with the same value in a header only the first is taken, and both are confirmed.
//!
//! | argument | meaning |
//! |---|---|
//! | `x-message-deduplication` | `true` switches it on, for a queue or an exchange of any type |
//! | `x-deduplication-header` | the header that is compared; `x-deduplication-header` where it is not given |
//! | `x-cache-size` | how many values are remembered, the oldest goes first; 10,000 where it is not given |
//! | `x-cache-ttl` | how long a value is remembered, in milliseconds; a message's own `x-cache-ttl` header comes first |
//! | `x-cache-persistence` | `memory` keeps nothing over a restart; `disk` is usual for what is durable |
//!
//! Names and meaning are those of the message deduplication plug-in for RabbitMQ. A message without the header is never
//! a duplicate. A **queue** without `x-cache-size` and `x-cache-ttl` refuses a value as long as a message with it is
//! in the queue, waiting or unacked; with one of them it refuses what it has seen, consumed or not. An **exchange**
//! refuses what it has routed to a queue before; one of the type `x-message-deduplication` routes like a fanout.
//!
//! **Refusals.** Where a queue refuses a client's publish (a full one with `reject-publish`, a full disk), the exchange
//! forgets its value, in memory and on disk, before the publisher gets its `basic.nack`: the next attempt is no
//! duplicate. It goes to all queues, so that those that took the first one have two: at least once. A duplicate that
//! came before the refusal is confirmed. A queue forgets as well what it took and the full disk refused: the next
//! attempt is in the queue a second time, and on disk. After a restart a message that one of the queues has counts as
//! routed, whatever the others made of it. A dead letter that may come back from a full target is not remembered at all.
//!
//! **Confirms.** A duplicate is confirmed once all that is on its way to the disk has come there, and so the first one
//! has, or is settled; a full disk refuses it.
//!
//! **Over a restart.** Values of messages that are still in a queue are found again with them. Values of messages that
//! are gone are kept on disk beside the messages, never before them: no crash takes a first message for a duplicate.
//! With a queue a confirm says that the message is on disk, or settled, and its value is on disk as well; the value of
//! one that nobody wants confirmed comes there some milliseconds later. With an exchange the value of a client's publish
//! comes there one or two settle windows (some milliseconds) after its message, that of any other message (a dead letter,
//! a delayed one, one of the API) a second later: a crash in between lets a duplicate of a message through that was
//! consumed in it. A clean stop keeps all.
//!
//! **Transactions.** An exchange remembers the messages of a transaction when it is committed, and not before: what was
//! rolled back may come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, ThreadId};

use parking_lot::Mutex;

use crate::model::{
    AmqpError, ConfirmSink, ConfirmTicket, FieldTable, FieldValue, Message, Millis, Name, PropertiesView, ReplyCode,
};
use crate::queue::SeenValues;
use crate::routing::{ExchangeKind, ExchangeSpec};
use crate::store::{Keep, QueueId, QueueJournal, StoredMessage};

use super::arguments::{check_plug_in, positive, switch};
use super::noted::{Noted, Present};
use super::remembered::Remembered;

const SWITCH: &str = "x-message-deduplication";
const HEADER: &str = "x-deduplication-header";
const SIZE: &str = "x-cache-size";
const TTL: &str = "x-cache-ttl";
const PERSISTENCE: &str = "x-cache-persistence";

/// Values remembered where the declaration does not say how many.
const DEFAULT_SIZE: usize = 10_000;

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deduplication {
    header: Name,
    /// Both `None`: only what is in the queue counts.
    size: Option<usize>,
    ttl_ms: Option<Millis>,
    on_disk: bool,
}

impl Deduplication {
    /// What a queue's or an exchange's arguments ask for; `None` where it is off.
    pub fn read(arguments: &FieldTable) -> Result<Option<Self>, AmqpError> {
        check_plug_in(SWITCH, arguments)?;
        let Some(on) = arguments.get(SWITCH).and_then(switch) else {
            return Ok(None);
        };
        for name in [HEADER, PERSISTENCE, SIZE, TTL] {
            check_plug_in(name, arguments)?;
        }
        let text = |name: &str| arguments.get(name).and_then(FieldValue::as_text);
        let number = |name: &str| arguments.get(name).and_then(positive);
        Ok(on.then(|| Self {
            header: text(HEADER).unwrap_or(HEADER).into(),
            size: number(SIZE).map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
            ttl_ms: number(TTL),
            on_disk: text(PERSISTENCE) != Some("memory"),
        }))
    }

    /// The same for an exchange: one of the type `x-message-deduplication` has it on and must say how many values.
    pub fn of_exchange(spec: &ExchangeSpec) -> Result<Option<Self>, AmqpError> {
        if spec.kind != ExchangeKind::MessageDeduplication {
            return Self::read(&spec.arguments);
        }
        if spec.arguments.get(SIZE).is_none() {
            let text = format_args!("Missing or invalid argument, '{SIZE}' must be an integer greater than 0");
            return Err(AmqpError::channel(ReplyCode::PreconditionFailed, text));
        }
        let mut arguments = spec.arguments.clone();
        arguments.insert(SWITCH, FieldValue::Bool(true));
        Self::read(&arguments)
    }

    /// Whether values outlive their messages.
    pub fn remembers(&self) -> bool {
        self.size.is_some() || self.ttl_ms.is_some()
    }

    /// Whether the values of something durable are to be kept on disk.
    pub fn is_on_disk(&self) -> bool {
        self.on_disk
    }

    /// The value that a message is compared by.
    pub fn value(&self, properties: PropertiesView<'_>) -> Option<Vec<u8>> {
        if !properties.has_header(&[&self.header]) {
            return None;
        }
        let headers = properties.headers().ok()?;
        Some(match headers.get(&self.header)? {
            FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => [b"S", bytes.as_slice()].concat(),
            value => match value.as_integer() {
                Some(number) => [b"I".as_slice(), &number.to_be_bytes()].concat(),
                None => format!("{value:?}").into_bytes(),
            },
        })
    }

    /// When the value of a message that comes `now` is forgotten.
    fn until(&self, properties: PropertiesView<'_>, now: Millis) -> Option<Millis> {
        let own = match properties.has_header(&[TTL]) {
            true => properties
                .headers()
                .ok()
                .and_then(|headers| headers.get(TTL)?.as_integer()),
            false => None,
        };
        let own = own.and_then(|ttl| Millis::try_from(ttl).ok());
        own.or(self.ttl_ms).map(|ttl| now.saturating_add(ttl))
    }
}

/// The values that a queue or an exchange remembers, and where they are kept.
#[derive(Debug)]
pub(super) struct SeenTable {
    options: Deduplication,
    journal: Option<Arc<QueueJournal>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    values: SeenValues,
    /// Not given to the journal yet, and by which thread noted.
    fresh: Vec<(ThreadId, Keep)>,
    gone: Vec<u64>,
}

impl SeenTable {
    /// An empty table.
    pub fn new(options: Deduplication, journal: Option<Arc<QueueJournal>>) -> Self {
        let values = SeenValues::new(options.size.unwrap_or(DEFAULT_SIZE));
        Self {
            options,
            journal,
            state: Mutex::new(State {
                values,
                fresh: Vec::new(),
                gone: Vec::new(),
            }),
        }
    }

    /// The id under which its values are kept.
    pub fn id(&self) -> Option<QueueId> {
        self.journal.as_ref().map(|journal| journal.queue())
    }

    /// The value that a message is compared by.
    pub fn value(&self, properties: PropertiesView<'_>) -> Option<Vec<u8>> {
        self.options.value(properties)
    }

    /// Whether a value is remembered.
    pub fn contains(&self, value: &[u8], now: Millis) -> bool {
        self.state.lock().values.contains(value, now)
    }

    /// Remembers a message's value; gives its number. Where it is kept on disk it waits for [`SeenTable::flush`].
    pub fn remember(&self, value: &[u8], properties: PropertiesView<'_>, now: Millis) -> u64 {
        self.remember_for(value, properties, None, now)
    }

    /// The same for somebody who waits until the value is on disk, or forgotten again. Where it is not kept on disk the
    /// ticket is taken at once.
    fn remember_for(
        &self,
        value: &[u8],
        properties: PropertiesView<'_>,
        ticket: Option<ConfirmTicket>,
        now: Millis,
    ) -> u64 {
        let until = self.options.until(properties, now);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let number = state.values.insert(value, until, &mut state.gone);
        if self.journal.is_none() {
            state.gone.clear();
            drop(guard);
            ticket.into_iter().for_each(ConfirmTicket::taken);
            return number;
        }
        let keep = Keep {
            sequence: number,
            message: Message::new("", "", &[0, 0], &[value]),
            expires_at: until,
            ticket,
            in_flight: false,
        };
        state.fresh.push((thread::current().id(), keep));
        number
    }

    /// Forgets the value of that number, unless it has gone since; one that the message brought again stays. Who waits for
    /// the value to be on disk is told that it was taken.
    ///
    /// True where the journal has it already: it then has the ticket that `then` makes, which is answered in either way
    /// once the value is gone from the disk as well.
    pub fn forget(&self, number: u64, then: impl FnOnce() -> ConfirmTicket) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let is_known = state.values.remove(number);
        let fresh = state.fresh.iter().rposition(|(_, keep)| keep.sequence == number);
        let fresh = fresh.map(|at| state.fresh.remove(at).1);
        drop(guard);
        let is_fresh = fresh.is_some();
        let ticket = fresh.and_then(|keep| keep.ticket);
        ticket.into_iter().for_each(ConfirmTicket::taken);
        match &self.journal {
            Some(journal) if is_known && !is_fresh => {
                journal.forget(&[number], Some(then()));
                true
            }
            _ => false,
        }
    }

    /// Remembers the value of a message that came back after a restart, unless it is remembered already.
    pub fn rediscover(&self, message: &Message, now: Millis) {
        let properties = message.properties();
        if let Some(value) = self.value(properties)
            && !self.contains(&value, now)
        {
            self.remember(&value, properties, now);
        }
    }

    /// Puts back what was kept.
    pub fn restore(&self, stored: Vec<StoredMessage>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        for kept in stored {
            let value = kept.message.body();
            state
                .values
                .restore(kept.sequence, value, kept.expires_at, &mut state.gone);
        }
    }

    /// Hands the journal what this thread has noted. What is forgotten waits for [`SeenTable::flush`].
    pub fn flush_own(&self) {
        let Some(journal) = &self.journal else {
            return;
        };
        let own = thread::current().id();
        let mut state = self.state.lock();
        let noted = state.fresh.extract_if(.., |(thread, _)| *thread == own);
        let mut keeps = noted.map(|(_, keep)| keep).collect();
        journal.keep(&mut keeps);
    }

    /// Hands what is new to the journal; what it concerns must be there already.
    pub fn flush(&self) {
        let Some(journal) = &self.journal else {
            return;
        };
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut fresh = state.fresh.drain(..).map(|(_, keep)| keep).collect();
        journal.keep(&mut fresh);
        if !state.gone.is_empty() {
            journal.forget(&state.gone, None);
            state.gone.clear();
        }
    }
}

/// A confirm that waits for a message and for its value.
#[derive(Debug)]
struct Both {
    ticket: Mutex<Option<ConfirmTicket>>,
    owed: AtomicU8,
    is_refused: AtomicBool,
}

impl Both {
    fn tickets(ticket: ConfirmTicket) -> [ConfirmTicket; 2] {
        let both = Arc::new(Self {
            ticket: Mutex::new(Some(ticket)),
            owed: AtomicU8::new(2),
            is_refused: AtomicBool::new(false),
        });
        let share = || ConfirmTicket::new(Arc::clone(&both) as Arc<dyn ConfirmSink>, 0);
        [share(), share()]
    }
}

impl ConfirmSink for Both {
    fn taken(&self, _tag: u64) {
        if self.owed.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let ticket = self.ticket.lock().take();
        match (ticket, self.is_refused.load(Ordering::Acquire)) {
            (Some(ticket), false) => ticket.taken(),
            (Some(ticket), true) => ticket.refused(),
            (None, _) => {}
        }
    }

    fn refused(&self, tag: u64) {
        self.is_refused.store(true, Ordering::Release);
        self.taken(tag);
    }
}

/// What a queue knows about the values of its messages.
#[derive(Debug)]
pub(super) struct QueueDeduplication {
    /// `None` for a queue that takes nothing.
    options: Option<Deduplication>,
    /// Where values outlive their messages.
    table: Option<Arc<SeenTable>>,
    /// Where they do not.
    present: Arc<Present>,
}

impl QueueDeduplication {
    /// Of a queue without messages.
    pub fn new(options: Deduplication, table: Option<SeenTable>) -> Self {
        Self {
            options: Some(options),
            table: table.map(Arc::new),
            present: Arc::default(),
        }
    }

    /// Of a queue for which every message is a duplicate.
    pub fn refuse_all() -> Self {
        Self {
            options: None,
            table: None,
            present: Arc::default(),
        }
    }

    /// The table of values that outlive their messages.
    pub fn table(&self) -> Option<&SeenTable> {
        self.table.as_deref()
    }

    /// Whether the queue has the message already.
    pub fn is_duplicate(&self, message: &Message, now: Millis) -> bool {
        let Some(options) = &self.options else {
            return true;
        };
        let Some(value) = options.value(message.properties()) else {
            return false;
        };
        match &self.table {
            Some(table) => table.contains(&value, now),
            None => self.present.has(&value),
        }
    }

    /// Whether a message with the value of this one is in the queue. A queue whose values outlive their messages does
    /// not know.
    pub fn has(&self, message: &Message) -> bool {
        self.table.is_none() && self.value(message).is_some_and(|value| self.present.has(&value))
    }

    /// What the message is compared by, if it has that.
    fn value(&self, message: &Message) -> Option<Vec<u8>> {
        self.options.as_ref()?.value(message.properties())
    }

    /// The queue took a message. Gives it back if the store has to keep it; one that it does not is taken at once.
    ///
    /// Where the store then refuses it, for a full disk, the value is forgotten before the publisher hears of it; not so
    /// where the message has an earlier record, which `replaces` names.
    pub fn keep(&mut self, mut keep: Keep, replaces: Option<u64>, has_journal: bool, now: Millis) -> Option<Keep> {
        let is_kept = has_journal && keep.message.properties().is_persistent();
        let ticket = keep.ticket.take();
        let Some(value) = self.value(&keep.message) else {
            keep.ticket = ticket;
            return is_kept_or_taken(keep, is_kept);
        };
        let is_table_kept = self.table.as_ref().is_some_and(|table| table.id().is_some());
        let (ticket, for_value) = match ticket {
            Some(ticket) if is_kept && is_table_kept => {
                let [one, other] = Both::tickets(ticket);
                (Some(one), Some(other))
            }
            ticket => (ticket, None),
        };
        let noted = self.note(&value, keep.sequence, &keep.message, for_value, now);
        keep.ticket = match ticket {
            Some(ticket) if is_kept && replaces.is_none() => Some(Remembered::from(noted).guard(ticket)),
            ticket => ticket,
        };
        is_kept_or_taken(keep, is_kept)
    }

    /// A message with a value is in the queue. Where its value outlives it, `ticket` is answered when that is on disk;
    /// else at once.
    fn note(
        &self,
        value: &[u8],
        sequence: u64,
        message: &Message,
        ticket: Option<ConfirmTicket>,
        now: Millis,
    ) -> Noted {
        if let Some(table) = &self.table {
            let number = table.remember_for(value, message.properties(), ticket, now);
            return Noted::Seen(Arc::clone(table), number);
        }
        ticket.into_iter().for_each(ConfirmTicket::taken);
        self.present.came(sequence, value);
        Noted::Present(Arc::clone(&self.present), sequence)
    }

    /// The queue took a message before the restart.
    pub fn came_back(&mut self, sequence: u64, message: &Message, now: Millis) {
        match &self.table {
            Some(table) => table.rediscover(message, now),
            None => {
                if let Some(value) = self.value(message) {
                    self.present.came(sequence, &value);
                }
            }
        }
    }

    /// A message left the queue.
    pub fn went(&mut self, sequence: u64) {
        self.present.went(sequence);
    }
}

/// Gives a message back that the store has to keep, and takes the other at once.
fn is_kept_or_taken(keep: Keep, is_kept: bool) -> Option<Keep> {
    if is_kept {
        return Some(keep);
    }
    keep.ticket.into_iter().for_each(ConfirmTicket::taken);
    None
}

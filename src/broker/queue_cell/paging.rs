//! What a queue does when memory is short: it leaves bodies on disk and takes them back.

use std::sync::Arc;

use crate::broker::paging::REPORT_BYTES;
use crate::model::{Message, Millis};
use crate::queue::{Command, READ_AHEAD, Sequence, Wanted};
use crate::store::{QueueId, QueueJournal};

use super::spilling::Spilling;
use super::{Aftermath, Inner, QueueCell};

impl QueueCell {
    /// Reports what the waiting messages take, and gives bodies up where that is too much.
    pub(super) fn report(&self, inner: &mut Inner, now: Millis) {
        self.note_paged(inner);
        let resident = self.resident_bytes(inner);
        if resident.abs_diff(inner.reported) < REPORT_BYTES {
            return;
        }
        self.paging.report(inner.reported, resident);
        inner.reported = resident;
        self.page_out(inner, now);
    }

    fn resident_bytes(&self, inner: &Inner) -> u64 {
        let unwritten = self.spilling().map(Spilling::bytes);
        inner.core.resident_bytes() + unwritten.unwrap_or(0)
    }

    fn page_out(&self, inner: &mut Inner, now: Millis) {
        if !self.paging.presses(inner.core.resident_bytes()) {
            return;
        }
        let command = Command::PageOut { keep: READ_AHEAD };
        inner.core.apply(command, now, &mut inner.scratch.effects);
        self.note_paged(inner);
        let resident = self.resident_bytes(inner);
        self.paging.report(inner.reported, resident);
        inner.reported = resident;
    }

    /// Counts messages that went to disk only; what came back is counted where it is read.
    fn note_paged(&self, inner: &mut Inner) {
        let on_disk = inner.core.on_disk();
        if on_disk > inner.on_disk {
            self.paging.note_out(on_disk - inner.on_disk);
        }
        inner.on_disk = on_disk;
    }

    /// Gives bodies up where memory is short, without another reason.
    pub fn relieve(&self, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if let Some(spilling) = self.spilling() {
            spilling.try_again();
        }
        self.page_out(&mut inner, now);
        // A queue that was never given a command asks for nothing.
        if inner.scratch.is_made() {
            self.run(&mut inner, now, aftermath);
        }
    }

    /// Takes messages that the store is to have for as long as the process lives.
    pub(super) fn spill(&self, messages: Vec<(Sequence, Message)>) {
        let spilling = &self.aside().spilling;
        spilling.add(messages);
        if spilling.wants_journal() {
            self.paging.ask(self.this.clone());
        }
    }

    /// Takes the journal for spilled messages, where one is needed; `make` makes it.
    pub(in crate::broker) fn equip_spilling(&self, make: impl FnOnce() -> Arc<QueueJournal>) {
        let _inner = self.inner.lock();
        let spilling = self.spilling().filter(|spilling| spilling.wants_journal());
        if let Some(spilling) = spilling
            && !self.is_deleted()
        {
            spilling.set_journal(make());
        }
    }

    /// The id in the store of spilled messages, where there are any.
    pub(in crate::broker) fn spilled_id(&self) -> Option<QueueId> {
        self.spilling()?.id()
    }

    /// The body of a spilled message that is not on disk yet.
    pub(in crate::broker) fn spilled_body(&self, sequence: Sequence) -> Option<Message> {
        self.spilling()?.body(sequence)
    }

    /// The messages whose bodies are to be read next, in two lists.
    #[must_use]
    pub fn to_load(&self) -> [Vec<Wanted>; 2] {
        self.inner.lock().core.to_load()
    }

    /// Takes bodies that were read.
    pub fn loaded(&self, bodies: Vec<(Sequence, Option<Message>)>, now: Millis, aftermath: &mut Aftermath) {
        self.paging
            .note_in(bodies.iter().filter(|(_, body)| body.is_some()).count() as u64);
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::Loaded(bodies), now, aftermath);
    }

    /// How many waiting messages are on disk.
    #[must_use]
    pub fn on_disk(&self) -> u64 {
        self.inner.lock().core.on_disk()
    }
}

impl Drop for QueueCell {
    fn drop(&mut self) {
        self.paging.report(self.inner.get_mut().reported, 0);
    }
}

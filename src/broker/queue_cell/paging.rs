//! What a queue does when memory is short: it leaves bodies on disk and takes them back.

use crate::broker::paging::REPORT_BYTES;
use crate::model::{Message, Millis};
use crate::queue::{Command, READ_AHEAD, Sequence};

use super::{Aftermath, Inner, QueueCell};

impl QueueCell {
    /// Reports what the waiting messages take, and gives bodies up where that is too much.
    pub(super) fn report(&self, inner: &mut Inner, now: Millis) {
        self.note_paged(inner);
        let resident = inner.core.resident_bytes();
        if resident.abs_diff(inner.reported) < REPORT_BYTES {
            return;
        }
        self.paging.report(inner.reported, resident);
        inner.reported = resident;
        self.page_out(inner, now);
    }

    fn page_out(&self, inner: &mut Inner, now: Millis) {
        if self.journal.is_none() || !self.paging.presses(inner.reported) {
            return;
        }
        let command = Command::PageOut { keep: READ_AHEAD };
        inner.core.apply(command, now, &mut inner.effects);
        self.note_paged(inner);
        let resident = inner.core.resident_bytes();
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
        self.page_out(&mut inner, now);
        self.run(&mut inner, now, aftermath);
    }

    /// The messages whose bodies are to be read next.
    #[must_use]
    pub fn to_load(&self) -> Vec<Sequence> {
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

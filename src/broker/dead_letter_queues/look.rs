//! Going through what waits in a queue, on disk too, without holding the queue.

use crate::model::{Millis, Name};
use crate::queue::WaitingPlace;
use crate::store::StoreError;

use super::super::Broker;
use super::super::queue_cell::{QueueCell, Stretch, WaitingMessage};
use super::Letter;
use super::letter::age_ms;

/// How many messages are looked at under one lock of their queue: a few microseconds.
const STRETCH: usize = 256;

impl Broker {
    /// The next messages from a place on, and the place behind them; no place at the end of the queue. Blocks on the
    /// disk where the queue has left them there.
    pub(super) fn look(
        &self,
        queue: &QueueCell,
        from: WaitingPlace,
    ) -> Result<(Vec<WaitingMessage>, Option<WaitingPlace>), StoreError> {
        let away = match queue.stretch(from, STRETCH) {
            Stretch::Here(found) => {
                let next = found.last().map(|last| last.place.next());
                return Ok((found, next));
            }
            Stretch::OnDisk(away) => away,
        };
        let wanted: Vec<_> = away.iter().map(|(wanted, _)| *wanted).collect();
        let bodies = self.read_wanted(queue, &wanted)?;
        let next = away.get(..bodies.len()).and_then(|read| read.last());
        let next = next.map(|(_, last)| last.place.next());
        // One without a body has gone meanwhile.
        let found = away.into_iter().zip(bodies).filter_map(|((_, waiting), (_, message))| {
            Some(WaitingMessage {
                message: message?,
                ..waiting
            })
        });
        Ok((found.collect(), next))
    }

    /// Gives `each` what waits now, a stretch at a time, until it has enough.
    pub(super) fn look_through(
        &self,
        queue: &QueueCell,
        mut each: impl FnMut(Vec<WaitingMessage>) -> bool,
    ) -> Result<(), StoreError> {
        let (_, end) = queue.extent();
        let mut from = Some(WaitingPlace::HEAD);
        while let Some(place) = from {
            let (mut waiting, next) = self.look(queue, place)?;
            from = next;
            if let Some(at) = waiting.iter().position(|waiting| waiting.place.sequence >= end) {
                from = waiting[at].place.next_level();
                waiting.truncate(at);
            }
            if !each(waiting) {
                break;
            }
        }
        Ok(())
    }
}

impl QueueCell {
    /// The queues that took a letter in a replay while another one refused it. The next replay leaves them out.
    #[must_use]
    pub fn sent_back_to(&self, letter: &Letter) -> Vec<Name> {
        self.partly().names(letter.sequence())
    }
}

/// How long the message that waits longest has been in its queue.
pub(super) fn oldest_age_ms(queue: &QueueCell, now: Millis) -> Option<Millis> {
    let (came, message) = queue.oldest()?;
    let headers = message.and_then(|message| message.properties().headers().ok());
    Some(age_ms(came, &headers.unwrap_or_default(), now))
}

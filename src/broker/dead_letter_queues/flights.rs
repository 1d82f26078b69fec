//! Letters on their way back, and the answers of the queues that they go to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{ConfirmSink, ConfirmTicket, Message, Millis};
use crate::queue::{Incoming, Sequence, UnackedId};
use crate::store::QueueId;

use super::super::queue_cell::{Aftermath, QueueRef};
use super::replays::Signal;

/// What a queue says of one letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    letter: Sequence,
    queue: QueueId,
    refused: bool,
}

/// The letters for one queue.
pub(super) struct Batch {
    queue: QueueRef,
    sink: Arc<dyn ConfirmSink>,
    letters: Vec<Incoming>,
}

struct Listener {
    queue: QueueId,
    signal: Arc<Signal>,
}

impl ConfirmSink for Listener {
    fn taken(&self, letter: u64) {
        self.answer(letter, false);
    }

    fn refused(&self, letter: u64) {
        self.answer(letter, true);
    }
}

impl Listener {
    fn answer(&self, letter: Sequence, refused: bool) {
        let queue = self.queue;
        self.signal.answer(Answer { letter, queue, refused });
    }
}

impl Batch {
    /// Nothing for `queue` yet, which is to answer to `signal`.
    pub fn new(queue: &QueueRef, signal: &Arc<Signal>) -> Self {
        let (id, signal) = (queue.0.id, Arc::clone(signal));
        Self {
            queue: queue.clone(),
            sink: Arc::new(Listener { queue: id, signal }),
            letters: Vec::new(),
        }
    }

    /// Adds a letter, told by its number in the queue that it comes from.
    pub fn push(&mut self, message: &Message, letter: Sequence) {
        self.letters.push(Incoming {
            message: message.clone(),
            persistent: message.properties().is_persistent(),
            ticket: Some(ConfirmTicket::new(Arc::clone(&self.sink), letter)),
        });
    }

    /// Hands all to the queue.
    pub fn send(self, now: Millis, aftermath: &mut Aftermath) {
        self.queue.0.enqueue_again(self.letters, now, aftermath);
    }
}

/// What became of one letter.
#[derive(Debug)]
pub(super) struct Landed {
    pub letter: Sequence,
    pub id: UnackedId,
    /// All its queues have it.
    pub is_done: bool,
    /// Who took it, where not all did.
    pub taken_by: Vec<QueueRef>,
}

impl Landed {
    /// All its queues have it already.
    pub fn everywhere(letter: Sequence, id: UnackedId) -> Self {
        Self {
            letter,
            id,
            is_done: true,
            taken_by: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Flight {
    id: UnackedId,
    bytes: usize,
    /// Those that have not answered.
    asked: Vec<QueueRef>,
    taken_by: Vec<QueueRef>,
    refused: bool,
}

impl Flight {
    fn landed(self, letter: Sequence) -> Landed {
        let is_done = !self.refused && self.asked.is_empty();
        Landed {
            letter,
            id: self.id,
            is_done,
            taken_by: if is_done { Vec::new() } else { self.taken_by },
        }
    }
}

/// All letters on their way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flights: BTreeMap<Sequence, Flight>,
    bytes: usize,
}

impl Flights {
    /// A letter was sent to these queues.
    pub fn begin(&mut self, letter: Sequence, id: UnackedId, bytes: usize, queues: Vec<QueueRef>) {
        self.bytes += bytes;
        let flight = Flight {
            id,
            bytes,
            asked: queues,
            taken_by: Vec::new(),
            refused: false,
        };
        self.flights.insert(letter, flight);
    }

    /// Notes an answer; the letter, if it was the last one.
    pub fn answered(&mut self, answer: Answer) -> Option<Landed> {
        let flight = self.flights.get_mut(&answer.letter)?;
        let at = flight.asked.iter().position(|queue| queue.0.id == answer.queue)?;
        let queue = flight.asked.swap_remove(at);
        match answer.refused {
            true => flight.refused = true,
            false => flight.taken_by.push(queue),
        }
        if !flight.asked.is_empty() {
            return None;
        }
        let flight = self.flights.remove(&answer.letter)?;
        self.bytes -= flight.bytes;
        Some(flight.landed(answer.letter))
    }

    /// Waits for no more answers.
    pub fn give_up(&mut self) -> Vec<Landed> {
        self.bytes = 0;
        let flights = std::mem::take(&mut self.flights).into_iter();
        flights.map(|(letter, flight)| flight.landed(letter)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Bytes of their bodies.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

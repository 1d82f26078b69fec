//! A consumer: one connection, one thread, deliveries decoded where they were read.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::connection::{Connection, Progress, unasked};
use super::deliveries::{Delivered, DeliveryDecoder, Incoming};
use super::error::BenchError;
use super::latency::Latencies;
use super::load::AckMode;
use super::shared::{Control, Counters};
use super::wire::ack;

/// Everything that one consumer's thread needs.
#[derive(Debug)]
pub struct Consumer {
    /// Its open connection, consuming.
    pub connection: Connection,
    /// `host:port`, for errors.
    pub address: String,
    /// How it acknowledges.
    pub acks: Acks,
    /// What it has done.
    pub counters: Arc<Counters>,
    /// Orders.
    pub control: Arc<Control>,
    /// Times from intended sending to arrival.
    pub latencies: Latencies,
}

impl Consumer {
    /// Consumes until everything is to stop. Gives back the connection, open, and the latencies.
    ///
    /// # Errors
    /// The connection's.
    pub fn run(mut self) -> Result<(Connection, Latencies), BenchError> {
        let mut decoder = DeliveryDecoder::default();
        while !self.control.all_stop() {
            match self.connection.fill()? {
                Progress::Bytes(_) => self.take_all(&mut decoder)?,
                Progress::TimedOut => self.acks.rest(),
            }
            self.write_acks()?;
        }
        self.acks.rest();
        self.write_acks()?;
        Ok((self.connection, self.latencies))
    }

    fn take_all(&mut self, decoder: &mut DeliveryDecoder) -> Result<(), BenchError> {
        let now_ns = self.control.now_ns();
        let measure_from_ns = self.control.measure_from_ns.load(Relaxed);
        let (mut consumed, mut redelivered) = (0, 0);
        while let Some(frame) = self.connection.next_frame()? {
            let message = match decoder.take(frame) {
                Ok(Incoming::Delivered(message)) => message,
                Ok(Incoming::Partial) => continue,
                Ok(Incoming::Other(_)) => {
                    unasked(&self.address, frame)?;
                    continue;
                }
                Err(what) => return Err(self.connection.broken(what)),
            };
            consumed += 1;
            redelivered += u64::from(message.redelivered);
            if let Some(sent_ns) = message.sent_ns
                && sent_ns >= measure_from_ns
            {
                self.latencies.record(sent_ns, now_ns);
            }
            self.acks.delivered(message);
        }
        if consumed > 0 {
            self.counters.last_consumed_ns.store(now_ns, Relaxed);
            self.counters.redelivered.fetch_add(redelivered, Relaxed);
            self.counters.consumed.fetch_add(consumed, Relaxed);
        }
        Ok(())
    }

    /// Writes what acks it can; the rest goes with the next read, so that a broker that waits
    /// for us to read is not waited for.
    fn write_acks(&mut self) -> Result<(), BenchError> {
        while !self.acks.encoded().is_empty() {
            match self.connection.write(self.acks.encoded())? {
                Progress::Bytes(count) => self.acks.wrote(count),
                Progress::TimedOut => break,
            }
        }
        Ok(())
    }
}

/// Acks encoded and not yet written.
#[derive(Debug)]
pub struct Acks {
    mode: AckMode,
    encoded: Vec<u8>,
    /// Deliveries since the last ack of a batch.
    pending: u64,
    last_tag: u64,
}

impl Acks {
    /// None yet.
    pub fn new(mode: AckMode) -> Self {
        Self {
            mode,
            encoded: Vec::new(),
            pending: 0,
            last_tag: 0,
        }
    }

    /// Takes a delivered message and encodes the ack that is due with it, if one is.
    #[inline]
    pub fn delivered(&mut self, message: Delivered) {
        match self.mode {
            AckMode::None => {}
            AckMode::Each => {
                let frame = ack(message.delivery_tag, false);
                self.encoded.extend_from_slice(&frame);
            }
            AckMode::Batch(size) => {
                self.pending += 1;
                self.last_tag = message.delivery_tag;
                if self.pending >= size {
                    self.rest();
                }
            }
        }
    }

    /// Encodes the ack of an unfinished batch.
    pub fn rest(&mut self) {
        if self.pending > 0 {
            self.encoded.extend_from_slice(&ack(self.last_tag, true));
            self.pending = 0;
        }
    }

    /// What is to be written.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Forgets the first `count` bytes.
    pub fn wrote(&mut self, count: usize) {
        if count == self.encoded.len() {
            self.encoded.clear();
        } else {
            self.encoded.drain(..count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mode: AckMode, deliveries: u64) -> Acks {
        let mut acks = Acks::new(mode);
        for delivery_tag in 1..=deliveries {
            acks.delivered(Delivered {
                delivery_tag,
                redelivered: false,
                sent_ns: None,
            });
        }
        acks
    }

    #[test]
    fn acks_by_mode() {
        assert!(after(AckMode::None, 9).encoded().is_empty());
        let each = [ack(1, false), ack(2, false)].concat();
        assert_eq!(after(AckMode::Each, 2).encoded(), each);
        let mut batch = after(AckMode::Batch(3), 7);
        assert_eq!(batch.encoded(), [ack(3, true), ack(6, true)].concat());
        batch.rest();
        batch.rest();
        let all = [ack(3, true), ack(6, true), ack(7, true)].concat();
        assert_eq!(batch.encoded(), all);
    }

    #[test]
    fn a_partial_write_leaves_the_rest() {
        let mut acks = after(AckMode::Each, 3);
        acks.wrote(25);
        assert_eq!(acks.encoded(), &[ack(2, false), ack(3, false)].concat()[4..]);
        acks.wrote(38);
        assert!(acks.encoded().is_empty());
    }
}

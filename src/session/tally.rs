//! What a channel counts between two flushes: plain numbers, which become part of the shared counters once a read.

use std::sync::Arc;

use crate::broker::{Count, Counters, ExchangeTraffic};

use super::Session;

/// Counts of one channel that nobody else has seen yet.
#[derive(Debug, Default)]
pub struct Tally {
    /// Where the publishes below went.
    exchange: Option<Arc<ExchangeTraffic>>,
    /// Publishes to that exchange, and the queues that they reached.
    published: u64,
    reached: u64,
    /// Publishes to exchanges before it.
    published_before: u64,
    returned: u64,
    dropped: u64,
    acked: u64,
    /// The channel stands in the session's list of those that have counted something.
    is_listed: bool,
}

impl Tally {
    /// What is published from now on goes to this exchange.
    pub fn enter(&mut self, exchange: Arc<ExchangeTraffic>) {
        self.leave_exchange();
        self.exchange = Some(exchange);
    }

    /// The exchange of the last publish.
    #[must_use]
    pub fn exchange(&self) -> Option<&Arc<ExchangeTraffic>> {
        self.exchange.as_ref()
    }

    /// One message was published and reached so many queues.
    pub fn publish(&mut self, queues: usize, mandatory: bool) {
        self.published += 1;
        self.reached += queues as u64;
        if queues == 0 {
            match mandatory {
                true => self.returned += 1,
                false => self.dropped += 1,
            }
        }
    }

    fn leave_exchange(&mut self) {
        if self.published > 0
            && let Some(exchange) = &self.exchange
        {
            exchange.add(self.published, self.reached);
        }
        self.published_before += std::mem::take(&mut self.published);
        self.reached = 0;
    }

    /// Gives how many were published.
    fn hand_over(&mut self, channel: &Counters, vhost: &Counters) -> u64 {
        self.leave_exchange();
        let published = self.published_before;
        channel.add(Count::Ack, std::mem::take(&mut self.acked));
        for (count, by) in [
            (Count::Publish, &mut self.published_before),
            (Count::ReturnUnroutable, &mut self.returned),
            (Count::DropUnroutable, &mut self.dropped),
        ] {
            let by = std::mem::take(by);
            channel.add(count, by);
            vhost.add(count, by);
        }
        self.is_listed = false;
        published
    }
}

impl Session {
    /// Makes what was counted since the last time part of what everybody sees.
    pub(super) fn hand_over_tallies(&mut self) {
        let Some(place) = &self.place else {
            return;
        };
        self.broker.note_sizes(&mut self.sizes);
        for number in self.tallied.drain(..) {
            if let Some(channel) = self.channels.get_mut(number) {
                let counters = &channel.deliveries.counters;
                let published = channel.tally.hand_over(counters, place.vhost.traffic());
                if channel.confirms.is_some() {
                    self.broker.note_with_confirms(published);
                }
            }
        }
    }
}

/// Notes that the channel has counted something.
pub fn list(tally: &mut Tally, number: u16, tallied: &mut Vec<u16>) {
    if !tally.is_listed {
        tally.is_listed = true;
        tallied.push(number);
    }
}

/// So many deliveries were acked on the channel.
pub fn acked(tally: &mut Tally, number: u16, by: usize, tallied: &mut Vec<u16>) {
    tally.acked += by as u64;
    list(tally, number, tallied);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_once_where_it_belongs() {
        let (channel, vhost) = (Counters::default(), Counters::default());
        let (first, second) = (Arc::<ExchangeTraffic>::default(), Arc::<ExchangeTraffic>::default());
        let mut tally = Tally::default();
        let mut listed = Vec::new();
        tally.enter(Arc::clone(&first));
        tally.publish(2, false);
        tally.publish(0, true);
        tally.enter(Arc::clone(&second));
        tally.publish(0, false);
        acked(&mut tally, 7, 3, &mut listed);
        list(&mut tally, 7, &mut listed);
        assert_eq!(listed, [7]);
        assert_eq!(tally.hand_over(&channel, &vhost), 3);
        assert_eq!(tally.hand_over(&channel, &vhost), 0);
        assert_eq!(first.totals(), [2, 2]);
        assert_eq!(second.totals(), [1, 0]);
        for (count, in_channel, in_vhost) in [
            (Count::Publish, 3, 3),
            (Count::ReturnUnroutable, 1, 1),
            (Count::DropUnroutable, 1, 1),
            (Count::Ack, 3, 0),
        ] {
            assert_eq!(channel.totals().of(count), in_channel, "{count:?}");
            assert_eq!(vhost.totals().of(count), in_vhost, "{count:?}");
        }
        list(&mut tally, 7, &mut listed);
        assert_eq!(listed, [7, 7], "listed anew");
    }
}

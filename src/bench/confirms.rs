//! Publisher confirms and returned messages (RabbitMQ: "Consumer Acknowledgements and
//! Publisher Confirms").

use super::error::ProtocolError;
use super::frames::{Fields, Frame};
use super::wire::{METHOD, Method};

/// The messages that were published and not yet confirmed, by delivery tag.
///
/// Confirms may come in any order; a tag is counted once. No allocation after `new`.
#[derive(Debug)]
pub struct ConfirmWindow {
    size: u64,
    /// Last tag published.
    last: u64,
    /// Lowest tag not confirmed.
    lowest: u64,
    /// Published and not confirmed.
    outstanding: u64,
    /// Tags confirmed ahead of `lowest`, a bit each, by tag modulo the number of bits.
    early: Vec<u64>,
}

impl ConfirmWindow {
    /// A window of `size` messages, at least one.
    pub fn new(size: u64) -> Self {
        let words = (size.max(16) * 4).next_power_of_two() / 64;
        Self {
            size: size.max(1),
            last: 0,
            lowest: 1,
            outstanding: 0,
            early: vec![0; usize::try_from(words).unwrap_or(usize::MAX)],
        }
    }

    /// How many messages may be unconfirmed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many messages may be published now.
    pub fn room(&self) -> u64 {
        let span = self.last + 1 - self.lowest;
        (self.size - self.outstanding).min(self.early.len() as u64 * 64 - span)
    }

    /// Messages published and not confirmed.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Counts messages that are about to be written, at most [`Self::room`].
    pub fn publish(&mut self, messages: u64) {
        self.last += messages;
        self.outstanding += messages;
    }

    /// Takes one ack or nack and returns how many messages it settles. With `multiple`, tag 0
    /// stands for all.
    ///
    /// # Errors
    /// A tag that is not outstanding.
    pub fn settle(&mut self, tag: u64, multiple: bool) -> Result<u64, ProtocolError> {
        let upto = if multiple && tag == 0 { self.last } else { tag };
        if upto > self.last || upto < self.lowest || self.is_early(upto) && !multiple {
            return Err(ProtocolError::Confirm(tag));
        }
        let mut settled = 0;
        if multiple {
            while self.lowest <= upto {
                settled += u64::from(!self.clear_early(self.lowest));
                self.lowest += 1;
            }
        } else {
            settled = 1;
            if tag == self.lowest {
                self.lowest += 1;
            } else {
                let (word, bit) = self.place(tag);
                self.early[word] |= bit;
            }
        }
        while self.lowest <= self.last && self.clear_early(self.lowest) {
            self.lowest += 1;
        }
        self.outstanding -= settled;
        Ok(settled)
    }

    fn place(&self, tag: u64) -> (usize, u64) {
        let bits = self.early.len() as u64 * 64;
        let at = tag % bits;
        ((at / 64) as usize, 1 << (at % 64))
    }

    fn is_early(&self, tag: u64) -> bool {
        let (word, bit) = self.place(tag);
        self.early[word] & bit != 0
    }

    fn clear_early(&mut self, tag: u64) -> bool {
        let (word, bit) = self.place(tag);
        let was = self.early[word] & bit != 0;
        self.early[word] &= !bit;
        was
    }
}

/// What a producer was told since it was counted last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Messages acked.
    pub acked: u64,
    /// Messages nacked.
    pub nacked: u64,
    /// Messages returned as unroutable.
    pub returned: u64,
}

/// Takes one frame of a producer's connection. Returns the method if it is none of ack, nack
/// and return; a returned message's content is skipped.
///
/// # Errors
/// Truncated fields, or a confirm of something not outstanding.
pub fn take(
    window: &mut Option<ConfirmWindow>,
    settled: &mut Settled,
    frame: Frame<'_>,
) -> Result<Option<Method>, ProtocolError> {
    if frame.kind != METHOD {
        return Ok(None);
    }
    let mut fields = Fields(frame.payload);
    let method = fields.method()?;
    match (method, window) {
        ((60, 80 | 120), Some(window)) => {
            let tag = fields.long_long()?;
            let multiple = fields.octet()? & 1 == 1;
            let count = window.settle(tag, multiple)?;
            if method.1 == 80 {
                settled.acked += count;
            } else {
                settled.nacked += count;
            }
            Ok(None)
        }
        ((60, 50), _) => {
            settled.returned += 1;
            Ok(None)
        }
        _ => Ok(Some(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_in_any_order_count_once() {
        let mut window = ConfirmWindow::new(10);
        window.publish(10);
        assert_eq!(window.room(), 0);
        assert_eq!(window.settle(3, false), Ok(1));
        assert_eq!(window.settle(5, false), Ok(1));
        assert_eq!(window.room(), 2);
        assert_eq!(window.settle(4, true), Ok(3), "1, 2 and 4; 3 was before");
        assert_eq!(window.outstanding(), 5);
        assert_eq!(window.settle(5, false), Err(ProtocolError::Confirm(5)));
        assert_eq!(window.settle(3, false), Err(ProtocolError::Confirm(3)));
        assert_eq!(window.settle(11, true), Err(ProtocolError::Confirm(11)));
        assert_eq!(window.settle(0, false), Err(ProtocolError::Confirm(0)));
        assert_eq!(window.settle(0, true), Ok(5), "0 is all");
        assert_eq!(window.room(), 10);
    }

    #[test]
    fn a_multiple_may_end_on_a_tag_confirmed_before() {
        let mut window = ConfirmWindow::new(10);
        window.publish(4);
        assert_eq!(window.settle(3, false), Ok(1));
        assert_eq!(window.settle(3, true), Ok(2));
        assert_eq!(window.outstanding(), 1);
    }

    #[test]
    fn a_message_never_confirmed_stops_the_window_in_the_end() {
        let mut window = ConfirmWindow::new(2);
        window.publish(2);
        let mut tag = 2;
        window.settle(tag, false).unwrap();
        while window.room() > 0 {
            assert_eq!(window.outstanding(), 1);
            window.publish(1);
            tag += 1;
            window.settle(tag, false).unwrap();
        }
        assert_eq!(tag, 64, "as many as there are bits");
        assert_eq!(window.settle(1, false), Ok(1));
        assert_eq!((window.room(), window.outstanding()), (2, 0));
    }

    #[test]
    fn frames_of_a_producers_connection() {
        let mut window = Some(ConfirmWindow::new(8));
        if let Some(window) = &mut window {
            window.publish(8);
        }
        let mut settled = Settled::default();
        let mut take_method = |payload: &[u8]| {
            let frame = Frame {
                kind: METHOD,
                channel: 1,
                payload,
            };
            take(&mut window, &mut settled, frame)
        };
        let ack = [0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 3, 1];
        let nack = [0, 60, 0, 120, 0, 0, 0, 0, 0, 0, 0, 5, 1];
        assert_eq!(take_method(&ack), Ok(None));
        assert_eq!(take_method(&nack), Ok(None));
        assert_eq!(take_method(&[0, 60, 0, 50, 1, 56]), Ok(None));
        assert_eq!(take_method(&[0, 20, 0, 40]), Ok(Some((20, 40))));
        assert_eq!(take_method(&ack), Err(ProtocolError::Confirm(3)));
        let expected = Settled {
            acked: 3,
            nacked: 2,
            returned: 1,
        };
        assert_eq!(settled, expected);
    }
}

//! The channels of a connection.

use super::content::PendingContent;

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelPhase {
    Open,
    /// A fault was told to the caller, which has not failed the channel yet.
    Faulted,
    /// `channel.close` was written: nothing counts but the client's close and close-ok.
    Closing,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub number: u16,
    pub phase: ChannelPhase,
    /// The publish that is under way.
    pub content: Option<Box<PendingContent>>,
}

/// Channels by number. Clients use few, and one many times in a row, so a sorted list and a memory of the last one
/// found beat a map.
#[derive(Debug, Default)]
pub(super) struct ChannelTable {
    entries: Vec<Channel>,
    last: usize,
}

impl ChannelTable {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub fn get_mut(&mut self, number: u16) -> Option<&mut Channel> {
        if self
            .entries
            .get(self.last)
            .is_none_or(|channel| channel.number != number)
        {
            self.last = self.position(number).ok()?;
        }
        self.entries.get_mut(self.last)
    }

    pub fn get(&self, number: u16) -> Option<&Channel> {
        self.entries.get(self.position(number).ok()?)
    }

    /// Whether the channel is open and awaits a method.
    #[inline]
    pub fn awaits_method(&mut self, number: u16) -> bool {
        self.get_mut(number)
            .is_some_and(|channel| channel.phase == ChannelPhase::Open && channel.content.is_none())
    }

    /// Adds a channel that is not there yet.
    pub fn open(&mut self, number: u16) {
        if let Err(at) = self.position(number) {
            self.entries.insert(
                at,
                Channel {
                    number,
                    phase: ChannelPhase::Open,
                    content: None,
                },
            );
            self.last = at;
        }
    }

    pub fn remove(&mut self, number: u16) {
        if let Ok(at) = self.position(number) {
            self.entries.remove(at);
        }
    }

    pub fn clear(&mut self) {
        self.entries = Vec::new();
    }

    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.entries.iter()
    }

    fn position(&self, number: u16) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&number, |channel| channel.number)
    }
}

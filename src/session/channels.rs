//! The channels of a connection.

use super::channel::Channel;

/// Channels in the order of their numbers. Clients use few, and one many times in a row, so a sorted list and a memory of
/// the last one found beat a map.
#[derive(Debug, Default)]
pub struct Channels {
    entries: Vec<Channel>,
    last: usize,
}

impl Channels {
    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The channel of that number.
    #[must_use]
    pub fn get(&self, number: u16) -> Option<&Channel> {
        self.entries.get(self.position(number).ok()?)
    }

    /// The channel of that number, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: u16) -> Option<&mut Channel> {
        if self.entries.get(self.last).is_none_or(|last| last.number() != number) {
            self.last = self.position(number).ok()?;
        }
        self.entries.get_mut(self.last)
    }

    /// Adds a channel; one of the same number is gone.
    pub fn insert(&mut self, channel: Channel) {
        match self.position(channel.number()) {
            Ok(at) => self.entries[at] = channel,
            Err(at) => self.entries.insert(at, channel),
        }
    }

    /// Takes a channel out.
    pub fn remove(&mut self, number: u16) -> Option<Channel> {
        let at = self.position(number).ok()?;
        Some(self.entries.remove(at))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.entries.iter()
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.entries.iter_mut()
    }

    fn position(&self, number: u16) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&number, Channel::number)
    }
}

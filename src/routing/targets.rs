//! The bindings of an exchange in the order of their destinations, for the types that pick one by number.

use super::binding::DestinationName;

/// Bindings ordered by destination, so that the number of one depends on what is bound and not on when.
#[derive(Debug, Default)]
pub(super) struct Targets(Vec<(DestinationName, u32)>);

impl Targets {
    pub fn add(&mut self, destination: DestinationName, link: u32) {
        let entry = (destination, link);
        if let Err(at) = self.0.binary_search(&entry) {
            self.0.insert(at, entry);
        }
    }

    pub fn remove(&mut self, destination: DestinationName, link: u32) {
        if let Ok(at) = self.0.binary_search(&(destination, link)) {
            self.0.remove(at);
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The binding with this number.
    pub fn get(&self, at: usize) -> Option<u32> {
        self.0.get(at).map(|&(_, link)| link)
    }
}

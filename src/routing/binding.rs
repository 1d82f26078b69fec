//! Bindings as the outside sees them.

use crate::model::{FieldTable, Name};

/// Where a binding leads, with the handle that a routed message is given for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination<Q> {
    /// A queue.
    Queue {
        /// Its name.
        name: Name,
        /// The broker's handle of it.
        handle: Q,
    },
    /// Another exchange of the same virtual host.
    Exchange(Name),
}

/// Where a binding leads, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DestinationName {
    /// A queue.
    Queue(Name),
    /// An exchange.
    Exchange(Name),
}

impl DestinationName {
    /// The name, whatever kind of thing it names.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }

    /// `queue` or `exchange`, as RabbitMQ calls the kind in texts and definitions.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
        }
    }
}

/// One binding. Source, destination, key and arguments together are its identity: the same four are one binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The exchange that it takes messages from.
    pub source: Name,
    /// Where it leads.
    pub destination: DestinationName,
    /// The binding key.
    pub routing_key: Name,
    /// Its arguments, in the order of their names.
    pub arguments: FieldTable,
}

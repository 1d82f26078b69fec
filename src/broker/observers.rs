//! Who looks on: the tracer, the event exchange, and the name under which the broker tells of itself.

use std::sync::Arc;

use crate::model::Name;
use crate::telemetry::Tracer;

use super::{Broker, EventDesk};

/// What is told once, before the first connection.
#[derive(Debug, Default)]
pub struct Observers {
    /// The node's name, as the API gives it.
    pub node_name: Name,
    /// Where traces are on.
    pub tracer: Option<Arc<Tracer>>,
    /// Where the event exchange is on.
    pub events: Option<EventDesk>,
}

impl Broker {
    /// Takes the observers. A second call changes nothing.
    pub fn observe(&self, observers: Observers) {
        let _ = self.observers.set(observers);
    }

    /// Where traces are on.
    #[must_use]
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.observers.get()?.tracer.as_ref()
    }

    /// The node's name; empty before it was told.
    #[must_use]
    pub fn node_name(&self) -> &str {
        self.observers.get().map_or("", |observers| &observers.node_name)
    }
}

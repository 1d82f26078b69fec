//! What looks on while the broker runs, from its start to its end: traces and events.

use std::sync::Arc;

use crate::broker::{Broker, EventDesk, Observers};
use crate::config::Config;
use crate::telemetry::{Exporter, SpanQueue, TelemetryError, Tracer};

use super::settings;

/// What runs beside the broker.
pub struct Telemetry {
    exporter: Option<Exporter>,
}

/// Starts what the configuration asks for. To be called before the first connection; `seed` is random.
pub fn start(config: &Config, broker: &Broker, seed: u64) -> Result<Telemetry, TelemetryError> {
    let mut observers = Observers {
        node_name: settings::node_name(config).into(),
        tracer: None,
        events: None,
    };
    if config.events.exchange {
        let most = config.events.queue_max_events as usize;
        observers.events = Some(EventDesk::new(config.events.vhost.as_str().into(), most));
    }
    let mut exporter = None;
    if let Some(settings) = settings::tracing(config)? {
        let queue = Arc::new(SpanQueue::new(settings.queue_max, settings.batch_max));
        observers.tracer = Some(Arc::new(Tracer::new(&settings, Arc::clone(&queue), seed)));
        exporter = Some(Exporter::start(&settings, queue)?);
        tracing::info!(endpoint = settings.endpoint, "traces are sent");
    }
    broker.observe(observers);
    Ok(Telemetry { exporter })
}

/// Makes the event exchange, or removes one that is no longer wanted. To be called once the vhosts stand.
pub fn place_events(config: &Config, broker: &Broker) -> Result<(), String> {
    let wanted = config.events.exchange.then_some(&*config.events.vhost);
    if let Some(vhost) = wanted
        && broker.vhost(vhost).is_none()
    {
        return Err(format!(
            "events.vhost '{vhost}' does not exist; name one that does, such as '/'"
        ));
    }
    broker.place_event_exchange(wanted).map_err(|error| error.text)
}

impl Telemetry {
    /// Sends the last spans.
    pub fn stop(self) {
        if let Some(exporter) = self.exporter {
            exporter.stop();
        }
    }
}

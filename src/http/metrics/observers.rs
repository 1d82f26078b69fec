//! Traces and events: what was sent, and what there was no room for. Zeros where they are off.

use super::super::Api;
use super::text::Text;

pub fn write(text: &mut Text, api: &Api) {
    let tracer = api.broker.tracer();
    let [recorded, dropped, exported, failed] = tracer.map(|tracer| tracer.queue().counts()).unwrap_or_default();
    let (published, lost) = api.broker.event_counts().unwrap_or_default();
    for (name, help, value) in [
        (
            "warren_tracing_spans_recorded_total",
            "Spans put into the queue to the collector",
            recorded,
        ),
        (
            "warren_tracing_spans_dropped_total",
            "Spans for which the queue had no room",
            dropped,
        ),
        (
            "warren_tracing_spans_exported_total",
            "Spans that the collector took",
            exported,
        ),
        (
            "warren_tracing_spans_failed_total",
            "Spans that the collector did not take",
            failed,
        ),
        (
            "warren_events_published_total",
            "Events published to amq.rabbitmq.event",
            published,
        ),
        (
            "warren_events_dropped_total",
            "Events for which there was no room",
            lost,
        ),
    ] {
        text.counter(name, help, value);
    }
    let waiting = tracer.map_or(0, |tracer| tracer.queue().len());
    text.gauge("warren_tracing_spans_waiting", "Spans that wait to be sent", waiting);
}

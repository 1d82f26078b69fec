//! Traces of messages (OpenTelemetry): which message is sampled, what its spans are called, and their way out.
//!
//! A message belongs to a trace where its header `traceparent` says so (W3C: "Trace Context"). The broker's spans are
//! children of what the header names, and the header is rewritten to name the broker's span, so that the consumer's
//! spans hang below it; `tracestate` and everything else go on as they came. A message that is not sampled is not
//! touched.
//!
//! | span | kind | parent | from and to |
//! |---|---|---|---|
//! | `publish EXCHANGE` | consumer | the publisher's span | read from the socket, handed to the queues |
//! | `route EXCHANGE` | internal | publish | the router's work |
//! | `deliver QUEUE`, `get QUEUE` | producer | publish, or the dead letter's | encoded for the consumer |
//! | `ack QUEUE`, `reject QUEUE`, `requeue QUEUE` | server | the delivery | how long the consumer held it |
//! | `dead-letter QUEUE` | internal | publish, or the last dead letter's | died, routed anew |
//!
//! Kinds are what the applications on both sides see: the publisher's span has kind producer and the consumer's has
//! kind consumer, so the broker stands between them as a service that consumes and produces.
//!
//! Names and attributes follow OpenTelemetry's "Semantic conventions for RabbitMQ"; `messaging.system` is `rabbitmq`,
//! because the attributes of that system are the ones that fit, and tools know them.

mod context;
mod exporter;
mod messages;
mod outgoing;
mod settings;
mod tracer;

pub use context::{TRACEPARENT, TraceContext};
pub use exporter::Exporter;
pub use messages::{Handover, OutSpan, PublishSpan, Settlement};
pub use outgoing::SpanQueue;
pub use settings::{TelemetryError, TracingSettings, parse_headers};
pub use tracer::{Begun, Tracer};

#[cfg(test)]
mod tests;

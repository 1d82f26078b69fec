//! Logs: readable on a terminal, JSON for machines, a level a module.

use std::fmt::{Debug, Display, Formatter, Write};
use std::io::{IsTerminal, stderr};
use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};
use crate::http::{LogRing, RingLayer};

/// Changes the levels while the broker runs.
pub struct Levels(reload::Handle<EnvFilter, Registry>);

impl Levels {
    /// Takes the levels of a new configuration.
    pub fn set(&self, log: &Log) {
        if let Err(error) = self.0.reload(filter(log)) {
            tracing::error!(%error, "cannot change the log levels");
        }
    }
}

/// Starts logging to standard error and, where there is one, into the ring of the live log.
pub fn start(log: &Log, ring: Option<Arc<LogRing>>) -> Levels {
    let (filter, handle) = reload::Layer::new(filter(log));
    let json = match log.format {
        LogFormat::Auto => !stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(layer(json))
        .with(ring.map(RingLayer));
    // Fails only where a test has set one before; then that one stays.
    let _ = subscriber.try_init();
    Levels(handle)
}

fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(json: bool) -> Box<dyn Layer<S> + Send + Sync> {
    if json {
        let layer = fmt::layer().with_writer(stderr).json().flatten_event(true);
        return layer.with_current_span(true).with_span_list(false).boxed();
    }
    let colours = stderr().is_terminal();
    // Names come from clients: none of them may end a line, begin one of its own, or steer the terminal.
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", OneLine(value)),
        name => write!(writer, "{name}={}", OneLine(value)),
    });
    let layer = fmt::layer().with_writer(stderr).with_ansi(colours);
    layer.fmt_fields(fields.delimited(" ")).boxed()
}

/// A value with its control characters escaped.
struct OneLine<'a>(&'a dyn Debug);

impl Display for OneLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(Escaping(f), "{:?}", self.0)
    }
}

/// Escapes what is written through it.
struct Escaping<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let plain = part.trim_end_matches(char::is_control);
            self.0.write_str(plain)?;
            for control in part[plain.len()..].chars() {
                write!(self.0, "{}", control.escape_default())?;
            }
        }
        Ok(())
    }
}

/// The level of all, and of modules: `amqp` in the configuration means `warren::amqp` here.
fn filter(log: &Log) -> EnvFilter {
    let mut directives = vec![log.level.as_str().to_owned(), "sled=warn".to_owned()];
    for (module, level) in &log.modules {
        directives.push(format!("warren::{module}={}", level.as_str()));
    }
    EnvFilter::new(directives.join(","))
}

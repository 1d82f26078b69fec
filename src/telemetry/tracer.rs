//! Which messages are sampled, and the numbers of spans.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::model::PropertiesView;

use super::context::TraceContext;
use super::outgoing::SpanQueue;
use super::settings::TracingSettings;

/// Sampling looks at so many low bits of a trace's id, as OpenTelemetry's `TraceIdRatioBased` does, so that brokers
/// and applications with the same ratio keep the same traces.
const SAMPLED_BITS: u32 = 63;

/// Decides what is recorded, and hands it to the exporter. Shared by all threads.
#[derive(Debug)]
pub struct Tracer {
    queue: Arc<SpanQueue>,
    scope: InstrumentationScope,
    numbers: AtomicU64,
    /// Traces whose low 63 bits are below this are recorded.
    sampled_below: u64,
    /// So many of 2^64 messages without a trace begin one.
    roots_below: u64,
}

/// A span that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    pub(super) context: TraceContext,
    /// 0 for a root.
    pub(super) parent: u64,
    /// The parent is a span of somebody else.
    pub(super) remote: bool,
    pub(super) started: SystemTime,
}

impl Tracer {
    /// A tracer that records into `queue`; `seed` is random, so that no two brokers give the same numbers.
    #[must_use]
    pub fn new(settings: &TracingSettings, queue: Arc<SpanQueue>, seed: u64) -> Self {
        Self {
            queue,
            scope: InstrumentationScope::builder("warren")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            numbers: AtomicU64::new(seed),
            sampled_below: share(settings.sample_ratio, SAMPLED_BITS),
            roots_below: share(settings.root_ratio, u64::BITS),
        }
    }

    /// The queue to the exporter, for its counts.
    #[must_use]
    pub fn queue(&self) -> &SpanQueue {
        &self.queue
    }

    /// The context of a message whose trace is recorded.
    #[must_use]
    pub fn sampled(&self, properties: PropertiesView<'_>) -> Option<TraceContext> {
        TraceContext::of(properties).filter(|context| self.is_recorded(context))
    }

    fn is_recorded(&self, context: &TraceContext) -> bool {
        let low = context.trace as u64 & (u64::MAX >> (u64::BITS - SAMPLED_BITS));
        context.sampled && low < self.sampled_below
    }

    /// Begins the span of a message that comes in, below its trace or as the root of a new one; `None` where it is not
    /// sampled. Only then is the clock read.
    #[must_use]
    pub fn begin(&self, properties: PropertiesView<'_>) -> Option<Begun> {
        if let Some(parent) = TraceContext::of(properties) {
            return self.is_recorded(&parent).then(|| Begun {
                remote: true,
                ..self.below(parent)
            });
        }
        (self.roots_below > 0 && self.number() < self.roots_below).then(|| Begun {
            context: self.new_trace(),
            parent: 0,
            remote: false,
            started: SystemTime::now(),
        })
    }

    /// Begins a span below another of ours.
    pub(super) fn below(&self, parent: TraceContext) -> Begun {
        Begun {
            context: TraceContext {
                span: self.number().max(1),
                ..parent
            },
            parent: parent.span,
            remote: false,
            started: SystemTime::now(),
        }
    }

    /// A new trace, whose id is one of those that are recorded.
    fn new_trace(&self) -> TraceContext {
        let low = u128::from(self.number()) * u128::from(self.sampled_below);
        let low = (low >> u64::BITS) as u64;
        TraceContext {
            trace: u128::from(self.number().max(1)) << u64::BITS | u128::from(low),
            span: self.number().max(1),
            sampled: true,
        }
    }

    /// Ends a span now, and records it.
    pub(super) fn end(
        &self,
        begun: Begun,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        attributes: Vec<KeyValue>,
    ) {
        self.queue.push(SpanData {
            span_context: SpanContext::new(
                TraceId::from(begun.context.trace),
                SpanId::from(begun.context.span),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::from(begun.parent),
            parent_span_is_remote: begun.remote,
            span_kind: kind,
            name: name.into(),
            start_time: begun.started,
            end_time: SystemTime::now(),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// A number that looks random: a Weyl sequence, mixed (SplitMix64).
    fn number(&self) -> u64 {
        let mut z = self.numbers.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A share of the numbers of so many bits.
fn share(ratio: f64, bits: u32) -> u64 {
    // A float of 2^64 and more becomes the greatest integer.
    (ratio.clamp(0.0, 1.0) * 2f64.powi(bits as i32)) as u64
}

//! The thread that sends spans to a collector: OTLP over HTTP, as protobuf.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::outgoing::SpanQueue;
use super::settings::{TelemetryError, TracingSettings};

/// The collector's answer may have so many bytes; it is a few.
const ANSWER_MAX_BYTES: u64 = 1 << 20;
/// A collector that is away is not logged more often.
const COMPLAINT_EVERY: Duration = Duration::from_secs(60);

/// The running thread.
#[derive(Debug)]
pub struct Exporter {
    queue: Arc<SpanQueue>,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// Starts to send what comes into `queue`.
    ///
    /// # Errors
    /// A setting is wrong. A collector that does not answer is no error: its spans are lost, and counted.
    pub fn start(settings: &TracingSettings, queue: Arc<SpanQueue>) -> Result<Self, TelemetryError> {
        let mut exporter = connect(settings)?;
        let resource = [
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", settings.instance.clone()),
        ];
        let resource = Resource::builder_empty()
            .with_service_name(settings.service_name.clone())
            .with_attributes(resource)
            .build();
        exporter.set_resource(&resource);
        let (delay, endpoint) = (settings.delay, settings.endpoint.clone());
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || send(&exporter, &queue, delay, &endpoint)
        });
        Ok(Self {
            queue,
            thread: thread.map_err(TelemetryError::Thread)?,
        })
    }

    /// Sends what waits, and ends: at most one timeout for each batch that is left.
    pub fn stop(self) {
        self.queue.stop();
        let _ = self.thread.join();
    }
}

fn connect(settings: &TracingSettings) -> Result<SpanExporter, TelemetryError> {
    let url = settings.url()?;
    let headers: HashMap<_, _> = settings.headers.iter().cloned().collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(settings)?)
        .with_headers(headers)
        .with_endpoint(url)
        .with_timeout(settings.timeout);
    exporter.build().map_err(|error| TelemetryError::Exporter {
        endpoint: settings.endpoint.clone(),
        reason: error.to_string(),
    })
}

fn send(exporter: &SpanExporter, queue: &SpanQueue, delay: Duration, endpoint: &str) {
    let mut complained: Option<Instant> = None;
    while let Some(batch) = queue.take(delay) {
        let spans = batch.len();
        let sent = futures_executor::block_on(exporter.export(batch));
        queue.note(spans, sent.is_ok());
        if let Err(error) = sent
            && complained.is_none_or(|at| at.elapsed() >= COMPLAINT_EVERY)
        {
            complained = Some(Instant::now());
            tracing::warn!(%error, endpoint, spans, "the collector did not take spans (tracing.endpoint)");
        }
    }
}

/// ureq as OpenTelemetry's exporter wants it. It blocks, which its own thread may.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new(settings: &TracingSettings) -> Result<Self, TelemetryError> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = &settings.ca_file {
            let fault = |reason: String| TelemetryError::Certificates {
                path: path.display().to_string(),
                reason,
            };
            let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
            let mut certificates = Vec::new();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(certificate) = item.map_err(|error| fault(error.to_string()))? {
                    certificates.push(certificate);
                }
            }
            if certificates.is_empty() {
                return Err(fault("there is no certificate in it".to_owned()));
            }
            tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates)));
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls.build())
            .build();
        Ok(Self(config.into()))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(parts, body.to_vec()))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_MAX_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

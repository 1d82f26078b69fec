//! Where spans go, and how many of them.

use std::path::PathBuf;
use std::time::Duration;

/// What traces need to know. Which values are sensible, the configuration says.
#[derive(Clone, Debug)]
pub struct TracingSettings {
    /// Where the collector takes OTLP over HTTP, `http://` or `https://`. Without a path, `/v1/traces` is meant.
    pub endpoint: String,
    /// What to tell the collector with each request.
    pub headers: Vec<(String, String)>,
    /// Certificates to trust in place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// `service.name` of the spans.
    pub service_name: String,
    /// `service.instance.id` of the spans.
    pub instance: String,
    /// The share of the traces that came sampled which is recorded, 0 to 1.
    pub sample_ratio: f64,
    /// The share of the messages without a trace that begin one, 0 to 1.
    pub root_ratio: f64,
    /// Spans that may wait; more are dropped and counted.
    pub queue_max: usize,
    /// Spans in one request.
    pub batch_max: usize,
    /// How long a span may wait for others.
    pub delay: Duration,
    /// How long one export may take, further tries included.
    pub timeout: Duration,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The endpoint is no URL for HTTP.
    #[error("tracing.endpoint '{0}' is no http:// or https:// URL, such as http://127.0.0.1:4318")]
    Endpoint(String),
    /// A line of the headers is none.
    #[error("tracing.headers, line {0}: expected 'Name: value'")]
    Headers(usize),
    /// The certificates could not be read.
    #[error("tracing.ca_file {path}: {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter refused its settings.
    #[error("cannot send traces to tracing.endpoint '{endpoint}': {reason}")]
    Exporter {
        /// The endpoint.
        endpoint: String,
        /// What the exporter says.
        reason: String,
    },
    /// There is no thread for it.
    #[error("cannot start the thread that sends traces: {0}")]
    Thread(std::io::Error),
}

impl TracingSettings {
    /// The URL that spans are posted to.
    pub fn url(&self) -> Result<String, TelemetryError> {
        let wrong = || TelemetryError::Endpoint(self.endpoint.clone());
        let (scheme, rest) = self.endpoint.split_once("://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !["http", "https"].contains(&scheme) || host.is_empty() || rest.contains(char::is_whitespace) {
            return Err(wrong());
        }
        let path = if path.is_empty() { "v1/traces" } else { path };
        Ok(format!("{scheme}://{host}/{path}"))
    }
}

/// Reads headers, one `Name: value` a line; empty lines are skipped.
///
/// # Errors
/// Names the first line that is no header. The value is not shown: it may be a secret.
pub fn parse_headers(text: &str) -> Result<Vec<(String, String)>, TelemetryError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.map(|(number, line)| {
        let fault = TelemetryError::Headers(number + 1);
        let (name, value) = line.split_once(':').ok_or(fault)?;
        let (name, value) = (name.trim(), value.trim());
        let is_token = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        match is_token(name) && !value.is_empty() && value.is_ascii() {
            true => Ok((name.to_owned(), value.to_owned())),
            false => Err(TelemetryError::Headers(number + 1)),
        }
    });
    parsed.collect()
}

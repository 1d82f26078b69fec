//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// What a family of series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It goes up, until the process ends.
    Counter,
    /// Counters by upper bound.
    Histogram,
}

/// The text that is being written; writing to a string cannot fail.
#[derive(Debug, Default)]
pub struct Text(pub String);

impl Text {
    /// The lines above a family's series.
    pub fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One series, with its labels as they stand between the braces.
    pub fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        self.0.push_str(name);
        if !labels.is_empty() {
            self.0.push('{');
            self.0.push_str(labels);
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one series without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, Kind::Gauge, help);
        self.value(name, "", value);
    }

    /// The same for a counter.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, Kind::Counter, help);
        self.value(name, "", value);
    }

    /// A histogram: for each upper bound how many values were at most so large, then all values and their
    /// sum.
    pub fn histogram(&mut self, name: &str, help: &str, bounds: &[(f64, u64)], count: u64, sum: f64) {
        self.head(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        for (bound, below) in bounds {
            self.value(&bucket, &format!("le=\"{bound}\""), below);
        }
        self.value(&bucket, "le=\"+Inf\"", count);
        self.value(&format!("{name}_sum"), "", sum);
        self.value(&format!("{name}_count"), "", count);
    }

    /// The text as an answer.
    pub fn answer(self) -> Response {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0).into_response()
    }
}

/// A label's value: backslash, quote and line feed are escaped.
pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

//! As much of an OpenTelemetry collector as it takes to read what is exported.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use super::process::PATIENCE;

/// A span as it was exported.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub kind: SpanKind,
    /// In hexadecimal, as in `traceparent`.
    pub trace: String,
    pub id: String,
    pub parent: String,
    /// What the span and its resource say, as text.
    pub attributes: BTreeMap<String, String>,
    /// The path and the headers of the request that it came with.
    pub request: String,
    pub is_ordered: bool,
}

/// A collector on a free port.
pub struct Collector {
    pub address: SocketAddr,
    spans: Receiver<Span>,
    /// Spans that came and were not asked for yet.
    kept: Vec<Span>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (sender, spans) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream, &sender));
            }
        });
        Self {
            address,
            spans,
            kept: Vec::new(),
        }
    }

    /// The span of that name, once it came.
    pub fn span(&mut self, name: &str) -> Span {
        loop {
            if let Some(at) = self.kept.iter().position(|span| span.name == name) {
                return self.kept.remove(at);
            }
            match self.spans.recv_timeout(PATIENCE) {
                Ok(span) => self.kept.push(span),
                Err(_) => panic!("no span '{name}' came, but {:?}", self.names()),
            }
        }
    }

    /// All that came and was not asked for, once the broker has ended.
    pub fn rest(mut self) -> Vec<String> {
        // What was sent before the broker ended has been answered, and so has been queued here.
        self.kept.extend(self.spans.try_iter());
        self.names()
    }

    fn names(&self) -> Vec<String> {
        self.kept.iter().map(|span| span.name.clone()).collect()
    }
}

/// Takes requests of one connection until it ends.
fn serve(stream: TcpStream, spans: &Sender<Span>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reader.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.expect("a content-length")];
        reader.read_exact(&mut body).expect("a whole body");
        let request = ExportTraceServiceRequest::decode(&*body).expect("protobuf");
        for resource in request.resource_spans {
            let about = resource.resource.unwrap_or_default().attributes;
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let _ = spans.send(Span {
                    kind: span.kind(),
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    attributes: about.iter().chain(&span.attributes).map(text).collect(),
                    request: head.clone(),
                    is_ordered: span.start_time_unix_nano <= span.end_time_unix_nano,
                    name: span.name,
                });
            }
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(pair: &KeyValue) -> (String, String) {
    let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
    (pair.key.clone(), value.map(value_text).unwrap_or_default())
}

fn value_text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::ArrayValue(list) => {
            let values = list.values.iter().filter_map(|value| value.value.as_ref());
            values.map(value_text).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

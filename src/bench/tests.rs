//! Whole loads against a scripted broker on a free port: what it loses, refuses or never says is
//! what the load generator must report.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::conductor;
use super::error::BenchError;
use super::figures::{Conservation, Figures};
use super::frames::{Fields, FrameBuffer};
use super::load::tests::load;
use super::load::{AckMode, Limit, Load};
use super::wire::{BODY, HEADER, METHOD, Method, PublishOptions, long_string, method_frame, publish, short_string};

/// What the scripted broker does otherwise than a good one.
#[derive(Debug, Clone, Copy, Default)]
struct Script {
    /// Drops every message with this number, counted from 1.
    lose_every: Option<u64>,
    /// Closes the producer's connection at this message.
    close_at: Option<u64>,
    never_confirm: bool,
    return_all: bool,
    refuse_login: bool,
}

#[derive(Debug, Default)]
struct Shared {
    consumer: Mutex<Option<TcpStream>>,
    deleted: Mutex<Vec<String>>,
}

struct Broker {
    port: u16,
    shared: Arc<Shared>,
}

impl Broker {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let session = Session {
                    stream,
                    script,
                    shared: Arc::clone(&of_listener),
                    published: 0,
                    out: Vec::new(),
                    deliveries: Vec::new(),
                };
                thread::spawn(move || session.serve());
            }
        });
        Self { port, shared }
    }

    fn run(&self, change: impl FnOnce(&mut Load)) -> Result<Figures, BenchError> {
        let mut load = load();
        load.address = format!("amqp://127.0.0.1:{}", self.port).parse().unwrap();
        load.patience = Duration::from_millis(300);
        load.limit = Limit::Messages(1000);
        change(&mut load);
        conductor::run(&load)
    }

    fn deleted(&self) -> Vec<String> {
        self.shared.deleted.lock().unwrap().clone()
    }
}

struct Session {
    stream: TcpStream,
    script: Script,
    shared: Arc<Shared>,
    published: u64,
    out: Vec<u8>,
    deliveries: Vec<u8>,
}

impl Session {
    fn serve(mut self) {
        let mut buffer = FrameBuffer::new(0, 131_072);
        let mut reader = self.stream.try_clone().unwrap();
        let mut greeting = [0; 8];
        if std::io::Read::read_exact(&mut reader, &mut greeting).is_err() {
            return;
        }
        self.answer(0, (10, 10), |out| {
            out.extend_from_slice(&[0, 9, 0, 0, 0, 0]);
            long_string(out, b"PLAIN");
            long_string(out, b"en_US");
        });
        while self.stream.write_all(&std::mem::take(&mut self.out)).is_ok() {
            self.deliver();
            if !matches!(buffer.fill(&mut reader), Ok(1..)) {
                return;
            }
            while let Some(frame) = buffer.next_frame().unwrap() {
                let mut fields = Fields(frame.payload);
                match frame.kind {
                    METHOD => {
                        let method = fields.method().unwrap();
                        self.method(frame.channel, method, fields);
                    }
                    HEADER if self.kept() => self.content(HEADER, frame.payload),
                    BODY if self.kept() => self.content(BODY, frame.payload),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, channel: u16, method: Method, arguments: impl FnOnce(&mut Vec<u8>)) {
        method_frame(&mut self.out, channel, method, arguments);
    }

    fn method(&mut self, channel: u16, method: Method, mut fields: Fields<'_>) {
        match method {
            (10, 11) if self.script.refuse_login => self.close(403, "ACCESS_REFUSED - no"),
            (10, 11) => self.answer(0, (10, 30), |out| out.extend_from_slice(&[0; 8])),
            (10, 40) => self.answer(0, (10, 41), |out| out.push(0)),
            (10, 50) => self.answer(0, (10, 51), |_| {}),
            (20, 10) => self.answer(channel, (20, 11), |out| out.extend_from_slice(&[0; 4])),
            (50, 10) => self.answer(channel, (50, 11), |out| {
                short_string(out, "q");
                out.extend_from_slice(&[0; 8]);
            }),
            (50, 40) => {
                fields.short().unwrap();
                let name = String::from_utf8(fields.short_string().unwrap().to_vec());
                self.shared.deleted.lock().unwrap().push(name.unwrap());
                self.answer(channel, (50, 41), |out| out.extend_from_slice(&[0; 4]));
            }
            (60, 20) => {
                let consumer = self.stream.try_clone().unwrap();
                *self.shared.consumer.lock().unwrap() = Some(consumer);
                self.answer(channel, (60, 21), |out| short_string(out, "c"));
            }
            (60, 40) => self.published(),
            (60, 10) | (85, 10) => self.answer(channel, (method.0, method.1 + 1), |_| {}),
            _ => {}
        }
    }

    fn kept(&self) -> bool {
        let lost = self.script.lose_every;
        !self.script.return_all && lost.is_none_or(|every| !self.published.is_multiple_of(every))
    }

    fn published(&mut self) {
        self.published += 1;
        let tag = self.published;
        if self.script.close_at == Some(tag) {
            self.close(320, "CONNECTION_FORCED - going down");
        }
        if self.script.return_all {
            let mut content = Vec::new();
            let options = PublishOptions {
                exchange: "",
                mandatory: false,
                persistent: false,
                frame_max: 4096,
            };
            publish(&mut content, options, "", 16);
            // The same content frames, behind a return in the place of the publish.
            let header_at = 7 + 4 + 2 + 1 + 1 + 1 + 1;
            self.answer(1, (60, 50), |out| out.extend_from_slice(&[1, 56, 0, 0, 0]));
            self.out.extend_from_slice(&content[header_at..]);
        } else if self.kept() {
            method_frame(&mut self.deliveries, 1, (60, 60), |out| {
                short_string(out, "c");
                out.extend_from_slice(&tag.to_be_bytes());
                out.extend_from_slice(&[0, 0, 0]);
            });
        }
        if !self.script.never_confirm {
            self.answer(1, (60, 80), |out| {
                out.extend_from_slice(&tag.to_be_bytes());
                out.push(0);
            });
        }
    }

    fn content(&mut self, kind: u8, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap();
        self.deliveries.extend_from_slice(&[kind, 0, 1]);
        self.deliveries.extend_from_slice(&size.to_be_bytes());
        self.deliveries.extend_from_slice(payload);
        self.deliveries.push(0xCE);
    }

    fn deliver(&mut self) {
        if let Some(consumer) = self.shared.consumer.lock().unwrap().as_mut() {
            let _ = consumer.write_all(&std::mem::take(&mut self.deliveries));
        }
    }

    fn close(&mut self, code: u16, text: &str) {
        self.answer(0, (10, 50), |out| {
            out.extend_from_slice(&code.to_be_bytes());
            short_string(out, text);
            out.extend_from_slice(&[0; 4]);
        });
    }
}

#[test]
fn a_load_is_counted_confirmed_consumed_and_cleaned_up() {
    let broker = Broker::start(Script::default());
    let figures = broker
        .run(|load| {
            load.confirm_window = 64;
            load.prefetch = 10;
            load.sizes = vec![16, 0, 5000, 200_000];
            load.ack = AckMode::Batch(7);
        })
        .unwrap();
    assert_eq!(figures.conservation, Conservation::Kept);
    assert_eq!((figures.published, figures.confirmed), (1000, 1000));
    assert_eq!((figures.consumed, figures.redelivered), (1000, 0));
    assert!(figures.latency_p50_us.is_some());
    assert_eq!(broker.deleted(), ["q-0"]);
}

#[test]
fn what_is_to_be_kept_is_not_deleted() {
    let broker = Broker::start(Script::default());
    let figures = broker.run(|load| load.keep = true).unwrap();
    assert_eq!(figures.conservation, Conservation::Kept);
    assert_eq!(broker.deleted(), [] as [&str; 0]);
}

#[test]
fn what_the_broker_loses_is_missing() {
    let broker = Broker::start(Script {
        lose_every: Some(10),
        ..Script::default()
    });
    let figures = broker.run(|load| load.confirm_window = 1).unwrap();
    assert_eq!(figures.conservation, Conservation::Missing(100));
    assert_eq!(broker.deleted(), ["q-0"]);
}

#[test]
fn returned_messages_are_counted_without_confirms_too() {
    let broker = Broker::start(Script {
        return_all: true,
        never_confirm: true,
        ..Script::default()
    });
    let figures = broker.run(|load| load.mandatory = true).unwrap();
    assert_eq!((figures.published, figures.returned), (1000, 1000));
    assert_eq!(figures.conservation, Conservation::Kept);
}

#[test]
fn a_close_in_the_middle_is_told_with_its_text() {
    let broker = Broker::start(Script {
        close_at: Some(500),
        ..Script::default()
    });
    let error = broker.run(|load| load.confirm_window = 10).unwrap_err();
    let text = format!(
        "127.0.0.1:{} closed the connection: 320 CONNECTION_FORCED - going down",
        broker.port
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(broker.deleted(), ["q-0"]);
}

#[test]
fn a_broker_that_never_confirms_is_given_up() {
    let broker = Broker::start(Script {
        never_confirm: true,
        ..Script::default()
    });
    let error = broker.run(|load| load.confirm_window = 10).unwrap_err();
    assert!(matches!(error, BenchError::Stalled { .. }), "{error}");
    assert_eq!(broker.deleted(), ["q-0"]);
}

#[test]
fn a_refused_login_is_told_with_its_text() {
    let broker = Broker::start(Script {
        refuse_login: true,
        ..Script::default()
    });
    let error = broker.run(|_| {}).unwrap_err().to_string();
    assert!(error.ends_with("403 ACCESS_REFUSED - no"), "{error}");
}

#[test]
fn a_refused_connection_names_the_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut load = load();
    load.address = format!("amqp://{address}").parse().unwrap();
    let error = conductor::run(&load).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to {address}: ")), "{error}");
}

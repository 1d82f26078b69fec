//! Nanoseconds that one message costs from the publisher's read to the consumer's outgoing bytes, and its ack's way
//! back: all of the broker but sockets, threads and disk.
//!
//! `cargo bench --bench path`; behind `--`, a number is that of the rounds, and names of rows choose those. In the last
//! row two threads do it at once, each with connections and a queue of its own: where two cores are free it takes half
//! the time a message, for no lock is shared on the way. `strace -f -c -e futex` shows how often one thread waited for the
//! other: hardly ever.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use warren::amqp::{OutBuffer, WireLimits};
use warren::auth::{Accounts, HashingCost, Permission, Tags};
use warren::broker::{Aftermath, Broker, BrokerLimits, BrokerParts};
use warren::model::{Clock, FieldTable, Millis, encode_table};
use warren::session::{Next, Session, SessionSettings};
use warren::store::{EngineKind, MessageStore, StoreOptions};

/// As large as the reader's buffer.
const READ: usize = 256 * 1024;
/// A round is short, so that some rounds fall between whatever else the machine does.
const ROUNDS: usize = 600;

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--") && word.parse::<usize>().is_err());
    let words: Vec<_> = words.collect();
    println!("{:<32}{:>12}{:>18}", "", "ns/message", "messages a round");
    for size in [16, 1024, 16 * 1024] {
        for (what, no_ack, backlog) in [
            ("no ack", true, 0),
            ("ack each", false, 0),
            ("ack each, backlog", false, 20_000),
        ] {
            let name = format!("{size} B, {what}");
            if !words.is_empty() && !words.contains(&name) {
                continue;
            }
            let mut path = Path::new(&broker(), b"test-queue", size, no_ack);
            path.fill(backlog);
            let best = (0..rounds.unwrap_or(ROUNDS))
                .map(|_| path.round())
                .fold(f64::INFINITY, f64::min);
            println!("{name:<32}{best:>12.1}{:>18}", path.messages);
        }
    }
    let name = "16 B, ack each, two at once";
    if words.is_empty() || words.iter().any(|word| word == name) {
        let (each, messages) = two_at_once(rounds.unwrap_or(ROUNDS));
        println!("{name:<32}{each:>12.1}{messages:>18}");
    }
}

/// The mean time a message of both together, and the messages of one's round.
fn two_at_once(rounds: usize) -> (f64, u64) {
    let broker = broker();
    let mut paths = [b"test-queue", b"next-queue"].map(|queue| Path::new(&broker, queue, 16, false));
    let messages = paths[0].messages;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for path in &mut paths {
            scope.spawn(move || {
                for _ in 0..rounds {
                    path.round();
                }
            });
        }
    });
    let nanoseconds = start.elapsed().as_nanos() as f64;
    (nanoseconds / (2 * rounds as u64 * messages) as f64, messages)
}

/// A publisher and a consumer on one queue.
struct Path {
    broker: Arc<Broker>,
    publisher: Session,
    consumer: Session,
    /// One read's worth of publishes.
    publishes: Vec<u8>,
    messages: u64,
    acks: Vec<u8>,
    no_ack: bool,
    acked: u64,
    delivery_len: usize,
    out: OutBuffer,
}

impl Path {
    fn new(broker: &Arc<Broker>, queue: &[u8; 10], size: usize, no_ack: bool) -> Self {
        let settings = Arc::new(settings());
        let mut publisher = open(broker, &settings);
        let mut consumer = open(broker, &settings);
        let queue_name = [&[queue.len() as u8][..], queue].concat();
        let mut input = Vec::new();
        let declare = [&queue_name[..], &[0; 5]].concat();
        method(&mut input, &[0, 50, 0, 10, 0, 0], &declare);
        method(&mut input, &[0, 60, 0, 10, 0, 0, 0, 0], &[7, 208, 0]);
        let flags = u8::from(no_ack) << 1;
        method(
            &mut input,
            &[0, 60, 0, 20, 0, 0],
            &[&queue_name[..], &[0, flags, 0, 0, 0, 0]].concat(),
        );
        assert_eq!(consumer.input(&input), (input.len(), Next::Read));
        let mut publishes = Vec::new();
        let mut messages = 0;
        let body = vec![7; size];
        while publishes.len() + size < READ {
            publish(&mut publishes, &queue_name, &body);
            messages += 1;
        }
        let mut out = OutBuffer::new();
        let _ = consumer.outbox().take(&mut out);
        out.consume(out.len_bytes());
        let before = publishes.len() / messages as usize;
        assert_eq!(publisher.input(&publishes[..before]).0, before);
        let mut path = Self {
            broker: Arc::clone(broker),
            publisher,
            consumer,
            publishes,
            messages,
            acks: Vec::new(),
            no_ack,
            acked: 0,
            delivery_len: 0,
            out,
        };
        path.delivery_len = path.written();
        assert!(path.delivery_len > size);
        path.ack(1);
        path
    }

    /// Lets a backlog grow in front of the consumer, which has nothing more to be given.
    fn fill(&mut self, backlog: u64) {
        let mut sent = 0;
        while sent < backlog {
            self.publish();
            sent += self.messages;
        }
    }

    /// One read of publishes, written out; the acks of all that was written come back in one read.
    fn round(&mut self) -> f64 {
        let start = Instant::now();
        self.publish();
        let mut delivered = 0;
        loop {
            let written = self.written() / self.delivery_len;
            if written == 0 {
                break;
            }
            let written = (written as u64).min(self.messages);
            delivered += written;
            if !self.no_ack {
                self.ack(written);
            }
            if delivered >= self.messages {
                break;
            }
        }
        start.elapsed().as_nanos() as f64 / self.messages as f64
    }

    fn publish(&mut self) {
        let mut at = 0;
        while at < self.publishes.len() {
            at += self.publisher.input(black_box(&self.publishes[at..])).0;
        }
    }

    /// Bytes that went to the consumer.
    fn written(&mut self) -> usize {
        let outbox = Arc::clone(self.consumer.outbox());
        let _ = outbox.take(&mut self.out);
        let length = self.out.len_bytes();
        self.out.consume(length);
        let mut aftermath = Aftermath::default();
        for (queue, consumer) in outbox.written() {
            queue.resume(consumer, self.broker.now(), &mut aftermath);
        }
        length
    }

    fn ack(&mut self, count: u64) {
        self.acks.clear();
        for _ in 0..count {
            self.acked += 1;
            let mut ack = [1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCE];
            ack[11..19].copy_from_slice(&self.acked.to_be_bytes());
            self.acks.extend(ack);
        }
        if !self.no_ack {
            assert_eq!(self.consumer.input(&self.acks), (self.acks.len(), Next::Read));
        }
    }
}

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Millis {
        1_000_000
    }
}

fn broker() -> Arc<Broker> {
    let mut options = StoreOptions::new("");
    options.engine = EngineKind::Memory;
    let fatal = Arc::new(|error: &warren::store::StoreError| panic!("{error}"));
    let (messages, state) = MessageStore::open(options, fatal).expect("a store in memory");
    let cost = HashingCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    let parts = BrokerParts {
        clock: Arc::new(StillClock),
        accounts: Accounts::new(cost).expect("accounts"),
        state,
        messages,
        limits: BrokerLimits::default(),
        memory_budget_bytes: u64::MAX,
    };
    let (broker, _) = Broker::restore(parts).expect("an empty broker");
    broker
        .declare_user_with_password("ann", b"ann", Tags::default())
        .expect("a user");
    let all = || ".*".to_owned();
    let permission = Permission {
        user: "ann".to_owned(),
        vhost: "/".to_owned(),
        configure: all(),
        write: all(),
        read: all(),
    };
    broker.declare_permission(&permission).expect("a permission");
    broker
}

fn settings() -> SessionSettings {
    SessionSettings {
        wire: WireLimits::default(),
        mechanisms: "PLAIN".to_owned(),
        cluster_name: "bench".to_owned(),
        outgoing_buffer_bytes: 1 << 20,
        consumers_per_channel: 100,
        connections_per_vhost: 100,
        connections_per_user: 100,
        unacked_per_channel: 1_000_000,
        ack_timeout_ms: 0,
        anonymous_user: None,
        loopback_users: Vec::new(),
        name_seed: 1,
    }
}

/// A session on which channel 1 is open.
fn open(broker: &Arc<Broker>, settings: &Arc<SessionSettings>) -> Session {
    let peer = "127.0.0.1:5000".parse().expect("an address");
    let mut session = Session::new(Arc::clone(broker), Arc::clone(settings), peer);
    let mut input = b"AMQP\x00\x00\x09\x01".to_vec();
    let mut start_ok = vec![0, 10, 0, 11];
    encode_table(&FieldTable::new(), &mut start_ok);
    start_ok.extend(b"\x05PLAIN\x00\x00\x00\x08\x00ann\x00ann\x05en_US");
    frame(&mut input, 1, 0, &start_ok);
    let (consumed, next) = session.input(&input);
    assert_eq!(consumed, input.len());
    // The second login of the same user is known already.
    if next == Next::LogIn {
        let login = session.login_check().expect("credentials").run();
        session.logged_in(login);
    }
    let mut input = Vec::new();
    frame(&mut input, 1, 0, &[0, 10, 0, 31, 7, 255, 0, 2, 0, 0, 0, 0]);
    frame(&mut input, 1, 0, &[0, 10, 0, 40, 1, b'/', 0, 0]);
    frame(&mut input, 1, 1, &[0, 20, 0, 10, 0]);
    assert_eq!(session.input(&input), (input.len(), Next::Read));
    assert!(session.is_open());
    session
}

fn method(bytes: &mut Vec<u8>, ids: &[u8], fields: &[u8]) {
    frame(bytes, 1, 1, &[ids, fields].concat());
}

fn publish(bytes: &mut Vec<u8>, queue_name: &[u8], body: &[u8]) {
    method(bytes, &[0, 60, 0, 40, 0, 0], &[&[0][..], queue_name, &[0]].concat());
    let mut header = vec![0, 60, 0, 0];
    header.extend((body.len() as u64).to_be_bytes());
    header.extend([0, 0]);
    frame(bytes, 2, 1, &header);
    frame(bytes, 3, 1, body);
}

fn frame(bytes: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    bytes.push(kind);
    bytes.extend(channel.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xCE);
}

//! Random commands, given to the core and the oracle alike, as a broker would give them.

mod compare;
mod consumers;
mod disk;
mod draws;
mod messages;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::*;
use super::oracle::{Handed, Member, Oracle, Seen};
use crate::model::{ChannelWindow, ConfirmSink, ConfirmTicket, FieldTable, FieldValue, Message, Millis};

pub(super) use draws::{ops, options};

/// One step. Numbers choose among what is there: consumers, unacked messages.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Publish(Vec<Draft>),
    Subscribe {
        no_ack: bool,
        exclusive: bool,
        windowed: bool,
        prefetch: u32,
        priority: i32,
    },
    Unsubscribe(usize),
    Leave(usize),
    Settle(Outcome, Vec<usize>),
    Get(bool),
    Take(Vec<usize>),
    Purge,
    Pause(usize),
    Resume(usize),
    Wait(Millis),
    Touch,
    Configure(QueueOptions),
    WindowLimit(u32),
    SetWindow(usize, bool),
    Letter(usize, bool),
    PauseQueue(bool),
    Restart,
    PageOut(u32),
    /// So many of the bodies that were asked for come; the store may have lost the last one.
    Load(usize, bool),
}

#[derive(Clone, Debug)]
pub struct Draft {
    priority: Option<u8>,
    ttl: Option<u64>,
    size: usize,
    persistent: bool,
    confirm: bool,
    group: Option<u8>,
}

/// The headers of a message in a group.
fn in_group(group: Option<u8>) -> FieldTable {
    group
        .map(|group| ("x-group-id", FieldValue::U8(group)))
        .into_iter()
        .collect()
}

struct NoSink;

impl ConfirmSink for NoSink {
    fn taken(&self, _: u64) {}
    fn refused(&self, _: u64) {}
}

pub(super) struct Test {
    core: QueueCore,
    oracle: Oracle,
    window: Arc<ChannelWindow>,
    next_number: u64,
    confirms: u64,
    /// What the store was given.
    bodies: BTreeMap<Sequence, Message>,
    load_asked: bool,
    /// All effects, as text.
    pub(super) log: Vec<String>,
}

/// The number that begins a body.
fn number(message: &Message) -> u64 {
    u64::from_be_bytes(*message.body().first_chunk().unwrap())
}

fn handed(delivery: &Delivery) -> Handed {
    let Delivery {
        consumer: _,
        sequence,
        unacked,
        message,
        redelivered,
        delivery_count,
    } = delivery;
    (
        number(message),
        *sequence,
        unacked.is_some(),
        *redelivered,
        *delivery_count,
    )
}

fn seen(asked: Asked<'_>) -> Vec<(Seen, Option<UnackedId>)> {
    let tag = |ticket: &ConfirmTicket| -> u64 {
        let text = format!("{ticket:?}");
        text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    let effect = match asked {
        Asked::Delivery(delivery) => {
            return vec![(Seen::Deliver(delivery.consumer.0, handed(delivery)), delivery.unacked)];
        }
        Asked::Other(effect) => effect,
    };
    let seen = match effect {
        Effect::ForgetRun { first, count } => {
            let run = *first..first + count;
            return run.map(|sequence| (Seen::Forget(sequence), None)).collect();
        }
        Effect::Keep {
            sequence,
            expires_at,
            ticket,
            in_flight,
            replaces,
            ..
        } => Seen::Keep(*sequence, *expires_at, ticket.is_some(), *in_flight, *replaces),
        Effect::Forget(sequence) => Seen::Forget(*sequence),
        Effect::Spill { sequence, .. } => Seen::Spill(*sequence),
        Effect::Taken(ticket) => Seen::Taken(tag(ticket)),
        Effect::Refused(ticket) => Seen::Refused(tag(ticket)),
        Effect::DeadLetter(dead) => Seen::Dead(number(&dead.message), dead.reason, dead.sequence, dead.held),
        Effect::Activated(key, active) => Seen::Activated(key.0, *active),
        Effect::Expired => Seen::Expired,
        Effect::Load => unreachable!("left out before"),
    };
    vec![(seen, None)]
}

/// All that was asked for, but for bodies.
fn told(effects: &Effects) -> Vec<(Seen, Option<UnackedId>)> {
    let asked = effects.in_order().into_iter();
    let told = asked.filter(|asked| !matches!(asked, Asked::Other(Effect::Load)));
    told.flat_map(seen).collect()
}

impl Test {
    pub(super) fn new(options: QueueOptions) -> Self {
        Self {
            core: QueueCore::new(options.clone(), 1000),
            oracle: Oracle::new(options, 1000),
            window: Arc::new(ChannelWindow::new()),
            next_number: 1,
            confirms: 0,
            bodies: BTreeMap::new(),
            load_asked: false,
            log: Vec::new(),
        }
    }

    /// Gives a command to the core, then lets the oracle predict what the core did.
    fn apply(&mut self, command: Command<'_>, predict: impl FnOnce(&mut Oracle, &Reply)) -> Reply {
        let mut effects = Effects::default();
        let reply = self.core.apply(command, self.oracle.now, &mut effects);
        self.load_asked |= effects.others.iter().any(|effect| matches!(effect, Effect::Load));
        for effect in &effects.others {
            if let Effect::Keep { sequence, message, .. } | Effect::Spill { sequence, message } = effect {
                self.bodies.insert(*sequence, message.clone());
            }
        }
        let tape = told(&effects);
        self.log.push(format!("{tape:?}"));
        self.oracle.begin(tape);
        predict(&mut self.oracle, &reply);
        self.oracle.end();
        reply
    }

    pub(super) fn run(&mut self, op: Op) {
        match op {
            Op::Publish(drafts) => self.publish(drafts),
            Op::Subscribe {
                no_ack,
                exclusive,
                windowed,
                prefetch,
                priority,
            } => {
                let options = ConsumerOptions {
                    no_ack,
                    exclusive,
                    prefetch,
                    priority,
                    window: windowed.then(|| self.window.clone()),
                };
                self.subscribe(options);
            }
            Op::Unsubscribe(which) => {
                if let Some(member) = self.member(which) {
                    let command = Command::Unsubscribe(ConsumerKey(member.key));
                    self.apply(command, |oracle, _| oracle.leave(&[member.age], &[]));
                }
            }
            Op::Leave(which) => self.leave(which),
            Op::Settle(outcome, which) => self.settle(outcome, &which),
            Op::Get(no_ack) => self.get(no_ack),
            Op::Take(which) => self.take(&which),
            Op::Purge => {
                self.apply(Command::Purge, |oracle, reply| {
                    let count = oracle.purge();
                    assert!(matches!(reply, Reply::Purged(purged) if *purged == count), "{reply:?}");
                });
            }
            Op::Pause(which) => {
                if let Some(Member { key, age, .. }) = self.member(which) {
                    self.apply(Command::Pause(ConsumerKey(key)), |oracle, _| {
                        with(oracle, age, |m| m.paused = true)
                    });
                }
            }
            Op::Resume(which) => {
                if let Some(member) = self.member(which) {
                    self.resume(&member);
                }
            }
            Op::Wait(ms) => {
                self.oracle.now += ms;
                self.apply(Command::Tick, |oracle, _| oracle.tick());
            }
            Op::Touch => {
                self.apply(Command::Touch, |oracle, _| oracle.touch());
            }
            Op::Configure(options) => {
                let QueueOptions {
                    durable,
                    max_priority,
                    tracked,
                    ref message_group,
                    ..
                } = self.oracle.options;
                let kept = QueueOptions {
                    durable,
                    max_priority,
                    tracked,
                    message_group: message_group.clone(),
                    ..options.clone()
                };
                self.apply(Command::Configure(options), |oracle, _| oracle.configure(kept));
            }
            Op::WindowLimit(limit) => {
                self.window.set_limit(limit);
                self.oracle.window_limit = limit;
                self.window_has_room();
            }
            Op::SetWindow(which, on) => self.set_window(which, on),
            Op::Letter(which, refused) => self.letter(which, refused),
            Op::PauseQueue(paused) => self.pause_queue(paused),
            Op::Restart => self.restart(),
            Op::PageOut(keep) => {
                let here = self.oracle.ready.iter().filter(|item| !item.on_disk).count();
                // Which ones go is the core's choice.
                let mut effects = Effects::default();
                self.core
                    .apply(Command::PageOut { keep }, self.oracle.now, &mut effects);
                self.page_out(effects);
                let left = self.oracle.ready.iter().filter(|item| !item.on_disk).count();
                assert!(left <= here);
            }
            Op::Load(count, lose) => self.load(count, lose),
        }
        self.settle_down();
    }

    fn pause_queue(&mut self, paused: bool) {
        self.apply(Command::SetPaused(paused), |oracle, _| {
            oracle.queue_paused = paused;
            oracle.dispatch();
        });
    }

    /// All consumers go, all is acked and purged: nothing is left anywhere.
    pub(super) fn finish(&mut self) {
        while !self.oracle.members.is_empty() {
            self.run(Op::Unsubscribe(0));
        }
        while !self.oracle.out.is_empty() {
            self.run(Op::Settle(Outcome::Ack, vec![0]));
        }
        self.run(Op::Purge);
        self.run(Op::Wait(LETTER_RETRY_MS));
        while !self.oracle.dying.is_empty() {
            self.run(Op::Load(10, false));
        }
        while !self.oracle.letters.is_empty() {
            self.run(Op::Letter(0, false));
        }
        let empty = QueueState::default();
        assert_eq!(self.core.state(), empty);
        assert!(self.oracle.stored.is_empty());
    }
}

fn with(oracle: &mut Oracle, age: u64, change: impl FnOnce(&mut Member)) {
    change(oracle.members.iter_mut().find(|member| member.age == age).unwrap());
}

//! Random commands, given to the core and the oracle alike, as a broker would give them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::oracle::{Handed, Item, Member, New, Oracle, Seen};
use crate::model::{ChannelWindow, ConfirmSink, ConfirmTicket, FieldTable, FieldValue, Message, Millis, Properties};

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
    PageOut(usize),
    /// So many of the bodies that were asked for come; the store may have lost the last one.
    Load(usize, bool),
}

#[derive(Clone, Debug)]
pub(super) struct Draft {
    priority: Option<u8>,
    ttl: Option<u64>,
    size: usize,
    persistent: bool,
    confirm: bool,
    group: Option<u8>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let size = prop_oneof![30 => 0usize..12, 1 => Just(600_000usize)];
    let ttl = prop_oneof![3 => Just(None), 2 => (0u64..40).prop_map(Some)];
    let priority = prop::option::of(0u8..6);
    let group = prop_oneof![1 => Just(None), 4 => (0u8..3).prop_map(Some)];
    let rest = (any::<bool>(), any::<bool>(), group);
    (priority, ttl, size, rest).prop_map(|(priority, ttl, size, (persistent, confirm, group))| Draft {
        priority,
        ttl,
        size,
        persistent,
        confirm,
        group,
    })
}

/// The headers of a message in a group.
fn in_group(group: Option<u8>) -> FieldTable {
    group
        .map(|group| ("x-group-id", FieldValue::U8(group)))
        .into_iter()
        .collect()
}

pub(super) fn options() -> impl Strategy<Value = QueueOptions> {
    let limits = (
        prop_oneof![2 => Just(None), 1 => (0u64..6).prop_map(Some)],
        prop_oneof![3 => Just(None), 1 => (0u64..60).prop_map(Some)],
        prop_oneof![
            Just(Overflow::DropHead),
            Just(Overflow::RejectPublish),
            Just(Overflow::RejectPublishDlx)
        ],
    );
    let times = (
        prop_oneof![2 => Just(None), 1 => (0u64..40).prop_map(Some)],
        prop::option::of(1u64..60),
    );
    let rest = (
        any::<bool>(),
        prop_oneof![2 => Just(None), 1 => (1u8..5).prop_map(Some)],
        prop::bool::weighted(0.3),
        prop::option::of(0u32..3),
        prop::option::of(any::<bool>()),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(1u64..30, 1..3)],
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.2),
    );
    (limits, times, rest).prop_map(|((max_length, max_length_bytes, overflow), (ttl, expires_ms), rest)| {
        let (
            durable,
            max_priority,
            single_active_consumer,
            delivery_limit,
            dead_letter,
            retry_delays_ms,
            group,
            tracked,
        ) = rest;
        QueueOptions {
            durable,
            message_ttl_ms: ttl,
            expires_ms,
            max_length,
            max_length_bytes,
            overflow,
            max_priority,
            single_active_consumer,
            delivery_limit,
            tracked,
            delayed: false,
            retry_delays_ms,
            message_group: group.then(|| "x-group-id".into()),
            dead_letter_at_least_once: dead_letter == Some(true),
            dead_letter: dead_letter.map(|_| DeadLetterTarget {
                exchange: "dlx".into(),
                routing_key: None,
            }),
        }
    })
}

pub(super) fn ops() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Ack),
        1 => Just(Outcome::Requeue),
        1 => Just(Outcome::Reject),
        1 => Just(Outcome::Release),
        1 => Just(Outcome::Undo)
    ];
    let consumer = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.3),
        0u32..4,
        -1i32..2,
    );
    prop_oneof![
        10 => prop::collection::vec(draft(), 1..6).prop_map(Op::Publish),
        4 => consumer.prop_map(|(no_ack, exclusive, windowed, prefetch, priority)| Op::Subscribe {
            no_ack, exclusive, windowed, prefetch, priority
        }),
        1 => any::<usize>().prop_map(Op::Unsubscribe),
        1 => any::<usize>().prop_map(Op::Leave),
        8 => (outcome, prop::collection::vec(any::<usize>(), 1..5)).prop_map(|(outcome, which)| Op::Settle(outcome, which)),
        2 => any::<bool>().prop_map(Op::Get),
        2 => prop::collection::vec(any::<usize>(), 1..4).prop_map(Op::Take),
        1 => Just(Op::Purge),
        2 => any::<usize>().prop_map(Op::Pause),
        2 => any::<usize>().prop_map(Op::Resume),
        4 => (0u64..25).prop_map(Op::Wait),
        1 => Just(Op::Touch),
        1 => options().prop_map(Op::Configure),
        1 => (0u32..4).prop_map(Op::WindowLimit),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, on)| Op::SetWindow(which, on)),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, refused)| Op::Letter(which, refused)),
        1 => prop::bool::weighted(0.4).prop_map(Op::PauseQueue),
        1 => Just(Op::Restart),
        3 => (0usize..4).prop_map(Op::PageOut),
        6 => (1usize..5, prop::bool::weighted(0.1)).prop_map(|(count, lose)| Op::Load(count, lose)),
    ]
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

fn seen(effect: &Effect) -> Vec<(Seen, Option<UnackedId>)> {
    let tag = |ticket: &ConfirmTicket| -> u64 {
        let text = format!("{ticket:?}");
        text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    let seen = match effect {
        Effect::Deliver(key, delivery) => return vec![(Seen::Deliver(key.0, handed(delivery)), delivery.unacked)],
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
        let mut effects = Vec::new();
        let reply = self.core.apply(command, self.oracle.now, &mut effects);
        self.load_asked |= effects.iter().any(|effect| matches!(effect, Effect::Load));
        for effect in &effects {
            if let Effect::Keep { sequence, message, .. } | Effect::Spill { sequence, message } = effect {
                self.bodies.insert(*sequence, message.clone());
            }
        }
        let told = effects.iter().filter(|effect| !matches!(effect, Effect::Load));
        let tape: Vec<_> = told.flat_map(seen).collect();
        self.log.push(format!("{tape:?}"));
        self.oracle.begin(tape);
        predict(&mut self.oracle, &reply);
        self.oracle.end();
        reply
    }

    fn member(&self, which: usize) -> Option<Member> {
        let members = &self.oracle.members;
        members.get(which.checked_rem(members.len())?).cloned()
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
                let mut effects = Vec::new();
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

    fn page_out(&mut self, effects: Effects) {
        self.load_asked |= effects.iter().any(|effect| matches!(effect, Effect::Load));
        for effect in &effects {
            if let Effect::Spill { sequence, message } = effect {
                self.bodies.insert(*sequence, message.clone());
            }
        }
        let told = effects.iter().filter(|effect| !matches!(effect, Effect::Load));
        self.oracle.begin(told.flat_map(seen).collect());
        let away = self.away();
        assert!(away.is_empty() || self.oracle.options.may_page());
        let mut ready = std::mem::take(&mut self.oracle.ready);
        for item in &mut ready {
            if away.contains(&item.sequence) && !item.on_disk {
                self.oracle.page_out(item);
            }
        }
        self.oracle.ready = ready;
        self.oracle.end();
    }

    /// The messages on disk, in the order of delivery.
    fn away(&self) -> Vec<Sequence> {
        let waiting = self.core.waiting();
        waiting
            .filter_map(|view| match view {
                WaitingView::OnDisk(view) => Some(view.wanted.sequence),
                WaitingView::Here(_) => None,
            })
            .collect()
    }

    fn load(&mut self, count: usize, lose: bool) {
        if !std::mem::take(&mut self.load_asked) {
            return;
        }
        let wanted = self.core.to_load().into_iter();
        let wanted = wanted.flat_map(|list| list.into_iter().take(count));
        let mut bodies: Vec<_> = wanted
            .map(|Wanted { sequence, .. }| (sequence, Some(self.bodies[&sequence].clone())))
            .collect();
        if let (true, Some(last)) = (lose, bodies.last_mut()) {
            last.1 = None;
        }
        let found: Vec<_> = bodies.iter().map(|(at, body)| (*at, body.is_some())).collect();
        self.apply(Command::Loaded(bodies), |oracle, _| oracle.load(&found));
    }

    fn publish(&mut self, drafts: Vec<Draft>) {
        let mut incoming = Vec::new();
        let mut news = Vec::new();
        for draft in drafts {
            let number = self.next_number;
            self.next_number += 1;
            self.confirms += u64::from(draft.confirm);
            let properties = Properties {
                priority: draft.priority,
                headers: Some(in_group(draft.group)),
                expiration: draft.ttl.map(|ttl| ttl.to_string().as_str().into()),
                ..Properties::default()
            };
            let padding = vec![0; draft.size];
            let body = [&number.to_be_bytes()[..], &padding];
            let sink = || ConfirmTicket::new(Arc::new(NoSink), number);
            incoming.push(Incoming {
                message: Message::new("", "q", &properties.encode(), &body),
                persistent: draft.persistent,
                ticket: draft.confirm.then(sink),
            });
            news.push(New {
                number,
                priority: draft.priority,
                ttl: draft.ttl,
                bytes: 8 + draft.size as u64,
                persistent: draft.persistent,
                confirm: draft.confirm,
                group: draft.group,
            });
        }
        self.apply(Command::Enqueue(&mut incoming), |oracle, _| oracle.enqueue(&news));
        assert!(incoming.is_empty());
    }

    fn subscribe(&mut self, options: ConsumerOptions) {
        let ConsumerOptions {
            no_ack,
            exclusive,
            prefetch,
            priority,
            ..
        } = options;
        let windowed = options.window.is_some();
        self.apply(Command::Subscribe(options), |oracle, reply| {
            let alone = oracle.members.is_empty() && !oracle.options.single_active_consumer;
            let refused = oracle.members.iter().any(|member| member.exclusive) || (exclusive && !alone);
            let key = match reply {
                Reply::Subscribed(key) if !refused => key.0,
                Reply::SubscribeRefused(SubscribeError::Exclusive) if refused => return,
                reply => panic!("{reply:?}"),
            };
            assert!(oracle.members.iter().all(|member| member.key != key));
            let age = oracle.next_age;
            oracle.next_age += 1;
            oracle.subscribe(Member {
                key,
                age,
                no_ack,
                exclusive,
                prefetch,
                priority,
                windowed,
                paused: false,
                unsure: false,
            });
        });
    }

    fn leave(&mut self, which: usize) {
        let Some(Member { key, age, .. }) = self.member(which) else {
            return;
        };
        let had = self.oracle.out.iter().filter(|out| out.holder == Some(age));
        let ids: Vec<UnackedId> = had.map(|out| out.id).collect();
        let in_window = self.in_window(&ids);
        let command = Command::Leave {
            consumers: &[ConsumerKey(key)],
            unacked: &ids,
        };
        self.apply(command, |oracle, _| oracle.leave(&[age], &ids));
        self.give_back(in_window);
    }

    fn settle(&mut self, outcome: Outcome, which: &[usize]) {
        let out = &self.oracle.out;
        let mut ids: Vec<UnackedId> = Vec::new();
        for which in which.iter().filter(|_| !out.is_empty()) {
            ids.push(out[which % out.len()].id);
        }
        // Some ids come twice: the second must do nothing.
        let mut once = ids.clone();
        once.sort_by_key(|id| id.slot);
        once.dedup();
        let in_window = self.in_window(&once);
        self.apply(Command::Settle(outcome, &ids), |oracle, _| oracle.settle(outcome, &ids));
        self.give_back(in_window);
    }

    fn in_window(&self, ids: &[UnackedId]) -> u32 {
        let out = self.oracle.out.iter();
        out.filter(|out| out.in_window && ids.contains(&out.id)).count() as u32
    }

    fn give_back(&mut self, places: u32) {
        if places > 0 {
            self.window.give_back(places);
            self.oracle.window_taken -= places;
            self.window_has_room();
        }
    }

    /// What a channel does when its window may have room: its consumers resume, unless their connection is full.
    fn window_has_room(&mut self) {
        let windowed = |member: &&mut Member| member.windowed;
        self.oracle
            .members
            .iter_mut()
            .filter(windowed)
            .for_each(|member| member.unsure = true);
        for member in self.oracle.members.clone() {
            if member.windowed && !member.paused {
                self.resume(&member);
            }
        }
    }

    fn resume(&mut self, member: &Member) {
        let age = member.age;
        self.apply(Command::Resume(ConsumerKey(member.key)), |oracle, _| {
            with(oracle, age, |member| (member.paused, member.unsure) = (false, false));
            oracle.dispatch();
        });
    }

    fn set_window(&mut self, which: usize, on: bool) {
        let Some(Member { key, age, .. }) = self.member(which) else {
            return;
        };
        let window = on.then(|| self.window.clone());
        self.apply(Command::SetWindow(ConsumerKey(key), window), |oracle, _| {
            with(oracle, age, |m| (m.windowed, m.paused, m.unsure) = (on, false, false));
            oracle.dispatch();
        });
    }

    fn pause_queue(&mut self, paused: bool) {
        self.apply(Command::SetPaused(paused), |oracle, _| {
            oracle.queue_paused = paused;
            oracle.dispatch();
        });
    }

    /// The broker answers for a letter on its way.
    fn letter(&mut self, which: usize, refused: bool) {
        let on_their_way: Vec<Sequence> = self
            .oracle
            .letters
            .iter()
            .filter(|(.., out)| *out)
            .map(|(item, ..)| item.sequence)
            .collect();
        let Some(at) = which.checked_rem(on_their_way.len()) else {
            return;
        };
        let sequences = [on_their_way[at]];
        let command = match refused {
            true => Command::DeadLetterRefused(&sequences),
            false => Command::DeadLettered(&sequences),
        };
        self.apply(command, |oracle, _| oracle.letter_answered(sequences[0], refused));
    }

    fn get(&mut self, no_ack: bool) {
        self.apply(Command::Get(no_ack), |oracle, reply| {
            let want = oracle.get(no_ack);
            let Reply::Got(delivery, left) = reply else {
                panic!("{reply:?}");
            };
            assert_eq!(delivery.as_ref().map(handed), want);
            let away = oracle.ready.iter().filter(|item| item.on_disk).count();
            let to_load = if oracle.queue_paused { 0 } else { away };
            assert_eq!(*left, want.map_or(to_load, |_| oracle.ready.len()) as u64);
            if let Some(id) = delivery.as_ref().and_then(|delivery| delivery.unacked) {
                oracle.out.last_mut().unwrap().id = id;
            }
        });
    }

    /// Takes some from anywhere; some come twice, some have gone meanwhile.
    fn take(&mut self, which: &[usize]) {
        let waiting = |from| -> Vec<_> { self.core.waiting_from(from).map(|view| view.place).collect() };
        let all = waiting(WaitingPlace::HEAD);
        let Some(last) = all.len().checked_sub(1) else {
            return;
        };
        assert_eq!(waiting(all[last / 2].next()), all[last / 2 + 1..], "from a place on");
        let views = which.iter().map(|which| {
            let view = self.core.waiting_from(all[which % all.len()]).next().unwrap();
            let message = view.message.unwrap_or_else(|| &self.bodies[&view.place.sequence]);
            (view.place, message.clone())
        });
        let wanted: Vec<_> = views.collect();
        let sequences: Vec<_> = wanted.iter().map(|(place, _)| place.sequence).collect();
        self.apply(Command::Take(&wanted), |oracle, reply| {
            let Reply::Taken(taken) = reply else {
                panic!("{reply:?}");
            };
            let ids: Vec<_> = taken.iter().filter_map(|delivery| delivery.unacked).collect();
            assert_eq!(
                taken.iter().map(handed).collect::<Vec<_>>(),
                oracle.take(&sequences, &ids)
            );
        });
    }

    /// The broker stops without a word and starts again with what the store holds.
    fn restart(&mut self) {
        let oracle = &mut self.oracle;
        let waiting = std::mem::take(&mut oracle.ready).into_iter();
        let out = std::mem::take(&mut oracle.out).into_iter();
        let in_window = out.clone().filter(|out| out.in_window).count() as u32;
        let out = out.map(|out| Item {
            redelivered: true,
            ..out.item
        });
        self.load_asked = false;
        let letters = std::mem::take(&mut oracle.letters).into_iter();
        let letters = letters.map(|(item, ..)| Item {
            redelivered: true,
            ..item
        });
        oracle.letters_not_before = 0;
        let letters = letters.chain(std::mem::take(&mut oracle.later));
        let letters = letters.chain(std::mem::take(&mut oracle.dying).into_values().map(|(item, _)| item));
        let tracked = oracle.options.tracked;
        let lasts = |item: &Item| item.kept && (item.persistent || tracked);
        let (mut kept, lost): (Vec<Item>, Vec<Item>) = waiting.chain(out).chain(letters).partition(lasts);
        oracle.ledger.lost += lost.len() as u64;
        for item in lost {
            oracle.stored.remove(&item.sequence);
        }
        kept.iter_mut()
            .for_each(|item| (item.persistent, item.written) = (true, true));
        kept.sort_by_key(|item| std::cmp::Reverse(item.sequence));
        kept.iter_mut().for_each(|item| item.on_disk = false);
        oracle.members.clear();
        oracle.active = None;
        oracle.touch();
        let restored = kept.iter().map(|item| {
            let mut headers = in_group(item.group);
            if item.retries > 0 {
                headers.insert(RETRY_COUNT_HEADER, FieldValue::I64(item.retries as i64));
                headers.insert(RETRY_AT_HEADER, FieldValue::I64(item.retry_at as i64));
            }
            let properties = Properties {
                priority: Some(item.level),
                headers: Some(headers),
                ..Properties::default()
            };
            let padding = vec![0; item.bytes as usize - 8];
            Restored {
                sequence: item.sequence,
                message: Message::new("", "q", &properties.encode(), &[&item.number.to_be_bytes(), &padding]),
                expires_at: item.expires_at,
                redelivered: item.redelivered,
                delivery_count: item.count,
            }
        });
        let restored = restored.collect();
        self.core = QueueCore::new(self.oracle.options.clone(), self.oracle.now);
        self.pause_queue(self.oracle.queue_paused);
        self.apply(Command::Restore(restored), |oracle, _| oracle.restore(kept));
        self.core.number_from(self.oracle.next_sequence);
        self.apply(Command::Tick, |oracle, _| oracle.tick());
        self.give_back(in_window);
    }

    /// Dispatches as long as the core says so, then compares all that can be seen.
    fn settle_down(&mut self) {
        let mut rounds = 0;
        while self.core.has_deliverable() {
            self.apply(Command::Dispatch, |oracle, _| oracle.dispatch());
            rounds += 1;
            assert!(rounds < 1000, "dispatching gets nowhere");
        }
        let oracle = &self.oracle;
        assert!(!oracle.holds_back(), "a message is held back");
        assert!(!oracle.head_is_away() || self.load_asked, "nobody reads the head back");
        assert!(oracle.dying.is_empty() || self.load_asked, "nobody reads the dying");
        let away = oracle.ready.iter().filter(|item| item.on_disk);
        assert!(away.map(|item| item.sequence).eq(self.away()));
        let waiting = self.core.waiting().map(|view| match view {
            WaitingView::Here(view) => (view.sequence, view.expires_at, view.redelivered, view.delivery_count),
            WaitingView::OnDisk(view) => (
                view.wanted.sequence,
                view.expires_at,
                view.redelivered,
                view.delivery_count,
            ),
        });
        let items = oracle.ready.iter();
        assert!(waiting.eq(items.map(|item| (item.sequence, item.expires_at, item.redelivered, item.count))));
        assert_eq!(self.core.state(), oracle.state());
        assert_eq!(self.core.next_deadline(), oracle.next_deadline());
        assert_eq!(self.core.next_sequence(), oracle.next_sequence);
        let views = self.core.ready_messages();
        let views = views.map(|v| {
            (
                v.sequence,
                number(v.message),
                v.redelivered,
                v.delivery_count,
                v.expires_at,
                v.kept,
            )
        });
        let items = oracle.ready.iter().filter(|item| !item.on_disk);
        let items = items.map(|i| (i.sequence, i.number, i.redelivered, i.count, i.expires_at, i.kept));
        assert!(views.eq(items), "other messages wait, or in another order");
        assert!(
            oracle
                .ready
                .iter()
                .all(|item| item.expires_at.is_none_or(|at| at > oracle.now))
        );
        for view in self.core.consumers() {
            let member = oracle.members.iter().find(|member| member.key == view.key.0).unwrap();
            assert_eq!(view.unacked, oracle.unacked_of(member.age));
            assert!(member.no_ack || member.prefetch == 0 || view.unacked <= member.prefetch);
            assert_eq!(
                view.active,
                !oracle.options.single_active_consumer || oracle.active == Some(member.age)
            );
        }
        let letters = oracle.letters.iter().map(|(item, ..)| item).chain(&oracle.later);
        let letters = letters.chain(oracle.dying.values().map(|(item, _)| item));
        let held = oracle
            .ready
            .iter()
            .chain(oracle.out.iter().map(|out| &out.item))
            .chain(letters);
        let kept = held.filter(|item| item.kept).map(|item| item.sequence).collect();
        assert_eq!(oracle.stored, kept, "the store holds what is kept");
        let ledger = &oracle.ledger;
        let held = oracle.letters.len() + oracle.later.len() + oracle.dying.len();
        let here = (oracle.ready.len() + oracle.out.len() + held) as u64;
        let gone = ledger.done + ledger.expired + ledger.dropped + ledger.purged + ledger.lost;
        assert_eq!(ledger.accepted, here + gone, "{ledger:?}");
        assert_eq!(oracle.tickets.len() as u64, self.confirms);
        assert!(oracle.tickets.values().all(|answers| *answers == 1));
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

//! What is drawn at random: options, messages, commands.

use proptest::prelude::*;

use super::super::super::*;
use super::{Draft, Op};

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

pub fn options() -> impl Strategy<Value = QueueOptions> {
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

pub fn ops() -> impl Strategy<Value = Op> {
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
        3 => (0u32..4).prop_map(Op::PageOut),
        6 => (1usize..5, prop::bool::weighted(0.1)).prop_map(|(count, lose)| Op::Load(count, lose)),
    ]
}

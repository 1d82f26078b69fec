use std::io::IoSlice;

use crate::amqp::{OutBuffer, SHARED_BODY_MIN};
use crate::model::Message;
use proptest::prelude::*;

fn message(length: usize, seed: u8) -> Message {
    let body: Vec<u8> = (0..length)
        .map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed))
        .collect();
    Message::new("", "k", &[0, 0], &[&body])
}

fn all(out: &OutBuffer) -> Vec<u8> {
    out.pieces().flatten().copied().collect()
}

#[test]
fn large_bodies_are_shared_and_small_ones_copied() {
    let mut out = OutBuffer::new();
    let large = message(SHARED_BODY_MIN, 1);
    out.push(b"before");
    out.push_body(&large, 0..SHARED_BODY_MIN);
    out.push(b"after");
    let shared = large.body().as_ptr();
    assert!(out.pieces().any(|piece| piece.as_ptr() == shared));
    assert_eq!(out.len_bytes(), SHARED_BODY_MIN + 11);
    let mut slices = [IoSlice::new(&[]); 64];
    assert_eq!(out.io_slices(&mut slices), 3);
    assert_eq!(&*slices[2], b"after");
    assert_eq!(out.io_slices(&mut slices[..2]), 2);

    let mut out = OutBuffer::new();
    let small = message(SHARED_BODY_MIN - 1, 1);
    out.push_body(&small, 0..SHARED_BODY_MIN - 1);
    out.push(b"after");
    assert_eq!(out.pieces().count(), 1);
}

#[test]
fn an_idle_buffer_holds_nothing() {
    let mut out = OutBuffer::new();
    assert_eq!(out.capacity_bytes(), 0);
    out.push(&[1; 1000]);
    out.consume(1000);
    assert!(out.is_empty());
    assert!(out.capacity_bytes() >= 1000, "kept for the next use");
    out.shrink();
    assert_eq!(out.capacity_bytes(), 0);
    out.push(&vec![1; 2 << 20]);
    out.consume(2 << 20);
    assert_eq!(out.capacity_bytes(), 0, "a large one goes at once");
}

#[test]
fn a_buffer_that_never_empties_stays_small() {
    let mut out = OutBuffer::new();
    out.push(&[0; 100]);
    for _ in 0..100_000 {
        out.push(&[1; 100]);
        out.consume(100);
    }
    assert_eq!(out.len_bytes(), 100);
    assert!(out.capacity_bytes() < 2 << 20, "{}", out.capacity_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Against a plain vector: pushes, shared bodies, appended buffers, partial writes.
    #[test]
    fn bytes_leave_in_order(steps in prop::collection::vec((0u8..4, 0usize..60_000), 1..40)) {
        let mut out = OutBuffer::new();
        let mut model: Vec<u8> = Vec::new();
        for (at, (kind, amount)) in steps.into_iter().enumerate() {
            match kind {
                0 => {
                    let bytes = vec![at as u8; amount / 10];
                    out.push(&bytes);
                    model.extend(bytes);
                }
                1 => {
                    let message = message(amount, at as u8);
                    out.push_body(&message, amount / 5..amount);
                    model.extend(&message.body()[amount / 5..]);
                }
                2 => {
                    let mut other = OutBuffer::new();
                    let message = message(amount, at as u8);
                    other.push(b"gone");
                    other.push(b"head");
                    other.push_body(&message, 0..amount);
                    other.push(b"tail");
                    other.consume(4);
                    out.append(&mut other);
                    prop_assert!(other.is_empty());
                    model.extend(b"head");
                    model.extend(message.body());
                    model.extend(b"tail");
                }
                _ => {
                    let written = amount.min(model.len());
                    out.consume(written);
                    model.drain(..written);
                }
            }
            prop_assert_eq!(out.len_bytes(), model.len());
        }
        prop_assert!(all(&out) == model);
    }
}

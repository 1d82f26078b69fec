//! Where the bytes are cut between reads must not matter; what they are must not harm.

use super::driver::Driver;
use super::frames::*;
use crate::amqp::WireLimits;
use crate::model::{FieldTable, FieldValue};
use proptest::prelude::*;

/// A session with a bit of everything. Some bodies are in one frame, some in many, some interleaved.
fn session() -> Vec<u8> {
    let mut arguments = FieldTable::new();
    arguments.insert("x-max-length", FieldValue::I32(10));
    let long: Vec<u8> = (0..9000).map(|at| (at % 253) as u8).collect();
    [
        HEADER_0_9_1.to_vec(),
        start_ok(&arguments, "PLAIN"),
        tune_ok(2047, 4096, 0),
        open("/"),
        channel_open(1),
        channel_open(2),
        Args::new()
            .short(0)
            .text("q")
            .octet(2)
            .table(&arguments)
            .method(1, 50, 10),
        message(1, b"", 9),
        message(1, b"0123456789abcdef", 4088),
        heartbeat(),
        message(2, &long, 4088),
        message(2, &long[..300], 7),
        publish(1, "a", "b", 0),
        publish(2, "c", "d", 1),
        header(1, 4, &[0, 0]),
        header(2, 6, &[0x20, 0, 0, 0, 0, 0]),
        body(2, b"abc"),
        body(1, b"wxyz"),
        ack(1, 7, true),
        body(2, b"def"),
        Args::new().tag(8).octet(3).method(1, 60, 120),
        Args::new().method(1, 90, 10),
        channel_close(2),
        connection_close(),
    ]
    .concat()
}

fn events(reads: &[&[u8]]) -> (Vec<String>, Vec<String>) {
    let mut driver = Driver::new(WireLimits::default());
    for read in reads {
        driver.feed(read);
    }
    assert!(driver.input.is_empty());
    (driver.events.clone(), driver.sent())
}

#[test]
fn one_cut_anywhere() {
    let session = session();
    let whole = events(&[&session]);
    assert_eq!(whole.0.len(), 19, "{:#?}", whole.0);
    for at in 0..session.len() {
        assert_eq!(events(&[&session[..at], &session[at..]]), whole, "cut at {at}");
    }
}

#[test]
fn byte_by_byte() {
    let session = session();
    let bytes: Vec<&[u8]> = session.chunks(1).collect();
    assert_eq!(events(&bytes), events(&[&session]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_anywhere(mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let session = session();
        let mut places: Vec<usize> = cuts.drain(..).map(|cut| cut.index(session.len())).collect();
        places.sort_unstable();
        places.push(session.len());
        let mut at = 0;
        let mut reads = Vec::new();
        for place in places {
            reads.push(&session[at..place]);
            at = place;
        }
        prop_assert_eq!(events(&reads), events(&[&session]));
    }

    #[test]
    fn damaged_sessions_do_no_harm(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        read in 1usize..3000,
    ) {
        let mut session = session();
        for (place, byte) in damages {
            let place = place.index(session.len());
            session[place] = byte;
        }
        harmless(&session, read, Driver::new(WireLimits::default()))?;
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..4000), read in 1usize..500) {
        harmless(&bytes, read, Driver::running())?;
    }

    #[test]
    fn random_frames_do_no_harm(frames in prop::collection::vec(any_frame(), 0..40), read in 1usize..500) {
        harmless(&frames.concat(), read, Driver::running())?;
    }
}

/// Frames that get past the first checks more often than not.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop_oneof![
        Just([0, 60, 0, 40]),
        Just([0, 50, 0, 10]),
        Just([0, 20, 0, 10]),
        Just([0, 60, 0, 80])
    ];
    let args = prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..40);
    let channel = 0u16..4;
    prop_oneof![
        4 => (channel.clone(), ids, args.clone()).prop_map(|(channel, ids, args)| frame(1, channel, &[&ids[..], &args].concat())),
        4 => (channel.clone(), "[a-z]{0,4}", 0u8..2).prop_map(|(channel, name, bits)| publish(channel, &name, "k", bits)),
        4 => (channel.clone(), 0u64..40).prop_map(|(channel, size)| header(channel, size, &[0, 0])),
        4 => (channel.clone(), args.clone()).prop_map(|(channel, bytes)| body(channel, &bytes)),
        2 => channel.clone().prop_map(channel_open),
        1 => channel.clone().prop_map(channel_close),
        1 => (any::<u8>(), channel, args).prop_map(|(kind, channel, bytes)| frame(kind, channel, &bytes)),
    ]
}

fn harmless(bytes: &[u8], read: usize, mut driver: Driver) -> Result<(), TestCaseError> {
    for read in bytes.chunks(read) {
        driver.feed(read);
        prop_assert!(driver.input.len() <= 131_072 + 8);
        prop_assert!(driver.connection.pending_bytes() <= 2 * bytes.len() + 4 * 70_000);
        prop_assert!(driver.out.len_bytes() <= 40 * bytes.len() + 1000);
    }
    Ok(())
}

//! Input that takes memory or time.

use super::broker::{Broker, basic};
use super::client::{Client, HEADER, frame, long, method, publish, short};

/// What a client hears before its login, where the broker may also close without a word, as RabbitMQ does.
fn is_refused_early(client: &mut Client) -> bool {
    client.frame().is_none_or(|frame| [501, 502].contains(&frame.fault().0))
}

/// What ends a connection or a channel.
fn fault(client: &mut Client) -> (u16, String) {
    client.frame().expect("closed without a word").fault()
}

#[test]
fn a_body_assembled_past_its_limit() {
    let broker = Broker::start("[limits]\nmessage_max_bytes = 1024");
    // Announced too large: refused before a byte of it came.
    let mut client = broker.client("ann");
    client.send(&publish(1, "q", &[0; 1025]));
    assert_eq!(fault(&mut client).0, 406);
    // Announced small, and more sent, in one frame and over several.
    let header = [&60_u16.to_be_bytes()[..], &[0, 0], &1000_u64.to_be_bytes(), &[0, 0]].concat();
    let begin = [
        method(1, 60, 40, &[&[0, 0][..], &short(""), &short("q"), &[0]].concat()),
        frame(2, 1, &header),
    ]
    .concat();
    for pieces in [vec![1001], vec![999, 2], vec![1000, 1], vec![1; 1001]] {
        let mut client = broker.client("ann");
        client.send(&begin);
        for piece in pieces {
            // The connection may have been closed by now.
            let _ = std::io::Write::write_all(&mut client.stream, &frame(3, 1, &vec![0; piece]));
        }
        assert!([501, 505].contains(&fault(&mut client).0));
    }
    broker.assert_well();
}

#[test]
fn an_http_body_past_its_limit() {
    let broker = Broker::start("[limits]\nhttp_body_max_bytes = 2048");
    let head = |length: &str| {
        format!(
            "PUT /api/queues/%2F/q HTTP/1.1\r\nHost: warren\r\nAuthorization: {}\r\n{length}\r\n\r\n",
            basic("ann", "ann")
        )
    };
    let announced = broker.raw(format!("{}{}", head("Content-Length: 4096"), " ".repeat(4096)).as_bytes());
    let mut chunked = head("Transfer-Encoding: chunked");
    for _ in 0..100 {
        chunked.push_str(&format!("400\r\n{}\r\n", " ".repeat(1024)));
    }
    // The last chunk never comes: what is read is counted, not what was promised.
    let endless = broker.raw(chunked.as_bytes());
    for refused in [announced, endless] {
        assert!([400, 413].contains(&refused.status), "{refused:?}");
    }
    assert_eq!(broker.ask("ann", "GET", "/api/queues/%2F/q", "").status, 404);
    broker.assert_well();
}

#[test]
fn memory_or_decompression_before_login() {
    let broker = Broker::start("");
    // A frame before login that says that it is large: refused by its head.
    let mut client = Client::connect(broker.amqp);
    client.send(HEADER);
    client.expect(10, 10);
    client.send(&[1, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
    assert!(is_refused_early(&mut client));
    // Endless small frames before login.
    let mut client = Client::connect(broker.amqp);
    let flood: Vec<u8> = std::iter::repeat_n(frame(8, 0, b""), 100_000).flatten().collect();
    client.send(HEADER);
    let _ = std::io::Write::write_all(&mut client.stream, &flood);
    client.expect(10, 10);
    assert!(is_refused_early(&mut client), "closed while the flood still came");
    // A compressed body of a request is not decompressed: a small bomb stays small.
    let request = format!(
        "PUT /api/queues/%2F/q HTTP/1.1\r\nHost: warren\r\nAuthorization: {}\r\nContent-Encoding: gzip\r\n\
         Content-Length: 4\r\n\r\n\x1f\u{8}\0\0",
        basic("ann", "ann")
    );
    assert_eq!(broker.raw(request.as_bytes()).status, 400);
    broker.assert_well();
}

#[test]
fn nested_tables_and_lying_lengths() {
    let broker = Broker::start("");
    let mut deep = Vec::new();
    while deep.len() < 7_900 {
        deep = [&b"A"[..], &long(&deep)].concat();
    }
    let nested = long(&[&short("a")[..], &deep].concat());
    let lying = [&0xffff_ff00_u32.to_be_bytes()[..], &short("a")].concat();
    let inner = long(&[&short("a")[..], b"S", &0x7fff_ffff_u32.to_be_bytes()].concat());
    for table in [nested, lying, inner] {
        // Before login, and in a declaration.
        let mut client = Client::connect(broker.amqp);
        client.send(HEADER);
        client.expect(10, 10);
        client.send(&method(0, 10, 11, &[&table[..], &short("PLAIN")].concat()));
        assert!(is_refused_early(&mut client));
        let mut client = broker.client("ann");
        client.send(&method(1, 50, 10, &[&[0, 0][..], &short("q"), &[0], &table].concat()));
        assert!([501, 502].contains(&fault(&mut client).0));
    }
    broker.assert_well();
}

#[test]
fn runs_of_hashes_in_a_topic_pattern() {
    let broker = Broker::start("");
    let mut client = broker.client("ann");
    client.declare(1, "q");
    let runs = ["#.".repeat(120) + "x", "#.*.".repeat(60) + "x", "#.a.".repeat(60) + "x"];
    for pattern in &runs {
        let bind = [
            &[0, 0][..],
            &short("q"),
            &short("amq.topic"),
            &short(pattern),
            &[0],
            &long(b""),
        ]
        .concat();
        client.send(&method(1, 50, 20, &bind));
        client.expect(50, 21);
    }
    // 127 words: a matcher that tries everything does not end in a lifetime.
    let key = "a.".repeat(127) + "b";
    for _ in 0..100 {
        let begin = [&[0, 0][..], &short("amq.topic"), &short(&key), &[0]].concat();
        client.send(&method(1, 60, 40, &begin));
        client.send(&frame(2, 1, &[&60_u16.to_be_bytes()[..], &[0; 10], &[0, 0]].concat()));
    }
    client.synchronize(1);
}

#[test]
fn a_slow_regular_expression_in_a_filter() {
    let broker = Broker::start("");
    let name = "a".repeat(200) + "!";
    broker.want("PUT", &format!("/api/queues/%2F/{name}"), "{}");
    let filter = |pattern: &str| {
        let path = format!("/api/queues?page=1&use_regex=true&name={pattern}");
        broker.ask("ann", "GET", &path, "")
    };
    for slow in ["%5E(a%2B)%2B%24", "%5E(a%7Ca)*%24", "(.*a)%7B20%7D%24"] {
        let found = filter(slow);
        assert_eq!(found.status, 200, "{found:?}");
        assert!(found.body.contains("\"filtered_count\":0"), "{found:?}");
    }
    // Small to write and large to compile.
    assert_eq!(filter("((a%7B1000%7D)%7B1000%7D)%7B1000%7D").status, 400);
    broker.assert_well();
}

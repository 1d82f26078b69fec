//! What each method needs: with these permissions it is done, and without any one of them it is refused with 403.

use serde_json::json;

use super::broker::Broker;
use super::client::{consume, frame, get, long, method, publish, short};

/// A method, what answers it (`None` where nothing does), and all that it needs: the kind of right, of what, its name.
struct Row {
    what: &'static str,
    bytes: Vec<u8>,
    answer: Option<(u16, u16)>,
    needs: &'static [(&'static str, &'static str, &'static str)],
}

fn text(name: &str, value: &str) -> Vec<u8> {
    [&short(name)[..], b"S", &long(value.as_bytes())].concat()
}

fn fields(parts: &[&[u8]]) -> Vec<u8> {
    [&[0, 0], &parts.concat()[..]].concat()
}

fn rows() -> Vec<Row> {
    let none = long(b"");
    let queue = |name: &str, arguments: &[u8]| method(1, 50, 10, &fields(&[&short(name), &[0], &long(arguments)]));
    let exchange = |name: &str, arguments: &[u8]| {
        method(
            1,
            40,
            10,
            &fields(&[&short(name), &short("fanout"), &[0], &long(arguments)]),
        )
    };
    let bound = |class, id, flag: &[u8]| {
        let names = [short("q"), short("x"), short("k")].concat();
        method(1, class, id, &fields(&[&names, flag, &none]))
    };
    let exchanges = |id| {
        method(
            1,
            40,
            id,
            &fields(&[&short("y"), &short("x"), &short("k"), &[0], &none]),
        )
    };
    let to_x = [
        method(1, 60, 40, &fields(&[&short("x"), &short("k"), &[0]])),
        frame(2, 1, &[&60_u16.to_be_bytes()[..], &[0; 12]].concat()),
    ];
    let row = |what, bytes, answer, needs| Row {
        what,
        bytes,
        answer,
        needs,
    };
    let declared = Some((50, 11));
    vec![
        row(
            "queue.declare",
            queue("new", b""),
            declared,
            &[("configure", "queue", "new")],
        ),
        row(
            "queue.declare with dead letters",
            queue("new", &text("x-dead-letter-exchange", "x")),
            declared,
            &[
                ("configure", "queue", "new"),
                ("read", "queue", "new"),
                ("write", "exchange", "x"),
            ],
        ),
        row(
            "queue.delete",
            method(1, 50, 40, &fields(&[&short("q"), &[0]])),
            Some((50, 41)),
            &[("configure", "queue", "q")],
        ),
        row(
            "queue.purge",
            method(1, 50, 30, &fields(&[&short("q"), &[0]])),
            Some((50, 31)),
            &[("read", "queue", "q")],
        ),
        row(
            "queue.bind",
            bound(50, 20, &[0]),
            Some((50, 21)),
            &[("write", "queue", "q"), ("read", "exchange", "x")],
        ),
        row(
            "queue.unbind",
            bound(50, 50, &[]),
            Some((50, 51)),
            &[("write", "queue", "q"), ("read", "exchange", "x")],
        ),
        row(
            "exchange.declare",
            exchange("new", b""),
            Some((40, 11)),
            &[("configure", "exchange", "new")],
        ),
        row(
            "exchange.declare with an alternate",
            exchange("new", &text("alternate-exchange", "x")),
            Some((40, 11)),
            &[
                ("configure", "exchange", "new"),
                ("read", "exchange", "new"),
                ("write", "exchange", "x"),
            ],
        ),
        row(
            "exchange.delete",
            method(1, 40, 20, &fields(&[&short("x"), &[0]])),
            Some((40, 21)),
            &[("configure", "exchange", "x")],
        ),
        row(
            "exchange.bind",
            exchanges(30),
            Some((40, 31)),
            &[("write", "exchange", "y"), ("read", "exchange", "x")],
        ),
        row(
            "exchange.unbind",
            exchanges(40),
            Some((40, 51)),
            &[("write", "exchange", "y"), ("read", "exchange", "x")],
        ),
        row("basic.publish", to_x.concat(), None, &[("write", "exchange", "x")]),
        row(
            "basic.publish to the default exchange",
            publish(1, "q", b"m"),
            None,
            &[("write", "exchange", "amq.default")],
        ),
        row(
            "basic.consume",
            consume(1, "q", "tag", true),
            Some((60, 21)),
            &[("read", "queue", "q")],
        ),
        row(
            "basic.get",
            get(1, "q", true),
            Some((60, 72)),
            &[("read", "queue", "q")],
        ),
    ]
}

/// Gives bob these rights and no other.
fn permit(broker: &Broker, rights: &[(&str, &str, &str)]) {
    let pattern = |access: &str| {
        let names: Vec<_> = rights
            .iter()
            .filter(|(of, ..)| *of == access)
            .map(|(.., name)| *name)
            .collect();
        format!("^({})$", names.join("|"))
    };
    broker.permit_bob(&pattern("configure"), &pattern("write"), &pattern("read"));
}

/// The same as before every attempt: a queue and two exchanges, none of them bound.
fn prepare(broker: &Broker) {
    for path in [
        "queues/%2F/q",
        "queues/%2F/new",
        "exchanges/%2F/x",
        "exchanges/%2F/y",
        "exchanges/%2F/new",
    ] {
        broker.ask("ann", "DELETE", &format!("/api/{path}"), "");
    }
    broker.want("PUT", "/api/queues/%2F/q", "{}");
    for name in ["x", "y"] {
        broker.want(
            "PUT",
            &format!("/api/exchanges/%2F/{name}"),
            &json!({"type": "fanout"}).to_string(),
        );
    }
}

#[test]
fn each_method_needs_its_permissions_and_no_others() {
    let broker = Broker::start("");
    for Row {
        what,
        bytes,
        answer,
        needs,
    } in rows()
    {
        prepare(&broker);
        permit(&broker, needs);
        let mut bob = broker.client("bob");
        bob.send(&bytes);
        if let Some((class, id)) = answer {
            bob.expect(class, id);
        }
        bob.synchronize(1);
        for missing in needs {
            prepare(&broker);
            let others: Vec<_> = needs.iter().filter(|need| *need != missing).copied().collect();
            permit(&broker, &others);
            // On the channel on which it was allowed a moment ago.
            bob.send(&bytes);
            let (access, kind, name) = missing;
            let refused =
                format!("ACCESS_REFUSED - {access} access to {kind} '{name}' in vhost '/' refused for user 'bob'");
            assert_eq!(bob.frame().unwrap().fault(), (403, refused), "{what}");
            bob.send(&method(1, 20, 41, &[]));
            bob.open_channel(1);
        }
    }
}

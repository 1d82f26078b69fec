use super::*;

fn limited(overflow: Overflow, max_length: Option<u64>, max_length_bytes: Option<u64>) -> Q {
    queue(QueueOptions {
        durable: true,
        overflow,
        max_length,
        max_length_bytes,
        ..QueueOptions::default()
    })
}

#[test]
fn the_oldest_messages_make_room() {
    let mut q = limited(Overflow::DropHead, Some(2), None);
    q.names("a b");
    assert_eq!(q.publish([m("c").persistent().ticket(1)]), "keep c, dead a maxlen");
    assert_eq!(q.names("d e"), "dead b maxlen, dead c maxlen, forget c");
    assert_eq!(q.waiting(), "d e");
}

#[test]
fn only_what_waits_counts() {
    let mut q = limited(Overflow::DropHead, Some(1), None);
    q.subscribe(consumer(2));
    assert_eq!(q.names("a b c"), "a>0, b>0");
    assert_eq!(q.requeue("a"), "dead a maxlen, c>0", "a came back to a full queue");
}

#[test]
fn bytes_are_counted_too() {
    let mut q = limited(Overflow::DropHead, None, Some(10));
    q.names("1234 5678");
    assert_eq!(q.names("90"), "");
    assert_eq!(q.core.state().ready_bytes, 10);
    assert_eq!(q.names("x"), "dead 1234 maxlen");
    assert_eq!(
        q.names("12345678901"),
        "dead 5678 maxlen, dead 90 maxlen, dead x maxlen, dead 12345678901 maxlen"
    );
    assert_eq!(q.waiting(), "");
}

#[test]
fn a_full_priority_queue_drops_what_would_be_delivered_next() {
    let mut q = queue(QueueOptions {
        max_priority: Some(9),
        max_length: Some(2),
        ..QueueOptions::default()
    });
    q.publish([m("low").priority(1), m("high").priority(9)]);
    assert_eq!(q.publish([m("mid").priority(5)]), "dead high maxlen");
    assert_eq!(q.publish([m("least")]), "dead mid maxlen");
    assert_eq!(q.waiting(), "low least");
}

#[test]
fn a_full_queue_may_refuse_instead() {
    let mut q = limited(Overflow::RejectPublish, Some(1), None);
    let p = |name: &str, tag| m(name).persistent().ticket(tag);
    assert_eq!(q.publish([p("a", 1), p("b", 2), m("c")]), "keep a, refused 2");
    assert_eq!(q.subscribe(consumer(1)), "a>0");
    assert_eq!(q.names("d e"), "");
    assert_eq!(q.requeue("a"), "a>0*1", "what comes back is never refused");
    assert_eq!(q.waiting(), "d");

    let mut q = limited(Overflow::RejectPublishDlx, None, Some(1));
    assert_eq!(q.publish([m("a"), m("b").ticket(2)]), "dead b maxlen, refused 2");
}

#[test]
fn a_new_limit_applies_at_once() {
    let mut q = plain();
    q.names("a b c");
    let options = QueueOptions {
        max_length: Some(1),
        ..q.core.options().clone()
    };
    assert_eq!(q.run(Command::Configure(options)), "dead a maxlen, dead b maxlen");
}

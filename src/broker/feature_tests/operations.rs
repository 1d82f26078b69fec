use super::*;

fn bodies(lab: &Lab, position: usize, count: usize) -> Vec<(usize, String, bool)> {
    let vhost = lab.broker.vhost("/").unwrap();
    let peeked = lab.broker.peek(&vhost, "q", position, count).unwrap();
    let shown = peeked.iter().map(|p| (p.position, body(&p.message), p.redelivered));
    shown.collect()
}

fn set(lab: &Lab, name: &str, change: ArgumentChange) -> Result<(), String> {
    let vhost = lab.broker.vhost("/").unwrap();
    let changed = lab.broker.set_queue(&vhost, "q", &[(name.into(), change)]);
    changed.map_err(|error| error.text)
}

#[test]
fn a_peek_shows_any_position_and_changes_nothing() {
    let lab = Lab::new();
    lab.declare("q", arguments! {});
    for n in 0..5 {
        lab.publish("q", &n.to_string(), &Properties::default());
    }
    assert_eq!(lab.take("q", Outcome::Requeue).as_deref(), Some("0"));
    for _ in 0..2 {
        assert_eq!(bodies(&lab, 0, 1), [(0, "0".into(), true)]);
        assert_eq!(bodies(&lab, 3, 9), [(3, "3".into(), false), (4, "4".into(), false)]);
    }
    assert!(bodies(&lab, 5, 1).is_empty());
    let delivery = lab.get("q").unwrap();
    assert_eq!((delivery.redelivered, delivery.delivery_count), (true, 1));
    let delivery = lab.get("q").unwrap();
    assert_eq!((body(&delivery.message), delivery.redelivered), ("1".into(), false));
    let vhost = lab.broker.vhost("/").unwrap();
    assert!(lab.broker.peek(&vhost, "none", 0, 1).is_err());
}

#[test]
fn pause_and_resume() {
    let lab = Lab::new();
    lab.declare("q", arguments! {});
    let vhost = lab.broker.vhost("/").unwrap();
    lab.publish("q", "m", &Properties::default());
    lab.broker.pause_queue(&vhost, "q").unwrap();
    assert!(lab.queue("q").is_paused());
    assert!(lab.get("q").is_none());
    lab.broker.resume_queue(&vhost, "q").unwrap();
    assert!(lab.get("q").is_some());
    assert!(lab.broker.pause_queue(&vhost, "none").is_err());
}

#[test]
fn arguments_change_at_once_and_a_redeclaration_is_still_held_against_the_first() {
    let lab = Lab::new();
    let declared = || arguments! {"x-max-length" = 3};
    lab.declare("q", declared());
    lab.declare("d", arguments! {});
    for n in 0..3 {
        lab.publish("q", &n.to_string(), &Properties::default());
    }
    set(&lab, "x-dead-letter-exchange", ArgumentChange::Set("".value())).unwrap();
    set(&lab, "x-dead-letter-routing-key", ArgumentChange::Set("d".value())).unwrap();
    set(&lab, "x-max-length", ArgumentChange::Set(2.value())).unwrap();
    assert_eq!(lab.queue("q").state().ready, 2);
    assert_eq!(lab.take("d", Outcome::Ack).as_deref(), Some("0"));
    set(&lab, "x-max-length", ArgumentChange::Remove).unwrap();
    for n in 3..6 {
        lab.publish("q", &n.to_string(), &Properties::default());
    }
    assert_eq!(lab.queue("q").state().ready, 5);
    set(&lab, "x-max-length", ArgumentChange::Reset).unwrap();
    assert_eq!(lab.queue("q").state().ready, 3);
    lab.declare("q", declared());
    set(&lab, "x-message-ttl", ArgumentChange::Set(10.value())).unwrap();
    lab.take("q", Outcome::Ack).unwrap();
    lab.publish("q", "late", &Properties::default());
    lab.advance(10);
    assert_eq!(lab.queue("q").state().ready, 2, "the TTL is for what comes");
}

#[test]
fn what_a_declaration_refuses_is_refused_here_and_changes_nothing() {
    let lab = Lab::new();
    lab.declare("q", arguments! {});
    for (name, value, text) in [
        (
            "x-max-priority",
            5.value(),
            "arg 'x-max-priority' of queue 'q' in vhost '/' cannot be changed",
        ),
        (
            "x-message-ttl",
            (-1).value(),
            "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}",
        ),
        (
            "x-dead-letter-routing-key",
            "k".value(),
            "invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined",
        ),
    ] {
        let refused = set(&lab, name, ArgumentChange::Set(value)).unwrap_err();
        assert_eq!(refused, format!("PRECONDITION_FAILED - {text}"));
    }
    assert!(lab.queue("q").changed_arguments().is_empty());
}

#[test]
fn a_policy_wins_over_a_change_and_gives_way_to_it_when_it_goes() {
    let lab = Lab::new();
    lab.declare("q", arguments! {"x-max-length" = 9});
    let definition = [("max-length".to_owned(), serde_json::json!(2))].into_iter().collect();
    let policy = Policy {
        vhost: "/".to_owned(),
        name: "short".to_owned(),
        pattern: "^q$".to_owned(),
        apply_to: ApplyTo::All,
        priority: 0,
        definition,
    };
    lab.broker.set_policy(PolicyKind::User, policy).unwrap();
    set(&lab, "x-max-length", ArgumentChange::Set(5.value())).unwrap();
    assert_eq!(lab.queue("q").options().max_length, Some(2));
    lab.broker.clear_policy(PolicyKind::User, "/", "short").unwrap();
    assert_eq!(lab.queue("q").options().max_length, Some(5));
}

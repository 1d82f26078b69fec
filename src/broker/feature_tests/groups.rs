use super::*;

fn in_group(header: &str, key: &str) -> Properties {
    Properties {
        headers: Some([(header, FieldValue::text(key))].into_iter().collect()),
        ..Properties::default()
    }
}

#[test]
fn the_key_comes_from_the_header_that_the_queue_names() {
    let lab = Lab::new();
    lab.declare("default", arguments! {"x-message-group" = true});
    lab.declare(
        "named",
        arguments! {"x-message-group" = true, "x-group-header" = "customer"},
    );
    lab.declare(
        "short",
        arguments! {"x-message-group" = true, "group-header" = "customer"},
    );
    lab.declare(
        "off",
        arguments! {"x-message-group" = false, "x-group-header" = "customer"},
    );
    for (queue, header, second) in [
        ("default", "x-group-id", None),
        ("default", "customer", Some("2")),
        ("named", "customer", None),
        ("short", "customer", None),
        ("off", "customer", Some("2")),
    ] {
        lab.publish(queue, "1", &in_group(header, "k"));
        lab.publish(queue, "2", &in_group(header, "k"));
        assert_eq!(body(&lab.get(queue).unwrap().message), "1");
        let got = lab.get(queue).map(|delivery| body(&delivery.message));
        assert_eq!(got.as_deref(), second, "{queue} by {header}");
    }
}

#[test]
fn arguments_of_groups_are_checked() {
    let lab = Lab::new();
    for (arguments, text) in [
        (
            arguments! {"x-message-group" = 1},
            "invalid arg 'x-message-group' for queue 'q' in vhost '/': {unacceptable_type,long}",
        ),
        (
            arguments! {"x-group-header" = "h"},
            "invalid arg 'x-group-header' for queue 'q' in vhost '/': \"needs x-message-group = true\"",
        ),
        (
            arguments! {"x-message-group" = true, "x-group-header" = ""},
            "invalid arg 'x-group-header' for queue 'q' in vhost '/': \"expected the name of a header, 1 to 255 bytes\"",
        ),
    ] {
        let refused = lab.try_declare("q", arguments).err().unwrap();
        assert_eq!(refused, format!("PRECONDITION_FAILED - {text}"));
    }
    lab.declare("q", arguments! {"x-message-group" = true});
    let other = lab.try_declare("q", arguments! {}).err().unwrap();
    assert!(
        other.contains("inequivalent arg 'x-message-group' for queue 'q' in vhost '/'"),
        "{other}"
    );
}

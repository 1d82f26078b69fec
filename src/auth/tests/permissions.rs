//! Patterns, permissions and the texts of refusals.

use super::*;
use crate::auth::{Access, AccountError, Pattern, Resource, TopicPermission};
use crate::model::AmqpError;
use Access::{Configure, Read, Write};

#[test]
fn patterns_match_as_in_rabbitmq() {
    // Pattern, names that match, names that do not.
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("", &[""], &["a", " "]),
        ("^$", &[""], &["a"]),
        (".*", &["", "a", "ü\n"], &[]),
        ("^.*$", &["", "a.b"], &[]),
        ("a", &["a", "bab"], &["", "b"]),
        ("^a", &["ab"], &["ba"]),
        (
            "^(amq\\.gen.*|amq\\.default)$",
            &["amq.gen-x", "amq.default"],
            &["amq.direct", "xamq.default"],
        ),
        ("^orders-\\d+$", &["orders-17"], &["orders-", "orders-17x"]),
    ];
    for (text, yes, no) in rows {
        let pattern = Pattern::new(text).unwrap();
        assert_eq!(pattern.as_str(), *text);
        for name in *yes {
            assert!(pattern.is_match(name), "{text:?} takes {name:?}");
        }
        for name in *no {
            assert!(!pattern.is_match(name), "{text:?} refuses {name:?}");
        }
    }
}

#[test]
fn patterns_that_cannot_be_kept_are_refused() {
    for text in ["(", "a{5000}{5000}", "(?=a)", "(a)\\1", "*"] {
        let error = Pattern::new(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the pattern '{text}' is not valid: ")) && error.lines().count() == 1,
            "{error}"
        );
    }
    let accounts = accounts_with_user();
    permit(&accounts, ["a", "a", "a"]);
    let permission = Permission {
        write: "(".to_owned(),
        ..accounts.permissions().remove(0)
    };
    let refused = accounts.put_permission(&permission).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("permissions of user 'u' in vhost '/': the pattern '('"),
        "{refused}"
    );
    assert_eq!(accounts.permissions()[0].write, "a");
    let unknown = Permission {
        user: "v".to_owned(),
        ..accounts.permissions().remove(0)
    };
    assert_eq!(accounts.put_permission(&unknown), Err(AccountError::NoUser("v".into())));
}

#[test]
fn a_pattern_that_would_backtrack_takes_linear_time() {
    let pattern = Pattern::new("^(a+)+$").unwrap();
    assert!(!pattern.is_match(&format!("{}b", "a".repeat(10_000))));
}

#[test]
fn each_access_has_its_own_pattern() {
    let accounts = accounts_with_user();
    permit(&accounts, ["^c", "^w", "^r"]);
    for (access, name) in [(Configure, "c1"), (Write, "w1"), (Read, "r1")] {
        for resource in [Resource::Queue(name), Resource::Exchange(name)] {
            assert_eq!(accounts.check("u", "/", resource, access), Ok(()));
        }
        for other in [Configure, Write, Read] {
            assert_eq!(
                accounts.check("u", "/", Resource::Queue(name), other).is_ok(),
                other == access
            );
        }
    }
    assert!(accounts.check("u", "other", Resource::Queue("c1"), Configure).is_err());
    assert!(accounts.check("v", "/", Resource::Queue("c1"), Configure).is_err());
}

#[test]
fn the_default_exchange_is_called_amq_default() {
    let accounts = accounts_with_user();
    permit(&accounts, ["", "^amq\\.default$", ""]);
    assert!(accounts.check("u", "/", Resource::Exchange(""), Write).is_ok());
    permit(&accounts, ["", "", ""]);
    // The empty pattern takes the empty name, which is no exchange's.
    let denied = accounts.check("u", "/", Resource::Exchange(""), Write).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "write access to exchange 'amq.default' in vhost '/' refused for user 'u'"
    );
}

#[test]
fn refusals_are_in_rabbitmqs_words() {
    let accounts = accounts_with_user();
    let told = |denied| AmqpError::from(denied).to_string();
    assert_eq!(
        told(accounts.check_vhost("u", "/").unwrap_err()),
        "530 NOT_ALLOWED - access to vhost '/' refused for user 'u'"
    );
    permit(&accounts, ["", "", ""]);
    assert_eq!(accounts.check_vhost("u", "/"), Ok(()));
    assert_eq!(
        told(accounts.check("u", "/", Resource::Queue("q"), Read).unwrap_err()),
        "403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'u'"
    );
    accounts.put_topic_permission(&topic("^a", "^b")).unwrap();
    assert_eq!(
        told(accounts.check_topic("u", "/", "amq.topic", "x.y", Write).unwrap_err()),
        "403 ACCESS_REFUSED - write access to topic 'x.y' in exchange topic 'amq.topic' in vhost '/' refused for user 'u'"
    );
}

fn topic(write: &str, read: &str) -> TopicPermission {
    TopicPermission {
        user: "u".to_owned(),
        vhost: "/".to_owned(),
        exchange: "amq.topic".to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    }
}

#[test]
fn topic_permissions_restrict_only_their_exchange() {
    let accounts = accounts_with_user();
    let may = |exchange, key, access| accounts.check_topic("u", "/", exchange, key, access).is_ok();
    assert!(may("amq.topic", "z", Write));
    accounts
        .put_topic_permission(&topic("^{username}\\.", "^{vhost}|{client_id}"))
        .unwrap();
    assert!(may("amq.topic", "u.x", Write) && !may("amq.topic", "v.x", Write));
    assert!(may("amq.topic", "/x", Read) && may("amq.topic", "{client_id}", Read) && !may("amq.topic", "x", Read));
    assert!(may("other", "z", Write) && may("other", "z", Read));
    assert_eq!(
        accounts.topic_permissions(),
        [topic("^{username}\\.", "^{vhost}|{client_id}")]
    );
    accounts.put_topic_permission(&topic("", ".*")).unwrap();
    assert!(may("amq.topic", "", Write) && !may("amq.topic", "u.x", Write));
    accounts.clear_topic_permissions("u", "/", Some("amq.topic")).unwrap();
    assert!(may("amq.topic", "u.x", Write) && accounts.topic_permissions().is_empty());
}

#[test]
fn a_user_name_in_a_topic_pattern_is_literal() {
    let pattern = Pattern::for_topics("^{username}$", "a.*", "/").unwrap();
    assert!(pattern.is_match("a.*") && !pattern.is_match("axyz"));
    assert_eq!(pattern.as_str(), "^{username}$");
}

#[test]
fn a_vhost_takes_its_permissions_along() {
    let accounts = accounts_with_user();
    permit(&accounts, [".*", ".*", ".*"]);
    accounts.put_topic_permission(&topic("^a", "^b")).unwrap();
    accounts.remove_vhost("/");
    assert!(accounts.check_vhost("u", "/").is_err());
    assert!(accounts.permissions().is_empty() && accounts.topic_permissions().is_empty());
}

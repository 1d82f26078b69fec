//! Limits of vhosts and users.

use super::{Bench, CHEAP};
use crate::auth::{PasswordHash, Tags, User, UserLimits};
use crate::broker::{Broker, VhostLimits};

fn queues(most: i64) -> VhostLimits {
    VhostLimits {
        max_queues: Some(most),
        ..VhostLimits::default()
    }
}

#[test]
fn a_vhost_holds_so_many_queues() {
    let bench = Bench::new();
    let broker = &bench.broker;
    bench.queue("one", &[]);
    assert_eq!(broker.set_vhost_limits("/", queues(2)), Ok(true));
    assert_eq!(broker.set_vhost_limits("nowhere", queues(2)), Ok(false));
    bench.queue("two", &[]);
    let refused = bench.try_queue("three", Default::default()).unwrap_err();
    assert_eq!(
        refused.text,
        "PRECONDITION_FAILED - cannot declare queue 'three': queue limit in vhost '/' (2) is reached"
    );
    // What stands is declared again all the same.
    bench.queue("one", &[]);
    let again = bench.restarted();
    assert!(again.try_queue("three", Default::default()).is_err());
    for none in [queues(-1), VhostLimits::default()] {
        assert_eq!(broker.set_vhost_limits("/", none), Ok(true));
        bench.queue(&format!("{none:?}"), &[]);
    }
    assert_eq!(broker.set_vhost_limits("/", queues(0)), Ok(true));
    assert!(bench.try_queue("four", Default::default()).is_err());
    assert_eq!(broker.set_vhost_limits("/", VhostLimits::default()), Ok(true));
    assert!(bench.restarted().try_queue("four", Default::default()).is_ok());
}

#[test]
fn connections_of_a_vhost_and_of_a_user_are_limited() {
    let bench = Bench::new();
    let broker = &bench.broker;
    let vhost = bench.vhost();
    let connect = |broker: &Broker, user: &str| broker.count_connection(&vhost, &user.into(), 9, 9);
    let limits = VhostLimits {
        max_connections: Some(3),
        ..VhostLimits::default()
    };
    broker.set_vhost_limits("/", limits).unwrap();
    let held: Vec<_> = (0..3).map(|_| connect(broker, "ann").unwrap()).collect();
    let refused = connect(broker, "bob").unwrap_err();
    assert_eq!(
        (refused.code.number(), refused.text.as_str()),
        (
            530,
            "NOT_ALLOWED - access to vhost '/' refused for user 'bob': connection limit (3) is reached"
        )
    );
    drop(held);
    add_user(&bench, "ann");
    let limits = UserLimits {
        max_connections: Some(2),
        max_channels: Some(1),
        ..UserLimits::default()
    };
    assert_eq!(broker.set_user_limits("ann", limits), Ok(true));
    assert_eq!(broker.set_user_limits("nobody", limits), Ok(false));
    let again = bench.restarted();
    for broker in [broker, &again.broker] {
        let _held: Vec<_> = (0..2).map(|_| connect(broker, "ann").unwrap()).collect();
        let refused = connect(broker, "ann").unwrap_err();
        assert_eq!(
            refused.text,
            "NOT_ALLOWED - connection refused for user 'ann': user connection limit (2) is reached"
        );
        let _other = connect(broker, "bob").unwrap();
        let channel = broker.count_channel(&"ann".into()).unwrap();
        let refused = broker.count_channel(&"ann".into()).unwrap_err();
        assert_eq!(
            refused.text,
            "NOT_ALLOWED - number of channels opened for user 'ann' has reached the maximum allowed user limit of (1)"
        );
        let _others = [broker.count_channel(&"bob".into()), broker.count_channel(&"bob".into())].map(Result::unwrap);
        drop(channel);
        assert!(broker.count_channel(&"ann".into()).is_ok());
    }
}

#[test]
fn the_lower_of_two_connection_limits_holds() {
    let bench = Bench::new();
    let vhost = bench.vhost();
    let limits = VhostLimits {
        max_connections: Some(-1),
        ..VhostLimits::default()
    };
    bench.broker.set_vhost_limits("/", limits).unwrap();
    let _first = bench.broker.count_connection(&vhost, &"ann".into(), 9, 1).unwrap();
    assert!(bench.broker.count_connection(&vhost, &"ann".into(), 9, 1).is_err());
    assert!(bench.broker.count_connection(&vhost, &"bob".into(), 1, 9).is_err());
}

fn add_user(bench: &Bench, name: &str) {
    let user = User {
        name: name.to_owned(),
        password_hash: PasswordHash::new(b"secret", CHEAP).unwrap().encoded(),
        hashing_algorithm: "argon2id".to_owned(),
        tags: Tags::default(),
        limits: UserLimits::default(),
    };
    bench.broker.declare_user(&user).unwrap();
}

#[test]
fn policies_and_limits_go_with_their_vhost() {
    let bench = Bench::new();
    bench.broker.set_vhost_limits("/", queues(0)).unwrap();
    bench.broker.forget_vhost_settings(&bench.vhost()).unwrap();
    assert!(bench.restarted().try_queue("q", Default::default()).is_ok());
}

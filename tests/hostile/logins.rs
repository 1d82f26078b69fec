//! Wrong passwords, many at once.

use super::broker::{TestBroker, settings};
use super::client::Client;

#[test]
fn guessing_is_refused_and_counted_and_keeps_nobody_out() {
    let broker = TestBroker::start(settings());
    let mut working = Client::open(broker.address, "ann");
    let address = broker.address;
    let guessers: Vec<_> = (0..12)
        .map(|number| {
            std::thread::spawn(move || {
                let user = if number % 2 == 0 { "ann" } else { "nobody" };
                Client::connect(address).log_in(user, &format!("guess {number}"), "/")
            })
        })
        .collect();
    working.synchronize(1);
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker \
                logfile.";
    for guesser in guessers {
        assert_eq!(guesser.join().unwrap(), Err(Some((403, text.to_owned()))));
    }
    assert_eq!(broker.broker.login_failures().total(), 12);
    let now = broker.broker.now();
    assert!(broker.broker.login_failures().is_suspect([127, 0, 0, 1].into(), now));
    // Known passwords need no turn, others get one.
    Client::open(broker.address, "ann");
    Client::open(broker.address, "guest");
}

#[test]
fn what_came_behind_the_password_is_read_after_it() {
    let broker = TestBroker::start(settings());
    let mut client = Client::connect(broker.address);
    client.pipelined_log_in("ann", "ann", "/");
    client.open_channel(1);
}

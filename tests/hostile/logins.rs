//! Wrong passwords, many at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, RwLock, mpsc};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use socket2::{Domain, Socket, Type};
use warren::auth::LoginRefused;
use warren::net::Network;

use super::broker::{TestBroker, session, settings};
use super::client::{Client, PATIENCE, long, method, short};

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

/// Asks the API who one is, from an address of this machine; gives the socket, on which the answer comes.
fn ask_over_http(api: SocketAddr, from: [u8; 4], login: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&api.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let login = BASE64.encode(login);
    let request = format!(
        "GET /api/whoami HTTP/1.1\r\nHost: warren\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn status(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn guesses_over_http_and_amqp_wait_in_one_line() {
    let broker = TestBroker::start(settings());
    let api = broker.open_http();
    let (guesser, other) = ([127, 0, 0, 7], [127, 0, 0, 8]);
    for count in 1..=3 {
        assert_eq!(status(ask_over_http(api, guesser, "ann:guess")), "401");
        assert_eq!(broker.broker.login_failures().total(), count);
    }
    // The address is a suspect's by now. Somebody there has his turn, over AMQP, and takes long.
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let inner = Arc::clone(&broker.broker);
    broker.spawn(async move {
        let slow = move || {
            begun.send(()).unwrap();
            let _ = wait.recv();
            Err(LoginRefused)
        };
        let _ = inner.check_login_in_turn(guesser.into(), slow).await;
    });
    has_begun.recv().unwrap();
    let guess = ask_over_http(api, guesser, "ann:another guess");
    guess.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!((&guess).read(&mut [0]).is_err(), "answered before its turn");
    assert_eq!(broker.broker.login_failures().total(), 3);
    // Nobody else waits for them, whether right or wrong.
    assert_eq!(status(ask_over_http(api, other, "ann:guess")), "401");
    // Ann may not manage, which is no failed login.
    assert_eq!(status(ask_over_http(api, other, "ann:ann")), "401");
    let mut client = Client::connect(broker.address);
    client.log_in("ann", "ann", "/").unwrap();
    drop(go_on);
    assert_eq!(status(guess), "401");
    assert_eq!(broker.broker.login_failures().total(), 6);
    let held = broker.broker.login_failures().by_address(broker.broker.now());
    assert_eq!(held, [(guesser.into(), 5), (other.into(), 1)]);
}

#[test]
fn who_asks_and_goes_away_has_no_more_hashed_at_once() {
    let broker = TestBroker::start(settings());
    let lanes = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write().unwrap();
    let (begun, has_begun) = mpsc::channel();
    // Each from an address of its own, so that nobody is a suspect.
    let log_in = |number: usize| {
        let (inner, gate, begun) = (Arc::clone(&broker.broker), Arc::clone(&gate), begun.clone());
        broker.spawn(async move {
            let slow = move || {
                begun.send(()).unwrap();
                drop(gate.read());
                Err(LoginRefused)
            };
            let _ = inner.check_login_in_turn([192, 0, 2, number as u8].into(), slow).await;
        })
    };
    for number in 0..lanes {
        let gone = log_in(number);
        has_begun.recv_timeout(PATIENCE).unwrap();
        gone.abort();
    }
    log_in(lanes);
    let early = has_begun.recv_timeout(Duration::from_millis(300));
    assert!(early.is_err(), "those who went away have their hashes computed still");
    drop(closed);
    has_begun.recv_timeout(PATIENCE).unwrap();
    // And their failures count.
    while broker.broker.login_failures().total() < lanes as u64 + 1 {
        std::thread::yield_now();
    }
}

#[test]
fn a_new_secret_that_is_wrong_is_a_guess() {
    let broker = TestBroker::start(settings());
    let mut client = Client::open(broker.address, "ann");
    client.send(&method(0, 10, 70, &[long(b"guess"), short("")].concat()));
    assert_eq!(client.frame().unwrap().fault().0, 530);
    assert_eq!(broker.broker.login_failures().total(), 1);
}

/// Has all turns taken by logins of strangers, until what is given back is dropped.
fn take_all_turns(broker: &TestBroker) -> Vec<mpsc::Sender<()>> {
    let lanes = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let (begun, has_begun) = mpsc::channel();
    let take = |number: usize| {
        let (go_on, wait) = mpsc::channel::<()>();
        let (inner, begun) = (Arc::clone(&broker.broker), begun.clone());
        broker.spawn(async move {
            let slow = move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
                Err(LoginRefused)
            };
            let _ = inner.check_login_in_turn([192, 0, 2, number as u8].into(), slow).await;
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        go_on
    };
    (0..lanes).map(take).collect()
}

#[test]
fn a_new_password_is_hashed_when_its_turn_comes() {
    let broker = TestBroker::start(settings());
    let mut right = Client::open(broker.address, "ann");
    let mut changed = Client::open(broker.address, "ann");
    let mut wrong = Client::open(broker.address, "guest");
    let update = |password: &[u8]| method(0, 10, 70, &[long(password), short("")].concat());
    let update_ok = (1, 0, [0, 10, 0, 71].to_vec());
    // The one that was right last needs no turn.
    let turns = take_all_turns(&broker);
    right.send(&update(b"ann"));
    let frame = right.frame().unwrap();
    assert_eq!((frame.kind, frame.channel, frame.payload), update_ok);
    broker.broker.accounts().set_password("ann", b"another").unwrap();
    changed.send(&update(b"another"));
    wrong.send(&update(b"guess"));
    for client in [&mut changed, &mut wrong] {
        client
            .stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        assert!(client.stream.read(&mut [0]).is_err(), "answered before its turn");
        client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    drop(turns);
    let frame = changed.frame().unwrap();
    assert_eq!((frame.kind, frame.channel, frame.payload), update_ok);
    assert_eq!(wrong.frame().unwrap().fault().0, 530);
    // The connection goes on.
    changed.synchronize(1);
}

#[test]
fn the_right_password_from_the_wrong_place_is_counted() {
    let mut settings = settings();
    settings.proxies = vec![Network {
        address: [127, 0, 0, 1].into(),
        bits: 32,
    }];
    let broker = TestBroker::start(settings);
    for count in 1..=2 {
        let mut client = Client::connect(broker.address);
        client.send(b"PROXY TCP4 192.0.2.9 192.0.2.1 4000 5672\r\n");
        assert_eq!(client.log_in("guest", "guest", "/").unwrap_err().unwrap().0, 403);
        assert_eq!(broker.broker.login_failures().total(), count);
    }
}

#[test]
fn anonymous_logs_in_only_where_it_stands_for_somebody() {
    let with = |user: Option<&str>| {
        let mut session = session();
        session.mechanisms = "PLAIN ANONYMOUS".to_owned();
        session.anonymous_user = user.map(Into::into);
        let mut settings = settings();
        settings.session = Arc::new(session);
        TestBroker::start(settings)
    };
    let log_in = |broker: &TestBroker| {
        let mut client = Client::connect(broker.address);
        client.authenticate("ANONYMOUS", b"guest")?;
        client.open_vhost("/")?;
        client.open_channel(1);
        Ok::<_, Option<(u16, String)>>(client)
    };
    let broker = with(Some("ann"));
    log_in(&broker).unwrap();
    assert_eq!(
        &*broker.broker.connections()[0].user,
        "ann",
        "whatever the client says of itself"
    );
    // Nobody is configured; somebody who is not there; not offered at all.
    assert_eq!(log_in(&with(None)).err(), Some(None));
    assert_eq!(log_in(&with(Some("nobody"))).err().unwrap().unwrap().0, 403);
    assert_eq!(log_in(&TestBroker::start(settings())).err(), Some(None));
}

#[test]
fn amqplain_logs_in_as_plain_does() {
    let broker = TestBroker::start(settings());
    let response = |password: &str| {
        let text = |name: &str, value: &str| [&short(name)[..], b"S", &long(value.as_bytes())].concat();
        [text("LOGIN", "ann"), text("PASSWORD", password)].concat()
    };
    let mut client = Client::connect(broker.address);
    client.authenticate("AMQPLAIN", &response("ann")).unwrap();
    client.open_vhost("/").unwrap();
    let refused = Client::connect(broker.address).authenticate("AMQPLAIN", &response("guess"));
    let (code, text) = refused.unwrap_err().unwrap();
    assert!(code == 403 && text.contains("mechanism AMQPLAIN"), "{text}");
}

//! Start, stop, exit codes.

use super::client::{Client, End};
use super::process::{Setup, errors, word};

#[test]
fn the_ready_line_names_version_and_real_addresses() {
    let broker = Setup::new("").start();
    let expected = format!("warren {} ready amqp=127.0.0.1:", env!("CARGO_PKG_VERSION"));
    assert!(broker.ready.starts_with(&expected), "{}", broker.ready);
    let http: std::net::SocketAddr = word(&broker.ready, "http=").parse().unwrap();
    assert_ne!(http.port(), 0);
    assert_ne!(broker.address.port(), 0);
    assert_eq!(broker.ready.split(' ').count(), 5, "{}", broker.ready);
    std::net::TcpStream::connect(http).expect("HTTP is open when the line is written");
    broker.connect().close();
}

#[test]
fn http_can_be_off() {
    let setup = Setup::new("");
    let mut command = setup.program();
    command.args([
        "serve",
        "--data-dir",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--http",
        "off",
    ]);
    let broker = setup.launch(command);
    assert!(broker.ready.ends_with(" http=off"), "{}", broker.ready);
}

fn stops_in_order(signal: &str) {
    let broker = Setup::new("").start();
    let mut clients: Vec<Client> = (0..5).map(|_| broker.connect()).collect();
    broker.signal(signal);
    for client in &mut clients {
        let End::Close(code, text) = client.end() else {
            panic!("closed without a word");
        };
        assert_eq!(code, 320, "{text}");
        assert!(text.starts_with("CONNECTION_FORCED - "), "{text}");
    }
    for client in &mut clients {
        assert_eq!(client.end(), End::Eof);
    }
    let (code, log) = broker.end();
    assert_eq!(code, Some(0), "{log:?}");
}

#[test]
fn sigterm_closes_every_connection_with_320_and_exits_0() {
    stops_in_order("TERM");
}

#[test]
fn sigint_does_the_same() {
    stops_in_order("INT");
}

#[test]
fn a_client_that_never_answers_does_not_hold_up_the_stop() {
    let broker = Setup::new("").start();
    let _deaf = broker.connect();
    let _silent = Client::open(broker.address);
    broker.stop();
}

#[test]
fn a_second_process_on_the_same_folder_exits_2_and_says_why() {
    let setup = Setup::new("");
    let broker = setup.start();
    let second = setup.refused();
    assert_eq!(second.status.code(), Some(2));
    let text = errors(&second);
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains("data"), "{text}");
    assert!(second.stdout.is_empty(), "no ready line");
    broker.connect().close();
    broker.stop();
    setup.start().stop();
}

#[test]
fn a_taken_port_is_named_and_exits_1() {
    let setup = Setup::new("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--data-dir", "data", "--http", "off", "--listen", &address];
    let output = setup.program().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains(&address), "{}", errors(&output));
    assert!(output.stdout.is_empty(), "no ready line");
}

#[test]
fn plain_warren_prints_help_and_a_wrong_use_exits_1() {
    let setup = Setup::new("");
    let help = setup.program().output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage: warren"));
    let wrong = setup.program().arg("dig").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(errors(&wrong).contains("dig"));
}

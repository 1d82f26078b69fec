//! What systemd is told, and the socket that it hands over.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use super::client::Client;
use super::process::{PATIENCE, Setup};

fn hear(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1024];
    let count = socket.recv(&mut buffer).expect("a notice in time");
    String::from_utf8_lossy(&buffer[..count]).trim_end().to_owned()
}

/// The next notice that is no sign of life.
fn hear_state(socket: &UnixDatagram) -> String {
    loop {
        let notice = hear(socket);
        if notice != "WATCHDOG=1" {
            return notice;
        }
    }
}

fn notify_socket(setup: &Setup) -> UnixDatagram {
    let socket = UnixDatagram::bind(setup.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn systemd_hears_ready_and_stopping() {
    let setup = Setup::new("");
    let socket = notify_socket(&setup);
    let mut command = setup.serve();
    command.env("NOTIFY_SOCKET", setup.path().join("notify"));
    let broker = setup.launch(command);
    assert_eq!(hear_state(&socket), "READY=1");
    broker.signal("TERM");
    assert_eq!(hear_state(&socket), "STOPPING=1");
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn systemd_gets_its_signs_of_life() {
    let setup = Setup::new("");
    let socket = notify_socket(&setup);
    let mut command = setup.serve();
    command.env("NOTIFY_SOCKET", setup.path().join("notify"));
    command.env("WATCHDOG_USEC", "200000");
    let _broker = setup.launch(command);
    assert_eq!(hear_state(&socket), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(&socket), "WATCHDOG=1");
    }
}

#[test]
fn a_listening_socket_is_taken_over() {
    let setup = Setup::new("");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Standard input is the one descriptor that a child can be given safely; the shell makes it the third.
    let mut command = Command::new("sh");
    setup.clean(&mut command);
    command.args([
        "-c",
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"",
    ]);
    command.arg(env!("CARGO_BIN_EXE_warren")).args(setup.serve_arguments());
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
    let broker = setup.launch(command);
    assert_eq!(
        broker.address, address,
        "the socket handed over takes the place of listeners.amqp"
    );
    let mut client = Client::connect(address, &Default::default());
    assert_eq!(client.waiting("nothing"), None);
    broker.stop();
}

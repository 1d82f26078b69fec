//! The program as a service: what it tells systemd, the socket that it takes over, and its unit.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const WARREN: &str = env!("CARGO_BIN_EXE_warren");
/// Longest wait for anything; nothing is measured.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that does not outlive its test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Service {
    fn signal(&self, name: &str) {
        // `kill` is a part of every shell.
        let command = format!("kill {name} {}", self.0.id());
        let kill = Command::new("sh").args(["-c", &command]).status();
        assert!(kill.unwrap().success());
    }
}

/// Waits for a notification that has `wanted` as a line.
fn await_notification(socket: &UnixDatagram, wanted: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = socket
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("no {wanted}: {error}"));
        let text = String::from_utf8_lossy(&buffer[..length]);
        if text.lines().any(|line| line == wanted) {
            return;
        }
    }
}

#[test]
fn systemd_hears_of_it_and_hands_over_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify");
    let notifications = UnixDatagram::bind(&notify).unwrap();
    notifications.set_read_timeout(Some(LIMIT)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();

    // The socket has to be descriptor 3, and the variables have to name the broker's own process.
    let child = Command::new("sh")
        .args([
            "-c",
            "exec 3<&0; LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$0\" \"$@\" </dev/null",
            WARREN,
        ])
        .args(["serve", "--http", "off", "--data-dir"])
        .arg(folder.path().join("data"))
        .envs([("LISTEN_FDS", "1"), ("WATCHDOG_USEC", "200000")])
        .env("NOTIFY_SOCKET", &notify)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut service = Service(child.unwrap());

    let mut output = BufReader::new(service.0.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert_eq!(
        first,
        format!("warren {} ready amqp={address} http=off\n", env!("CARGO_PKG_VERSION"))
    );
    await_notification(&notifications, "READY=1");
    await_notification(&notifications, "WATCHDOG=1");
    await_notification(&notifications, "WATCHDOG=1");

    // Another protocol version is answered with the right one, so somebody is there.
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.write_all(b"AMQP\x01\x01\x00\x09").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"AMQP\x00\x00\x09\x01");

    service.signal("-TERM");
    await_notification(&notifications, "STOPPING=1");
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

/// The values of a key in a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let prefix = format!("{key}=");
    unit.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

#[test]
fn the_unit_fits_the_program_and_its_configuration() {
    let unit = fs::read_to_string(config("warren.service")).unwrap();
    assert_eq!(values(&unit, "Type"), ["notify"]);
    assert_eq!(
        values(&unit, "ExecStart"),
        ["/usr/local/bin/warren serve --config /etc/warren/warren.toml"]
    );
    let users = fs::read_to_string(config("warren.sysusers")).unwrap();
    assert!(users.contains(&format!("u {} ", values(&unit, "User")[0])));
    let broker = warren::config::check_file(&config("warren.toml")).unwrap();
    let folder = Path::new("/var/lib").join(values(&unit, "StateDirectory")[0]);
    assert_eq!(broker.node.data_dir, folder);
    let socket = fs::read_to_string(config("warren.socket")).unwrap();
    let addresses: Vec<String> = broker.listeners.amqp.iter().map(ToString::to_string).collect();
    assert_eq!(values(&socket, "ListenStream"), addresses);
}

/// Where systemd is installed, it finds no fault with the units.
#[test]
fn systemd_accepts_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not installed; the units are not verified");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]);
    for name in ["warren.service", "warren.socket"] {
        let unit = fs::read_to_string(config(name)).unwrap();
        let path = folder.path().join(name);
        // The program is not installed on the machine that runs the tests.
        fs::write(&path, unit.replace("/usr/local/bin/warren", WARREN)).unwrap();
        command.arg(path);
    }
    let verified = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{complaint}");
    let ours: Vec<&str> = complaint.lines().filter(|line| line.contains("warren.")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

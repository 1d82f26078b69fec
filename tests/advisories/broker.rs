//! A broker as a process of its own, with a configuration and a log that can be read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::client::{Client, PATIENCE};

pub struct Broker {
    pub amqp: SocketAddr,
    pub http: SocketAddr,
    #[allow(dead_code)]
    pub https: Option<SocketAddr>,
    pub folder: tempfile::TempDir,
    process: Child,
}

/// An answer of the HTTP API, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }
}

/// Two users whose password is their name: ann, an administrator who may everything, and bob, who may what the test
/// gives him.
const USERS: &str = r#"
[[users]]
name = "ann"
password = "ann"
tags = ["administrator"]
[[users]]
name = "bob"
password = "bob"
tags = ["management"]
[[permissions]]
user = "ann"
configure = ".*"
write = ".*"
read = ".*"
"#;

impl Broker {
    /// Starts with these lines besides the users; `files` are put into the folder, which `FOLDER` stands for.
    pub fn start_with(configuration: &str, files: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_warren")), configuration, files)
    }

    /// Starts with a limit of open files, which the broker cannot raise.
    pub fn start_with_open_files(count: u32, configuration: &str) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_warren")]);
        Self::start_by(shell, configuration, &[])
    }

    fn start_by(mut command: Command, configuration: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let configuration = configuration.replace("FOLDER", &folder.path().display().to_string());
        let file = folder.path().join("warren.toml");
        std::fs::write(&file, format!("{configuration}\n{USERS}")).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = |key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.map(|address| address.parse().unwrap())
        };
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        Self {
            amqp: address("amqp=").unwrap_or_else(|| panic!("it does not start: {}", log())),
            http: address("http=").unwrap(),
            https: address("https="),
            folder,
            process,
        }
    }

    pub fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Has the broker read its configuration again and waits until it says so.
    #[allow(dead_code)]
    pub fn reload_until(&self, said: &str) {
        let before = self.log().len();
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
        // The log is a file; nothing tells of its growth.
        while !self.log()[before..].contains(said) {
            std::thread::yield_now();
        }
    }

    /// Sends bytes to the HTTP port and reads one answer.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A request that is refused early may not be taken whole.
        let _ = stream.write_all(request);
        answer(&mut stream)
    }

    /// Asks as a user, or with another `Authorization`.
    pub fn ask_with(&self, authorization: &str, method: &str, path: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: warren\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.raw(request.as_bytes())
    }

    pub fn ask(&self, user: &str, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(&basic(user, user), method, path, body)
    }

    /// Asks as ann, who may.
    #[track_caller]
    pub fn want(&self, method: &str, path: &str, body: &str) -> String {
        let answer = self.ask("ann", method, path, body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }

    /// Gives bob these permissions on `/`.
    pub fn permit_bob(&self, configure: &str, write: &str, read: &str) {
        let body = serde_json::json!({"configure": configure, "write": write, "read": read});
        self.want("PUT", "/api/permissions/%2F/bob", &body.to_string());
    }

    /// A connection with channel 1.
    pub fn client(&self, user: &str) -> Client {
        Client::open(self.amqp, user)
    }

    /// Whether a new client can still work.
    pub fn assert_well(&self) {
        let mut client = self.client("ann");
        client.declare(1, "well");
        client.publish_and_wait(1, "well", b"well");
    }
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

/// Reads an answer to the end of the connection, or of what its length says.
pub fn answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let answer = Answer {
                status,
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length = answer.header("content-length").and_then(|length| length.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) {
                return answer;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let (head, body) = text
                    .split_once("\r\n\r\n")
                    .unwrap_or_else(|| panic!("no answer: {text:?}"));
                return Answer {
                    status: head.split(' ').nth(1).unwrap().parse().unwrap(),
                    head: head.to_owned(),
                    body: body.to_owned(),
                };
            }
            Ok(length) => bytes.extend(&buffer[..length]),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! A broker process of one test, on free ports and a folder of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tempfile::TempDir;

use super::client::{Client, Options};

/// Ends a test that would hang; nothing waits this long in order.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a configuration, in which a broker may be started several times.
pub struct Setup {
    folder: Arc<TempDir>,
}

impl Setup {
    /// With a configuration file of this text.
    pub fn new(toml: &str) -> Self {
        let setup = Self {
            folder: Arc::new(TempDir::new().unwrap()),
        };
        setup.write(toml);
        setup
    }

    /// Replaces the configuration file.
    pub fn write(&self, toml: &str) {
        std::fs::write(self.file(), toml).unwrap();
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.path().join("warren.toml")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with nothing of this process' own settings.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        self.clean(&mut command);
        command
    }

    /// Takes away what would reach the broker from the test's surroundings.
    pub fn clean(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WARREN_") {
                command.env_remove(name);
            }
        }
        for name in [
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "LISTEN_FDS",
            "LISTEN_PID",
        ] {
            command.env_remove(name);
        }
        command.current_dir(self.path()).stdin(Stdio::null());
    }

    /// What follows the program's name to serve from this folder.
    pub fn serve_arguments(&self) -> Vec<String> {
        let file = self.file().to_string_lossy().into_owned();
        let fixed = ["--data-dir", "data", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        ["serve".to_owned(), "--config".to_owned(), file]
            .into_iter()
            .chain(fixed.map(str::to_owned))
            .collect()
    }

    /// `warren serve`, not started yet.
    pub fn serve(&self) -> Command {
        let mut command = self.program();
        command.args(self.serve_arguments());
        command
    }

    /// Starts the broker and waits until it is ready.
    pub fn start(&self) -> Broker {
        self.launch(self.serve())
    }

    /// Starts what `command` says and waits until it is ready.
    pub fn launch(&self, command: Command) -> Broker {
        Broker::launch(command, Arc::clone(&self.folder))
    }

    /// Runs `warren serve` where it must not start.
    pub fn refused(&self) -> Output {
        self.serve().output().unwrap()
    }
}

/// A running broker; killed when dropped.
pub struct Broker {
    child: Child,
    /// The first line of its standard output.
    pub ready: String,
    /// Where it takes AMQP.
    pub address: SocketAddr,
    log: Receiver<String>,
    /// The folder stays as long as its broker.
    _folder: Arc<TempDir>,
}

impl Broker {
    fn launch(mut command: Command, folder: Arc<TempDir>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        output.read_line(&mut ready).unwrap();
        if ready.is_empty() {
            let status = child.wait().unwrap();
            let said: Vec<String> = log.iter().collect();
            panic!("the broker did not start ({status}): {}", said.join("\n"));
        }
        let ready = ready.trim_end().to_owned();
        let address = word(&ready, "amqp=").parse().unwrap();
        Self {
            child,
            ready,
            address,
            log,
            _folder: folder,
        }
    }

    /// A connection of guest to `/`, with channel 1 open.
    pub fn connect(&self) -> Client {
        Client::connect(self.address, &Options::default())
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(status.success());
    }

    /// The next log line that contains `text`.
    pub fn await_log(&self, text: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("no log line with {text:?} came"),
                Err(RecvTimeoutError::Disconnected) => panic!("the broker ended without a log line with {text:?}"),
            }
        }
    }

    /// Waits for the end; gives the exit code, and what was logged and not asked for.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        (code, self.log.iter().collect())
    }

    /// SIGTERM, and the exit code must be 0.
    pub fn stop(self) {
        self.signal("TERM");
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log:?}");
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What follows `prefix` up to the next space.
pub fn word<'a>(line: &'a str, prefix: &str) -> &'a str {
    let (_, rest) = line
        .split_once(prefix)
        .unwrap_or_else(|| panic!("no {prefix} in {line:?}"));
    rest.split(' ').next().unwrap()
}

/// Standard error as text.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

//! The management API and the operator's command line, against the broker as a process.

mod accounts;
mod amqp;
mod command_line;
mod connections;
mod dead_letters;
mod definitions;
mod lists;
mod messages;
mod metrics;
mod openapi;
mod pages;
mod paths;
mod settings;
mod statistics;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// A broker with a data folder of its own, on free ports; killed when it is dropped.
struct Broker {
    process: Child,
    amqp: String,
    http: String,
    /// None only while it is restarted.
    data: Option<tempfile::TempDir>,
}

/// What the API answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    text: String,
    headers: ureq::http::HeaderMap,
}

/// A `warren` that no environment steers.
fn warren() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARREN_") {
            command.env_remove(name);
        }
    }
    command
}

impl Broker {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    /// With options that the environment gives.
    fn start_with(options: &[(&str, &str)]) -> Self {
        Self::start_as(tempfile::tempdir().expect("a folder"), options)
    }

    /// Killed and started again with what is on disk.
    fn restarted(mut self) -> Self {
        let data = self.data.take().expect("it runs");
        drop(self);
        Self::start_in(data)
    }

    fn start_in(data: tempfile::TempDir) -> Self {
        Self::start_as(data, &[])
    }

    fn start_as(data: tempfile::TempDir, options: &[(&str, &str)]) -> Self {
        let is_given = options.iter().any(|(name, _)| *name == "WARREN_LISTENERS__AMQP");
        let listen: &[&str] = if is_given { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut process = warren()
            .envs(options.iter().copied())
            .args(["serve", "--http", "127.0.0.1:0"])
            .args(listen)
            .arg("--data-dir")
            .arg(data.path())
            .current_dir(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("warren starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("standard output");
        BufReader::new(output).read_line(&mut line).expect("the first line");
        let address = |name: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in {line:?}")).to_owned()
        };
        Self {
            amqp: address("amqp="),
            http: address("http="),
            process,
            data: Some(data),
        }
    }

    /// Asks as guest, who may do everything.
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_as(Some(("guest", "guest")), method, path, body)
    }

    fn ask_as(&self, who: Option<(&str, &str)>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.ask_raw(who, method, path, &body)
    }

    fn ask_raw(&self, who: Option<(&str, &str)>, method: &str, path: &str, body: &str) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.http));
        if let Some((user, password)) = who {
            let login = BASE64.encode(format!("{user}:{password}"));
            request = request.header("Authorization", format!("Basic {login}"));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .allow_non_standard_methods(true)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let request = request.body(body.to_owned()).expect("a request");
        let mut response = agent.run(request).expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        Answer {
            status: response.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            headers: response.headers().clone(),
        }
    }

    /// Asks and wants this status.
    #[track_caller]
    fn want(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.body
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.want(200, "GET", path, None)
    }

    #[track_caller]
    fn declare_queue(&self, name: &str) {
        self.want(201, "PUT", &format!("/api/queues/%2F/{name}"), Some(json!({})));
    }

    /// Runs an operator command as guest.
    fn run(&self, arguments: &[&str]) -> Output {
        self.run_as("guest:guest", arguments, "")
    }

    fn run_as(&self, login: &str, arguments: &[&str], input: &str) -> Output {
        run_at(&format!("http://{login}@{}", self.http), arguments, input)
    }
}

fn run_at(url: &str, arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut process = warren()
        .args(arguments)
        .env("WARREN_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("warren starts");
    let mut stdin = process.stdin.take().expect("standard input");
    // A command that does not read its input may have closed it already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    process.wait_with_output().expect("warren ends")
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Names in a list.
fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().expect("a list");
    items.iter().filter_map(|item| item["name"].as_str()).collect()
}

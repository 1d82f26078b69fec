//! Names and secrets where they do harm: in a browser, a log, a terminal.

use std::process::Command;

use serde_json::json;

use super::broker::{Broker, basic};
use super::client::{Client, consume};

const SCRIPT: &str = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";

#[test]
fn stored_script_in_a_name() {
    let broker = Broker::start("");
    broker.want("PUT", &format!("/api/vhosts/{SCRIPT}"), "{}");
    broker.want("PUT", &format!("/api/queues/%2F/{SCRIPT}"), "{}");
    let mut ann = broker.client("ann");
    ann.send(&consume(
        1,
        "<script>alert(1)</script>",
        "<script>alert(2)</script>",
        true,
    ));
    ann.expect(60, 21);
    // A certificate's name is that of a user.
    let user = "<script>alert(1)</script>";
    let own = json!({"password": "p", "tags": ""}).to_string();
    broker.want("PUT", &format!("/api/users/{SCRIPT}"), &own);
    let none = json!({"configure": "", "write": "", "read": ""}).to_string();
    broker.want("PUT", &format!("/api/permissions/%2F/{SCRIPT}"), &none);
    let mut named = Client::connect(broker.amqp);
    named.log_in(user, "p", "/").unwrap();
    let connections = broker.want("GET", "/api/connections", "");
    assert!(connections.contains(user), "{connections}");
    for path in [
        "/api/users",
        "/api/connections",
        "/api/vhosts",
        "/api/queues",
        "/api/consumers",
        "/api/overview",
        "/api/no/such/path",
        "/metrics/per-object",
    ] {
        let answer = broker.ask("ann", "GET", path, "");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(!kind.contains("html"), "{path}: {kind}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}: {}",
            answer.head
        );
    }
    // An error that names what was asked for is no page either.
    let answer = broker.ask("ann", "GET", &format!("/api/queues/%2F/{SCRIPT}x"), "");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
}

#[test]
fn cors_with_credentials() {
    let broker = Broker::start("");
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        for method in ["OPTIONS", "GET"] {
            let request = format!(
                "{method} /api/overview HTTP/1.1\r\nHost: warren\r\nOrigin: {origin}\r\nAuthorization: {}\r\n\
                 Access-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n",
                basic("ann", "ann")
            );
            let answer = broker.raw(request.as_bytes());
            assert!(
                !answer.head.to_lowercase().contains("access-control-allow"),
                "{origin}: {}",
                answer.head
            );
        }
    }
}

#[test]
fn a_secret_in_a_log() {
    let broker = Broker::start("[log]\nlevel = \"trace\"\nformat = \"text\"\n");
    let secrets = [
        "wrong-Pa55word-one",
        "wrong-Pa55word-two",
        "new-Pa55word-three",
        "bad-Pa55word-four",
    ];
    let _ = Client::connect(broker.amqp).log_in("ann", secrets[0], "/");
    // A response of the wrong form has a password in it too.
    let malformed = format!("ann\0{}", secrets[3]);
    let _ = Client::connect(broker.amqp).authenticate("PLAIN", malformed.as_bytes());
    let refused = broker.ask_with(&basic("ann", secrets[1]), "GET", "/api/overview", "");
    assert_eq!(refused.status, 401);
    let body = format!("{{\"password\":\"{}\",\"tags\":\"\"}}", secrets[2]);
    broker.want("PUT", "/api/users/new", &body);
    let mut new = Client::connect(broker.amqp);
    // No permission anywhere: refused after the login.
    assert!(new.log_in("new", secrets[2], "/").is_err());
    let bearer = "eyJhbGciOiJub25lIn0.c2VjcmV0LWNsYWlt.c2VjcmV0LXNpZ25hdHVyZQ";
    broker.ask_with(&format!("Bearer {bearer}"), "GET", "/api/overview", "");
    let _ = Client::connect(broker.amqp).log_in("x", bearer, "/");
    let users = broker.want("GET", "/api/users", "");
    let log = broker.log();
    assert!(log.contains("login refused"), "the log is one");
    for secret in secrets.iter().chain(&["Pa55word", "c2VjcmV0", "$argon2id$"]) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for secret in secrets {
        assert!(!users.contains(secret));
        let encoded = basic("ann", secret);
        assert!(!log.contains(encoded.trim_start_matches("Basic ")));
    }
}

#[test]
fn control_characters_in_a_name_that_reaches_a_log_or_a_terminal() {
    for format in ["text", "json"] {
        let broker = Broker::start(&format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n"));
        let evil = "x\r\nFORGED line\u{1b}[2J\u{7}\u{9b}31m";
        let _ = Client::connect(broker.amqp).log_in(evil, "p", "/");
        let _ = Client::connect(broker.amqp).log_in("ann", "ann", evil);
        let mut ann = broker.client("ann");
        let _ = Client::connect(broker.amqp).authenticate(evil, b"x");
        ann.send(&consume(1, evil, evil, true));
        assert_eq!(ann.frame().unwrap().fault().0, 404);
        broker.ask_with(&basic(evil, "p"), "GET", "/api/overview", "");
        let name = "x%0D%0AFORGED%1B%5B2J%07";
        broker.ask("ann", "PUT", &format!("/api/vhosts/{name}"), "{}");
        broker.ask(
            "ann",
            "PUT",
            &format!("/api/users/{name}"),
            "{\"password\":\"p\",\"tags\":\"\"}",
        );
        broker.ask("ann", "PUT", &format!("/api/queues/%2F/{name}"), "{}");
        let log = broker.log();
        assert!(log.contains("FORGED"), "{format}: the names do reach the log");
        for (at, line) in log.lines().enumerate() {
            assert!(!line.starts_with("FORGED"), "{format}, line {at}: {line:?}");
            // JSON escapes what ends a line or steers a terminal; machines read it.
            let harms = |c: &char| c.is_ascii_control() || (format == "text" && c.is_control());
            let control = line.chars().find(harms);
            assert_eq!(control, None, "{format}, line {at}: {line:?}");
        }
        // And on an operator's terminal.
        for list in ["vhosts", "users", "queues"] {
            let output = Command::new(env!("CARGO_BIN_EXE_warren"))
                .args(["list", list])
                .env("WARREN_URL", format!("http://ann:ann@{}", broker.http))
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let control = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{list}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{list}: {text:?}");
        }
    }
}

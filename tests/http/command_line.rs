//! The operator's commands: what they print and how they end.

use std::process::Output;

use serde_json::{Value, json};

use super::amqp::Client;
use super::{Broker, run_at};

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[test]
fn a_script_can_rely_on_the_exit_codes() {
    let broker = Broker::start();
    let rows: &[(&[&str], i32)] = &[
        (&["status"], 0),
        (&["health"], 0),
        (&["top", "--once"], 0),
        (&["top", "--sort", "nothing"], 1),
        (&["top", "--interval", "0"], 1),
        (&["manual"], 0),
        (&["manual", "users", "add"], 0),
        (&["manual", "nothing"], 1),
        (&["completion", "fish"], 0),
        (&["completion", "nothing"], 1),
        (&["health", "--ready"], 0),
        (&["trace", "on"], 0),
        (&["trace", "off", "-V", "none"], 5),
        (&["declare", "queue", "q", "-a", "x-max-length=10"], 0),
        (&["declare", "queue", "q", "-a", "x-max-length=10"], 0),
        (&["declare", "queue", "q"], 1),
        (&["declare", "queue", "q", "-a", "novalue"], 1),
        (&["declare", "queue", "q", "-V", "none"], 5),
        (&["declare", "exchange", "x", "topic"], 0),
        (&["declare", "exchange", "x", "nosuchtype"], 1),
        (&["declare", "binding", "x", "q", "-k", "a.#", "-a", "n=1"], 0),
        (&["declare", "binding", "x", "none"], 5),
        (&["publish", "x", "a.b", "hello", "-H", "n=1", "--persistent"], 0),
        (&["publish", "x", "zzz", "hello"], 1),
        (&["publish", "none", "zzz", "hello"], 5),
        (&["get", "q"], 0),
        (&["get", "none"], 5),
        (&["purge", "q"], 0),
        (&["purge", "none"], 5),
        (&["delete", "binding", "x", "q", "-k", "a.#"], 5),
        (&["delete", "binding", "x", "q", "-k", "a.#", "-a", "n=1"], 0),
        (&["publish", "", "q", "hello"], 0),
        (&["delete", "queue", "q", "--if-empty"], 1),
        (&["delete", "queue", "q"], 0),
        (&["delete", "queue", "q"], 5),
        (&["delete", "exchange", "x"], 0),
        (&["declare", "vhost", "v"], 0),
        (&["permissions", "set", "guest", "^a", "^b", "^c", "-V", "v"], 0),
        (&["permissions", "set", "nobody", "", "", ""], 5),
        (&["permissions", "clear", "guest", "-V", "v"], 0),
        (&["permissions", "clear", "guest", "-V", "v"], 5),
        (
            &[
                "policies",
                "set",
                "p",
                "^a",
                "max-length=1",
                "-V",
                "v",
                "--priority",
                "-1",
            ],
            0,
        ),
        (&["policies", "set", "p", "^a", "max-length=x", "-V", "v"], 1),
        (&["policies", "set", "p", "^a"], 1),
        (&["policies", "set", "p", "^a", "max-length=1", "-V", "none"], 5),
        (
            &["policies", "set", "p", "", "max-length=1", "--operator", "-V", "v"],
            0,
        ),
        (&["policies", "list"], 0),
        (&["policies", "clear", "p", "-V", "v"], 0),
        (&["policies", "clear", "p", "-V", "v"], 5),
        (&["limits", "set", "-V", "v", "message-rate-per-s", "100"], 0),
        (&["limits", "set", "-V", "v", "max-queues", "-1"], 0),
        (&["limits", "set", "-V", "v", "max-exchanges", "1"], 1),
        (&["limits", "set", "-V", "v", "max-queues", "few"], 1),
        (&["limits", "set", "-V", "none", "max-queues", "1"], 5),
        (&["limits", "set", "--user", "guest", "byte-rate-per-s", "1000000"], 0),
        (&["limits", "set", "--user", "nobody", "max-channels", "1"], 5),
        (&["limits", "set", "--user", "guest", "-V", "v", "max-channels", "1"], 1),
        (&["limits", "list"], 0),
        (&["limits", "list", "--users"], 0),
        (&["limits", "clear", "--user", "guest", "byte-rate-per-s"], 0),
        (&["limits", "clear", "-V", "v", "message-rate-per-s"], 0),
        (&["delete", "vhost", "v"], 0),
        (&["declare", "queue", "w"], 0),
        (&["queue", "pause", "w"], 0),
        (&["queue", "resume", "w"], 0),
        (&["queue", "pause", "none"], 5),
        (&["queue", "set", "w", "x-max-length=5", "--reset", "x-expires"], 0),
        (&["queue", "set", "w", "x-max-priority=5"], 1),
        (&["queue", "set", "w"], 1),
        (&["peek", "w"], 0),
        (&["peek", "none"], 5),
        (&["connections", "close", "none"], 5),
        (&["connections", "close"], 1),
        (&["list", "nothing"], 1),
        (&["list", "users", "-V", "/"], 1),
        (&["users", "delete", "none"], 5),
        (&["status", "--url", "https://guest:guest@127.0.0.1"], 1),
        (&["status", "--url", "http://"], 1),
    ];
    for (arguments, code) in rows {
        let output = broker.run(arguments);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {}", text(&output));
    }
    assert_eq!(broker.get("/api/vhosts/%2F")["tracing"], true);
    assert_eq!(broker.run(&["trace", "off"]).status.code(), Some(0));
    assert_eq!(broker.get("/api/vhosts/%2F")["tracing"], false);
    let ready = broker.run_as("guest:wrong", &["health", "--ready"], "");
    assert_eq!(ready.status.code(), Some(0), "it needs no user: {}", text(&ready));
    let output = broker.run_as("guest:wrong", &["health"], "");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("WARREN_URL"), "it says what to do next");
    let address = broker.http.clone();
    drop(broker);
    let output = run_at(&format!("http://guest:guest@{address}"), &["status"], "");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[test]
fn tables_are_for_people_and_json_for_programs() {
    let broker = Broker::start();
    broker.declare_queue("orders");
    broker.declare_queue("a%1B%5B2J");
    let mut client = Client::connect(&broker.amqp);
    client.consume("orders", "tag");
    let output = broker.run(&[
        "list",
        "queues",
        "--columns",
        "name,messages,consumers",
        "--sort",
        "name",
    ]);
    assert_eq!(
        text(&output),
        "name        messages  consumers\na\\u{1b}[2J         0          0\norders             0          1\n"
    );
    let output = broker.run(&["list", "queues", "--json", "--columns", "name", "--name", "ORD"]);
    assert_eq!(parsed(&output), json!([{ "name": "orders" }]));
    let output = broker.run(&["list", "queues", "--json", "-V", "/"]);
    assert_eq!(parsed(&output)[1]["consumers"], 1);
    for (kind, shown) in [
        ("exchanges", "amq.topic"),
        ("bindings", "orders"),
        ("connections", "guest"),
        ("channels", "(1)"),
        ("consumers", "tag"),
        ("users", "administrator"),
        ("permissions", ".*"),
        ("vhosts", "Default virtual host"),
    ] {
        let output = broker.run(&["list", kind]);
        assert!(text(&output).contains(shown), "{kind}: {}", text(&output));
        assert!(parsed(&broker.run(&["list", kind, "--json"])).is_array(), "{kind}");
    }
    let status = text(&broker.run(&["status"]));
    assert!(status.contains(&format!("amqp={}", broker.amqp)), "{status}");
    assert_eq!(parsed(&broker.run(&["status", "--json"]))["object_totals"]["queues"], 2);
    assert_eq!(parsed(&broker.run(&["health", "--json"]))[0]["status"], "ok");
    let closed = broker.run(&["connections", "close", "--user", "guest", "--reason", "enough"]);
    assert_eq!(closed.status.code(), Some(0), "{}", text(&closed));
    let close = client.expect(10, 50);
    assert!(String::from_utf8_lossy(&close).contains("enough"));
}

#[test]
fn messages_and_definitions_go_in_and_out() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let published = broker.run_as("guest:guest", &["publish", "", "q"], "from standard input");
    assert_eq!(published.status.code(), Some(0), "{}", text(&published));
    let shown = broker.run(&["get", "q"]);
    assert!(text(&shown).contains("from standard input"), "{}", text(&shown));
    let taken = parsed(&broker.run(&["get", "q", "--then", "ack", "--json"]));
    assert_eq!(taken[0]["redelivered"], true, "the first look put it back");
    assert_eq!(text(&broker.run(&["get", "q"])), "the queue is empty\n");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("definitions.json");
    let file = file.to_str().expect("a path");
    assert_eq!(broker.run(&["definitions", "export", file]).status.code(), Some(0));
    assert_eq!(broker.run(&["delete", "queue", "q"]).status.code(), Some(0));
    let imported = broker.run(&["definitions", "import", file]);
    assert_eq!(imported.status.code(), Some(0), "{}", text(&imported));
    assert_eq!(broker.get("/api/queues/%2F/q")["durable"], true);
    let foreign = json!({ "global_parameters": [{ "name": "p", "value": [1] }] }).to_string();
    let imported = broker.run_as("guest:guest", &["definitions", "import", "-"], &foreign);
    assert_eq!(imported.status.code(), Some(0), "{}", text(&imported));
    assert_eq!(broker.get("/api/global-parameters/p")["value"], json!([1]));
    let broken = broker.run_as("guest:guest", &["definitions", "import", "-"], "{");
    assert_eq!(broken.status.code(), Some(1));
}

#[test]
fn users_are_kept_from_the_command_line() {
    let broker = Broker::start();
    let add = ["users", "add", "ops", "--tags", "monitoring,policymaker"];
    assert_eq!(
        broker.run_as("guest:guest", &add, "first secret\n").status.code(),
        Some(0)
    );
    assert_eq!(
        broker.run_as("guest:guest", &add, "\n").status.code(),
        Some(1),
        "no empty password"
    );
    let login = |password: &str| broker.run_as(&format!("ops:{password}"), &["status"], "").status.code();
    assert_eq!(login("first%20secret"), Some(0));
    let passwd = broker.run_as("guest:guest", &["users", "passwd", "ops"], "second\n");
    assert_eq!(passwd.status.code(), Some(0), "{}", text(&passwd));
    assert_eq!(login("first%20secret"), Some(4));
    assert_eq!(login("second"), Some(0));
    let tags = broker.run(&["users", "tags", "ops", "administrator"]);
    assert_eq!(tags.status.code(), Some(0), "{}", text(&tags));
    assert_eq!(broker.get("/api/users/ops")["tags"], json!(["administrator"]));
    assert_eq!(login("second"), Some(0), "the password stays");
    assert_eq!(broker.run(&["users", "delete", "ops"]).status.code(), Some(0));
    assert_eq!(login("second"), Some(4));
}

#[test]
fn queues_are_looked_into_paused_and_changed() {
    let broker = Broker::start();
    broker.declare_queue("q");
    for body in ["one", "two", "three"] {
        broker.run(&["publish", "", "q", body]);
    }
    let seen = parsed(&broker.run(&["peek", "q", "--position", "1", "--count", "5", "--json"]));
    let bodies: Vec<_> = seen
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| &message["payload"])
        .collect();
    assert_eq!(bodies, ["two", "three"]);
    assert_eq!(
        (&seen[0]["position"], &seen[0]["redelivered"]),
        (&json!(1), &json!(false))
    );
    assert!(text(&broker.run(&["peek", "q"])).contains("one"));
    assert_eq!(
        text(&broker.run(&["peek", "q", "--position", "3"])),
        "no message waits there\n"
    );

    broker.run(&["queue", "pause", "q"]);
    assert_eq!(broker.get("/api/queues/%2F/q")["state"], "paused");
    assert_eq!(text(&broker.run(&["get", "q"])), "the queue is empty\n");
    broker.run(&["queue", "resume", "q"]);
    assert_eq!(broker.get("/api/queues/%2F/q")["state"], "running");

    broker.run(&["queue", "set", "q", "x-max-length=1"]);
    let left = parsed(&broker.run(&["peek", "q", "-n", "9", "--json"]));
    assert_eq!(
        (left.as_array().map(Vec::len), &left[0]["payload"]),
        (Some(1), &json!("three"))
    );

    broker.run(&[
        "policies",
        "set",
        "p",
        "^q$",
        "message-ttl=60000",
        "--apply-to",
        "queues",
    ]);
    let listed = parsed(&broker.run(&["list", "policies", "--json"]));
    assert_eq!(
        (&listed[0]["name"], &listed[0]["apply-to"]),
        (&json!("p"), &json!("queues"))
    );
    assert_eq!(parsed(&broker.run(&["policies", "list", "-V", "/", "--json"])), listed);
    assert_eq!(parsed(&broker.run(&["list", "operator-policies", "--json"])), json!([]));
    assert_eq!(broker.get("/api/queues/%2F/q")["policy"], "p");
    broker.run(&["limits", "set", "message-rate-per-s", "50"]);
    broker.run(&["limits", "set", "--user", "guest", "byte-rate-per-s", "70"]);
    assert_eq!(
        parsed(&broker.run(&["limits", "list", "--json"])),
        json!([{ "vhost": "/", "value": { "message-rate-per-s": 50 } }])
    );
    assert_eq!(
        parsed(&broker.run(&["limits", "list", "--users", "--json"])),
        json!([{ "user": "guest", "value": { "byte-rate-per-s": 70 } }])
    );
}

#[test]
fn operations_on_queues_need_their_permission() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let user = json!({ "password": "secret", "tags": "management" });
    broker.want(201, "PUT", "/api/users/reader", Some(user));
    let reader = json!({ "configure": "^$", "write": "^$", "read": ".*" });
    broker.want(201, "PUT", "/api/permissions/%2F/reader", Some(reader));
    for (method, path, status) in [
        ("GET", "messages", 200),
        ("PUT", "pause", 401),
        ("DELETE", "pause", 401),
        ("POST", "arguments", 401),
    ] {
        let path = format!("/api/warren/queues/%2F/q/{path}");
        let answer = broker.ask_as(Some(("reader", "secret")), method, &path, None);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
}

#[test]
fn top_prints_a_snapshot_where_there_is_no_terminal() {
    let broker = Broker::start();
    for name in ["orders", "mail", "a%0D%0A%1B%5B2J"] {
        broker.declare_queue(name);
    }
    for _ in 0..3 {
        broker.run(&["publish", "", "mail", "x"]);
    }
    broker.run(&["publish", "", "orders", "x"]);
    let _client = Client::connect(&broker.amqp);
    let shown = text(&broker.run(&["top", "-n", "2"]));
    assert!(
        shown.contains("no alarms") && shown.contains("connections 1"),
        "{shown}"
    );
    let (mail, orders) = (shown.find("mail"), shown.find("orders"));
    assert!(mail.is_some() && mail < orders, "the deepest first: {shown}");
    assert!(!shown.contains("[2J"), "two queues: {shown}");
    let shown = text(&broker.run(&["top", "--sort", "name"]));
    assert!(
        shown.contains("a\\r\\n\\u{1b}[2J") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    let parsed = parsed(&broker.run(&["top", "--json"]));
    assert_eq!(parsed["queues"][0]["name"], "mail");
    assert_eq!(parsed["queues"][0]["messages"], 3);
    assert_eq!(parsed["connections"][0]["user"], "guest");
    assert_eq!(parsed["alarms"], json!([]));
}

#[test]
fn no_name_reaches_a_terminal_raw() {
    let broker = Broker::start();
    let evil = "%0D%0A%1B%5D0%3Btitle%07%C2%9B2J";
    for (method, path, body) in [
        ("PUT", format!("/api/queues/%2F/{evil}"), json!({})),
        ("PUT", format!("/api/exchanges/%2F/{evil}"), json!({ "type": "fanout" })),
        (
            "PUT",
            format!("/api/users/{evil}"),
            json!({ "password": "p", "tags": "management" }),
        ),
        (
            "PUT",
            format!("/api/vhosts/{evil}"),
            json!({ "description": "\u{1b}[2J" }),
        ),
        (
            "PUT",
            format!("/api/policies/%2F/{evil}"),
            json!({ "pattern": "^$", "definition": { "max-length": 1 } }),
        ),
        (
            "PUT",
            format!("/api/permissions/%2F/{evil}"),
            json!({ "configure": "\u{1b}", "write": "", "read": "" }),
        ),
        (
            "POST",
            format!("/api/bindings/%2F/e/{evil}/q/{evil}"),
            json!({ "routing_key": "\u{1b}[1m" }),
        ),
    ] {
        broker.want(201, method, &path, Some(body));
    }
    broker.run(&[
        "publish",
        "",
        "\r\n\u{1b}]0;title\u{7}\u{9b}2J",
        "\u{1b}[5mbody",
        "-H",
        "\u{1b}=1",
    ]);
    let name = "\r\n\u{1b}]0;title\u{7}\u{9b}2J";
    for arguments in [
        vec!["list", "queues"],
        vec!["list", "exchanges"],
        vec!["list", "bindings"],
        vec!["list", "users"],
        vec!["list", "vhosts"],
        vec!["list", "permissions"],
        vec!["list", "policies"],
        vec!["status"],
        vec!["top"],
        vec!["health"],
        vec!["get", name],
        vec!["peek", name],
        vec!["purge", name],
        vec!["get", "none\u{1b}[2J"],
        vec!["declare", "queue", name],
        vec!["declare", "queue", name, "-a", "x-max-length=1"],
        vec!["delete", "queue", name],
        vec!["declare", "exchange", "x", "\u{1b}[2J"],
        vec!["users", "delete", name],
        vec!["connections", "close", name],
        vec!["list", "queues", "-V", "\u{1b}[2J"],
    ] {
        let output = text(&broker.run(&arguments));
        let bare = |character: char| character.is_control() && character != '\n';
        assert!(!output.contains(bare), "{arguments:?}: {output:?}");
        assert!(
            !output.contains("\n\\u{1b}]0"),
            "a line of its own: {arguments:?}: {output:?}"
        );
    }
}

#[test]
fn shells_complete_and_man_explains_every_command() {
    let broker = Broker::start();
    let manual = text(&broker.run(&["manual"]));
    for command in ["serve", "status", "list", "declare", "users", "top", "definitions"] {
        assert!(
            manual.contains(&format!("warren\\-{command}(1)")),
            "{command}: {manual}"
        );
    }
    assert!(text(&broker.run(&["manual", "list"])).contains(".TH WARREN-LIST 1"));
    assert!(manual.contains("Exit codes"), "{manual}");
    for (shell, shown) in [
        ("bash", "complete -F _warren"),
        ("zsh", "#compdef warren"),
        ("fish", "complete -c warren"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = text(&broker.run(&["completion", shell]));
        assert!(script.contains(shown) && script.contains("definitions"), "{shell}");
    }
}

#[test]
fn a_broker_for_tls_only_is_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.self_signed(&key).expect("a certificate");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let (certificate, key) = (
        write("cert.pem", &certificate.pem()),
        write("key.pem", &key.serialize_pem()),
    );
    let options = [
        ("WARREN_LISTENERS__AMQP", ""),
        ("WARREN_LISTENERS__AMQPS", "127.0.0.1:0"),
        ("WARREN_TLS__CERTIFICATE_FILE", &certificate),
        ("WARREN_TLS__KEY_FILE", &key),
    ];
    let broker = Broker::start_with(&options);
    let health = broker.run(&["health"]);
    assert_eq!(health.status.code(), Some(0), "{}", text(&health));
    assert!(
        text(&health).contains("protocol-listener/amqps  ok"),
        "{}",
        text(&health)
    );
}

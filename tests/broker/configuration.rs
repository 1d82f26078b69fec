//! `warren check`, faulty files, and reloading.

use super::process::{Setup, errors};

const THREE_FAULTS: &str = r#"
[limits]
frame_max_byte = 100000
heartbeat_s = -1

[store]
messages = "paper"
"#;

fn names_all_three(text: &str) {
    for (line, key) in [("3", "frame_max_byte"), ("4", "heartbeat_s"), ("7", "messages")] {
        let found = text
            .lines()
            .any(|fault| fault.contains("warren.toml") && fault.contains(&format!(":{line}")) && fault.contains(key));
        assert!(found, "{key} at line {line} is missing in: {text}");
    }
    assert!(
        text.contains("did you mean") && text.contains("frame_max_bytes"),
        "{text}"
    );
}

#[test]
fn check_reports_all_faults_and_exits_1() {
    let setup = Setup::new(THREE_FAULTS);
    let output = setup.program().arg("check").arg(setup.file()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    names_all_three(&errors(&output));
}

#[test]
fn check_of_a_sound_file_exits_0_and_makes_nothing() {
    let setup = Setup::new("[limits]\nheartbeat_s = 30\n");
    let output = setup.program().arg("check").arg(setup.file()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no faults"));
    assert_eq!(
        std::fs::read_dir(setup.path()).unwrap().count(),
        1,
        "only the file itself"
    );
}

#[test]
fn serve_refuses_a_faulty_file_with_the_same_report_and_starts_nothing() {
    let setup = Setup::new(THREE_FAULTS);
    let output = setup.refused();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "no ready line");
    names_all_three(&errors(&output));
    assert!(!setup.path().join("data").exists(), "no data folder");
}

#[test]
fn a_reload_adds_what_is_declared_and_takes_new_limits() {
    let setup = Setup::new("[[queues]]\nname = \"first\"\n");
    let broker = setup.start();
    let mut client = broker.connect();
    assert_eq!(client.waiting("second"), None);
    setup.write("[limits]\nheartbeat_s = 7\n[[queues]]\nname = \"first\"\n[[queues]]\nname = \"second\"\n");
    broker.signal("HUP");
    let reloaded = broker.await_log("limits.heartbeat_s");
    assert!(reloaded.contains("60") && reloaded.contains('7'), "{reloaded}");
    broker.await_log("configuration reloaded");
    assert_eq!(client.waiting("first"), Some(0));
    assert_eq!(client.waiting("second"), Some(0));
    broker.stop();
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let setup = Setup::new("");
    let broker = setup.start();
    setup.write("[node]\nname = \"other\"\n");
    broker.signal("HUP");
    let line = broker.await_log("node.name");
    assert!(line.contains("restart") && line.contains("other"), "{line}");
}

#[test]
fn a_reload_that_contradicts_what_stands_changes_nothing() {
    let setup = Setup::new("[[queues]]\nname = \"kept\"\narguments = { x-max-length = 5 }\n");
    let broker = setup.start();
    let mut client = broker.connect();
    setup.write(
        "[limits]\nheartbeat_s = 7\n[[queues]]\nname = \"new\"\n[[queues]]\nname = \"kept\"\narguments = { x-max-length = 6 }\n",
    );
    broker.signal("HUP");
    let line = broker.await_log("not reloaded");
    assert!(
        line.contains("kept") && line.contains('5') && line.contains('6'),
        "{line}"
    );
    assert_eq!(client.waiting("new"), None, "nothing of the file was taken");
    assert_eq!(client.waiting("kept"), Some(0));
}

#[test]
fn a_reload_of_a_faulty_file_changes_nothing() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    setup.write("[[queues]]\nname = \"new\"\n[limits]\nheartbeats = 7\n");
    broker.signal("HUP");
    let line = broker.await_log("not reloaded");
    assert!(line.contains("heartbeats"), "{line}");
    assert_eq!(client.waiting("new"), None);
}

//! What an orchestrator and a scraper see of the broker's states.

use base64::Engine;

use super::process::{Broker, Setup, word};

/// Status and text of a path.
fn ask(broker: &Broker, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", word(&broker.ready, "http="));
    let login = base64::engine::general_purpose::STANDARD.encode("guest:guest");
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let request = agent.get(&url).header("Authorization", format!("Basic {login}"));
    let mut answer = request.call().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), text)
}

#[test]
fn an_ending_broker_lives_and_is_not_ready() {
    let broker = Setup::new("").start();
    assert_eq!(ask(&broker, "/health/ready"), (200, "ok\n".to_owned()));
    assert_eq!(ask(&broker, "/health/live"), (200, "ok\n".to_owned()));
    // A client that does not answer the broker's close holds the end up for a while.
    let client = broker.connect();
    broker.signal("TERM");
    broker.await_log("stopping");
    let ready = loop {
        match ask(&broker, "/health/ready") {
            (200, _) => {}
            other => break other,
        }
    };
    assert_eq!(ready, (503, "shutting down\n".to_owned()));
    assert_eq!(ask(&broker, "/health/live").0, 200);
    drop(client);
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn an_alarm_leaves_the_broker_ready_and_is_told() {
    let setup = Setup::new("[store]\ndisk_free_limit_bytes = 1_125_899_906_842_624\n");
    let broker = setup.start();
    let ready = (200, "ok, but publishers are blocked: low on disk\n".to_owned());
    assert_eq!(ask(&broker, "/health/ready"), ready);
    for path in ["/api/health/checks/alarms", "/api/health/checks/local-alarms"] {
        let (status, text) = ask(&broker, path);
        assert_eq!(status, 503, "{text}");
        assert!(
            text.contains(r#""resource":"disk""#) && !text.contains("memory"),
            "{text}"
        );
    }
    let line = |name: &str| {
        let (_, text) = ask(&broker, "/metrics");
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(line("rabbitmq_alarms_free_disk_space_watermark"), "1");
    assert_eq!(line("rabbitmq_alarms_memory_used_watermark"), "0");
    assert_eq!(line("warren_blocked_connections"), "0");
    let mut client = broker.connect();
    client.durable("q");
    client.publish("", "q", b"", true);
    while line("warren_blocked_connections") != "1" {}
    setup.write("");
    broker.signal("HUP");
    while line("warren_blocked_connections") != "0" {}
    assert_eq!(line("rabbitmq_alarms_free_disk_space_watermark"), "0");
    assert_eq!(ask(&broker, "/health/ready"), (200, "ok\n".to_owned()));
}

//! What is logged.

use serde_json::Value;

use super::client::{Client, Options};
use super::process::Setup;

#[test]
fn json_lines_carry_connection_user_and_vhost() {
    let broker = Setup::new("[log]\nformat = \"json\"\n[[vhosts]]\nname = \"shop\"\n[[users]]\nname = \"guest\"\npassword = \"guest\"\n[[permissions]]\nuser = \"guest\"\nvhost = \"shop\"\nconfigure = \".*\"\nwrite = \".*\"\nread = \".*\"\n").start();
    let options = Options {
        vhost: "shop",
        ..Options::default()
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let client = Client::connect(broker.address, &options);
        let opened: Value = serde_json::from_str(&broker.await_log("connection open")).unwrap();
        client.close();
        let closed: Value = serde_json::from_str(&broker.await_log("connection closed")).unwrap();
        for line in [&opened, &closed] {
            assert_eq!(line["span"]["name"], "connection", "{line}");
            assert_eq!(line["span"]["user"], "guest", "{line}");
            assert_eq!(line["span"]["vhost"], "shop", "{line}");
            assert_eq!(line["level"], "INFO", "{line}");
            assert_eq!(line["span"]["id"], opened["span"]["id"], "{line}");
        }
        ids.push(opened["span"]["id"].to_string());
    }
    assert_ne!(ids[0], ids[1], "each connection has an id of its own");
}

#[test]
fn text_lines_carry_them_too() {
    let broker = Setup::new("[log]\nformat = \"text\"\n").start();
    broker.connect().close();
    let line = broker.await_log("connection open");
    for part in ["connection{", "user=\"guest\"", "vhost=\"/\"", "id="] {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
    assert!(!line.contains('\u{1b}'), "no colours where nobody looks: {line}");
}

#[test]
fn levels_of_modules_can_be_set() {
    let broker = Setup::new("[log]\nlevel = \"info\"\nmodules = { net = \"warn\" }\n").start();
    broker.connect().close();
    broker.await_log("connection open");
    broker.signal("TERM");
    let (code, log) = broker.end();
    assert_eq!(code, Some(0));
    assert!(log.iter().any(|line| line.contains("stopped")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("connection closed")), "{log:?}");
}

#[test]
fn a_refused_login_is_logged_without_its_password() {
    let broker = Setup::new("").start();
    let mut client = Client::open(broker.address);
    client.raw(b"AMQP\x00\x00\x09\x01");
    client.method();
    let mut payload = vec![0, 10, 0, 11, 0, 0, 0, 0, 5];
    payload.extend(b"PLAIN\x00\x00\x00\x0d\0guest\0secret\x05en_US");
    let mut frame = vec![1, 0, 0];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    client.raw(&frame);
    let line = broker.await_log("login refused");
    assert!(line.contains("peer") && !line.contains("secret"), "{line}");
    assert_eq!(client.frame(), None);
}

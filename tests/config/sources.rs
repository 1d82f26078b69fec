//! Flags over environment over file over defaults; secrets; reload.

use std::net::SocketAddr;
use std::path::PathBuf;

use warren::config::{
    ArgumentValue, Arguments, Config, Credential, ExchangeType, Listener, LogLevel, MemoryLimit, Source, SyncMode,
};

use super::{Given, load_text};

#[test]
fn defaults_are_the_public_contract() {
    let config = Given::default().load(None).unwrap();
    let amqp: SocketAddr = "127.0.0.1:5672".parse().unwrap();
    assert_eq!(config.listeners.amqp, [amqp]);
    let http = "127.0.0.1:15672".parse().unwrap();
    assert_eq!(config.listeners.http, Listener::On(http));
    assert_eq!(config.node.data_dir, PathBuf::from("./warren-data"));
    assert!(config.auth.guest_loopback_only);
    assert_eq!(config.file, None);
    let [guest] = config.users.as_slice() else {
        panic!("users: {:?}", config.users)
    };
    assert_eq!(
        (guest.name.as_str(), guest.tags.as_slice()),
        ("guest", ["administrator".to_owned()].as_slice())
    );
    assert!(matches!(guest.credential(), Some(Credential::Password(p)) if p.expose() == "guest"));
    let [rights] = config.permissions.as_slice() else {
        panic!("permissions: {:?}", config.permissions)
    };
    assert_eq!((rights.user.as_str(), rights.vhost.as_str()), ("guest", "/"));
    assert_eq!(
        (rights.configure.as_str(), rights.write.as_str(), rights.read.as_str()),
        (".*", ".*", ".*")
    );
    assert_eq!(rights.at.source, Source::Default);
    assert!(Config::default().changes(&config).is_empty());
}

#[test]
fn a_flag_wins_over_a_variable_over_a_file_over_the_default() {
    let file = b"[limits]\nheartbeat_s = 1\nchannel_max = 1\nqueues_per_vhost = 1\n".as_slice();
    let given = Given::default()
        .variable("WARREN_LIMITS__HEARTBEAT_S", "2")
        .variable("WARREN_LIMITS__CHANNEL_MAX", "2")
        .flag("--heartbeat", "limits.heartbeat_s", "3");
    let limits = given.load(Some(file)).unwrap().limits;
    assert_eq!(limits.heartbeat_s, 3);
    assert_eq!(limits.channel_max, 2);
    assert_eq!(limits.queues_per_vhost, 1);
    assert_eq!(limits.consumers_per_channel, 4_096);
}

#[test]
fn variables_take_every_type() {
    let config = Given::default()
        .variable("WARREN_STORE__SYNC", "interval")
        .variable("WARREN_STORE__MEMORY_LIMIT", "0.25")
        .variable("WARREN_LISTENERS__AMQP", "127.0.0.1:0, [::1]:0")
        .variable("WARREN_LISTENERS__HTTP", "off")
        .variable("WARREN_LIMITS__MESSAGE_MAX_BYTES", "134_217_728")
        .variable("WARREN_AUTH__GUEST_LOOPBACK_ONLY", "false")
        .variable("WARREN_LOG__MODULES", "net=debug,store=trace")
        .variable("WARREN_NODE__NAME", "east")
        .variable("WARREN_CONFIG", "/nowhere")
        .variable("HOME", "/nowhere")
        .load(None)
        .unwrap();
    assert_eq!(config.store.sync, SyncMode::Interval);
    assert_eq!(config.store.memory_limit, MemoryLimit::Share(0.25));
    assert_eq!(config.store.memory_limit.bytes(1 << 30), 1 << 28);
    assert_eq!(config.listeners.amqp.len(), 2);
    assert_eq!(config.listeners.http.address(), None);
    assert_eq!(config.limits.message_max_bytes, 128 << 20);
    assert!(!config.auth.guest_loopback_only);
    assert_eq!(config.log.modules["store"], LogLevel::Trace);
    assert_eq!(config.node.name, "east");
}

#[test]
fn faults_of_all_sources_come_in_order() {
    let report = Given::default()
        .variable("WARREN_STORE__SYNK", "never")
        .variable("WARREN_QUEUES__NAME", "q")
        .variable("WARREN_LIMITS__CHANNEL_MAX", "many")
        .variable("WARREN_LOG__LEVEL", "info")
        .variable("WARREN_LOG__LEVEL__FILE", "level")
        .variable("WARREN_NODE__NAME__FILE", "nowhere")
        .flag("--listen", "listeners.amqp", "127.0.0.1")
        .load(Some(b"[limits]\nchannel_max = 0"))
        .unwrap_err();
    let lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "etc/test.toml:2:15: limits.channel_max: 0 is not between 1 and 65535",
            "WARREN_LIMITS__CHANNEL_MAX: limits.channel_max: expected an integer, found \"many\"",
            "WARREN_LOG__LEVEL__FILE: WARREN_LOG__LEVEL is set too; use one of them",
            "WARREN_NODE__NAME__FILE: cannot read nowhere: no such file",
            "WARREN_QUEUES__NAME: no option has this variable; [[queues]] can only be declared in a file",
            "WARREN_STORE__SYNK: no option has this variable; did you mean WARREN_STORE__SYNC?",
            "--listen: listeners.amqp[0]: expected \"ADDR:PORT\", found \"127.0.0.1\"; an IP address and a port, such as 127.0.0.1:5672 or [::]:5672"
        ]
    );
}

#[test]
fn a_faulty_file_is_reported_even_where_a_variable_wins() {
    let given = Given::default().variable("WARREN_LIMITS__CHANNEL_MAX", "5");
    assert!(given.load(Some(b"[limits]\nchannel_max = 0")).is_err());
}

#[test]
fn a_secret_is_read_from_a_file_and_never_shown() {
    let file = "[[users]]\nname = \"ann\"\npassword_file = \"ann.password\"\n\
                [[users]]\nname = \"bob\"\npassword = \"hunter2\"";
    let config = Given::default()
        .secret("etc/ann.password", "tr0ub4dor\r\n")
        .secret("/run/guest", "correct horse\n")
        .variable("WARREN_AUTH__DEFAULT_PASSWORD__FILE", "/run/guest")
        .load(Some(file.as_bytes()))
        .unwrap();
    let shown = |user: usize| match config.users[user].credential() {
        Some(Credential::Password(password)) => password.expose().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!((shown(0).as_str(), shown(1).as_str()), ("tr0ub4dor", "hunter2"));
    assert_eq!(config.auth.default_password.expose(), "correct horse");
    assert_eq!(config.users.len(), 2, "guest does not exist beside declared users");
    let changes = Config::default().changes(&config);
    let text = format!("{config:?} {changes:?} {}", config.auth.default_password);
    for secret in ["tr0ub4dor", "hunter2", "correct horse"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn the_default_user_can_be_another() {
    let config = Given::default()
        .variable("WARREN_AUTH__DEFAULT_USER", "ops")
        .variable("WARREN_AUTH__DEFAULT_PASSWORD", "long enough")
        .load(Some(
            b"[[permissions]]\nuser = \"ops\"\nconfigure = \"\"\nwrite = \"\"\nread = \".*\"",
        ))
        .unwrap();
    assert_eq!(config.users[0].name, "ops");
    assert_eq!(config.permissions.len(), 1);
    assert_eq!(config.permissions[0].configure, "");
}

#[test]
fn entries_keep_their_values_and_places() {
    let config = load_text(
        "[[vhosts]]\nname = \"shop\"\n\n[[exchanges]]\nvhost = \"shop\"\nname = \"e\"\n\
         type = \"topic\"\ninternal = true\n\n[[bindings]]\nvhost = \"shop\"\nsource = \"e\"\n\
         destination = \"q\"\narguments = { s = \"t\", i = -5, d = 1.5, b = true, \
         t = 1970-01-02T01:00:00+01:00, u = 2024-03-01T00:00:00Z, a = [1, \"x\"], f = { x = 1 } }",
    )
    .unwrap();
    let exchange = &config.exchanges[0];
    assert_eq!(exchange.at.to_string(), "etc/test.toml:4:1");
    assert_eq!(exchange.exchange_type, ExchangeType::Topic);
    assert!(exchange.internal && exchange.durable && !exchange.auto_delete);
    let text = |text: &str| ArgumentValue::String(text.into());
    let expected = Arguments::from(
        [
            ("s", text("t")),
            ("i", ArgumentValue::Integer(-5)),
            ("d", ArgumentValue::Double(1.5)),
            ("b", ArgumentValue::Boolean(true)),
            ("t", ArgumentValue::Timestamp(86_400)),
            ("u", ArgumentValue::Timestamp(1_709_251_200)),
            ("a", ArgumentValue::Array(vec![ArgumentValue::Integer(1), text("x")])),
            (
                "f",
                ArgumentValue::Table([("x".to_owned(), ArgumentValue::Integer(1))].into()),
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    assert_eq!(config.bindings[0].arguments, expected);
}

#[test]
fn changes_tell_what_waits_for_a_restart() {
    let old = load_text(
        "[limits]\nheartbeat_s = 60\n[[queues]]\nname = \"a\"\n[[queues]]\nname = \"b\"\n\
         [[queues]]\nname = \"c\"",
    )
    .unwrap();
    let new = load_text(
        "[listeners]\namqp = [\"127.0.0.1:1\"]\n[limits]\nheartbeat_s = 30\n\
         [[queues]]\nname = \"c\"\n[[queues]]\nname = \"b\"\ndurable = false\n[[queues]]\nname = \"d\"",
    )
    .unwrap();
    let changes = old.changes(&new);
    let lines = |changes: &[warren::config::Change]| -> Vec<String> {
        let line = |c: &warren::config::Change| format!("{}: {} -> {}", c.key, c.old, c.new);
        changes.iter().map(line).collect()
    };
    assert_eq!(
        lines(&changes.needs_restart),
        ["listeners.amqp: [\"127.0.0.1:5672\"] -> [\"127.0.0.1:1\"]"]
    );
    assert_eq!(
        lines(&changes.reloadable),
        [
            "limits.heartbeat_s: 60 -> 30",
            "queues: queue \"a\" in \"/\": { name = \"a\" } -> not declared",
            "queues: queue \"b\" in \"/\": { name = \"b\" } -> { name = \"b\", durable = false }",
            "queues: queue \"d\" in \"/\": not declared -> { name = \"d\" }"
        ]
    );
    assert!(new.changes(&new.clone()).is_empty());
}

#[test]
fn a_flag_without_an_option_is_a_fault() {
    let given = Given::default()
        .flag("--x", "nowhere.x", "1")
        .flag("--y", "limits.y", "1");
    let report = given.load(None).unwrap_err();
    assert_eq!(
        report.to_string(),
        "--x: nowhere: unknown section\n--y: limits.y: unknown key"
    );
}

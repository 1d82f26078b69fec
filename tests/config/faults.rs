//! Bad files and the exact lines that they earn.

use proptest::prelude::*;

use super::{Given, load_text, report};

/// A file and its whole report, without the `etc/test.toml:` of each line.
type Case = (&'static str, &'static [&'static str]);

fn check(cases: &[Case]) {
    for (text, expected) in cases {
        let found = report(text);
        let found: Vec<&str> = found
            .iter()
            .map(|line| line.strip_prefix("etc/test.toml:").unwrap_or(line))
            .collect();
        assert_eq!(&found, expected, "of:\n{text}");
    }
}

#[test]
fn options() {
    check(&[
        (
            "[limits]\nframe_max = 5",
            &["2:1: limits.frame_max: unknown key; did you mean frame_max_bytes?"],
        ),
        (
            "[limit]\nframe_max_bytes = 5",
            &["1:2: limit: unknown section; did you mean limits?"],
        ),
        ("[telemetry]\nendpoint = \"x\"", &["1:2: telemetry: unknown section"]),
        (
            "[tls]\ncertificate = \"x\"\nclient_certificates = \"always\"",
            &[
                "2:1: tls.certificate: unknown key; did you mean certificate_file?",
                "3:23: tls.client_certificates: expected one of \"none\", \"optional\", \"required\", found \"always\"",
            ],
        ),
        (
            "[listeners]\namqps = [\"127.0.0.1:5671\", \"127.0.0.1:5671\", \"127.0.0.1:5672\"]",
            &[
                "2:9: listeners.amqps: 127.0.0.1:5671 is listed twice",
                "2:9: listeners.amqps: 127.0.0.1:5672 is in listeners.amqp too",
                "2:9: listeners.amqps: needs tls.certificate_file and tls.key_file",
            ],
        ),
        (
            "[listeners]\nproxy_protocol_from = [\"10.0.0.0/33\", \"proxy\", \"::1/64\"]",
            &[
                "2:24: listeners.proxy_protocol_from[0]: expected \"ADDR\" or \"ADDR/BITS\", found \"10.0.0.0/33\"; an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8",
                "2:39: listeners.proxy_protocol_from[1]: expected \"ADDR\" or \"ADDR/BITS\", found \"proxy\"; an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8",
            ],
        ),
        (
            "[tls]\nclient_certificates = \"required\"",
            &["2:23: tls.client_certificates: needs tls.client_ca_file"],
        ),
        (
            "[auth]\nmechanisms = [\"PLAIN\", \"ANONYMOUS\"]",
            &["2:14: auth.mechanisms: ANONYMOUS needs auth.anonymous_user"],
        ),
        (
            "[listeners]\nhttp = \"127.0.0.1:15671\"\nhttps = \"127.0.0.1:15671\"",
            &[
                "3:9: listeners.https: 127.0.0.1:15671 is in listeners.http too",
                "3:9: listeners.https: needs tls.certificate_file and tls.key_file",
            ],
        ),
        (
            "[tls]\nfurther_certificate_files = [\"a\", \"b\"]\nfurther_key_files = [\"c\"]",
            &[
                "2:29: tls.further_certificate_files: needs tls.certificate_file, for all other names",
                "3:21: tls.further_key_files: needs one file for each of tls.further_certificate_files",
            ],
        ),
        (
            "[oauth]\njwks_url = \"https://a/keys\"",
            &["2:12: oauth.jwks_url: needs oauth.resource_server_id"],
        ),
        (
            "[oauth]\nresource_server_id = \"rabbitmq\"",
            &["2:22: oauth.resource_server_id: needs one of oauth.jwks_file and oauth.jwks_url"],
        ),
        (
            "[oauth]\nresource_server_id = \"r\"\njwks_url = \"ldap://a\"\njwks_ca_file = \"ca.pem\"\nalgorithms = []\nusername_claims = []",
            &[
                "3:12: oauth.jwks_url: has to begin with http:// or https://",
                "4:16: oauth.jwks_ca_file: is for an https address in oauth.jwks_url",
                "5:14: oauth.algorithms: needs one algorithm or more",
                "6:19: oauth.username_claims: needs one claim or more",
            ],
        ),
        (
            "[oauth]\nresource_server_id = \"r\"\njwks_file = \"keys.json\"\nalgorithms = [\"HS256\"]",
            &[
                "4:15: oauth.algorithms[0]: expected one of \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\", found \"HS256\"; did you mean \"ES256\"?",
            ],
        ),
        (
            "[auth]\nmechanisms = [\"EXTERNAL\"]",
            &["2:14: auth.mechanisms: EXTERNAL needs tls.client_certificates = \"optional\" or \"required\""],
        ),
        ("limits = 5", &["1:10: limits: expected a table, found 5"]),
        ("name = \"x\"", &["1:1: name: unknown key; name belongs under [node]"]),
        (
            "[[limits]]\nchannel_max = 1",
            &["1:1: limits: expected a table, found an array"],
        ),
        (
            "[limits]\nchannel_max = 0\nframe_max_bytes = 4096\nheartbeat_s = -1\nack_timeout_s = 99999999999",
            &[
                "2:15: limits.channel_max: 0 is not between 1 and 65535",
                "3:19: limits.frame_max_bytes: 4096 is not between 8192 and 16777216",
                "4:15: limits.heartbeat_s: -1 is not between 0 and 65535",
                "5:17: limits.ack_timeout_s: 99999999999 is not between 0 and 31536000",
            ],
        ),
        (
            "[limits]\nmessage_max_bytes = 536870913",
            &["2:21: limits.message_max_bytes: 536870913 is not between 1024 and 536870912"],
        ),
        (
            "[limits]\nchannel_max = \"many\"\nheartbeat_s = 1.5\nack_timeout_s = true",
            &[
                "2:15: limits.channel_max: expected an integer, found \"many\"",
                "3:15: limits.heartbeat_s: expected an integer, found 1.5",
                "4:17: limits.ack_timeout_s: expected an integer, found true",
            ],
        ),
        (
            "[limits]\nchannel_max = 99999999999999999999",
            &["2:15: the number 99999999999999999999 does not fit in 64 bits"],
        ),
        (
            "[store]\nsync = \"intervall\"\nmessages = 5\nmemory_limit = 1.5",
            &[
                "2:8: store.sync: expected one of \"always\", \"interval\", \"never\", found \"intervall\"; did you mean \"interval\"?",
                "3:12: store.messages: expected one of \"log\", \"sled\", found 5",
                "4:16: store.memory_limit: expected a share over 0 and up to 1.0, or at least 16777216 bytes, found 1.5",
            ],
        ),
        (
            "[store]\nmemory_limit = 1024",
            &[
                "2:16: store.memory_limit: expected a share over 0 and up to 1.0, or at least 16777216 bytes, found 1024",
            ],
        ),
        (
            "[store]\nmemory_limit = 0.0",
            &["2:16: store.memory_limit: expected a share over 0 and up to 1.0, or at least 16777216 bytes, found 0.0"],
        ),
        (
            "[listeners]\namqp = [\"127.0.0.1:5672\", \"localhost:5672\", 5672]\nhttp = \"127.0.0.1\"",
            &[
                "2:27: listeners.amqp[1]: expected \"ADDR:PORT\", found \"localhost:5672\"; an IP address and a port, such as 127.0.0.1:5672 or [::]:5672",
                "2:45: listeners.amqp[2]: expected \"ADDR:PORT\", found 5672; an IP address and a port, such as 127.0.0.1:5672 or [::]:5672",
                "3:8: listeners.http: expected \"ADDR:PORT\", found \"127.0.0.1\"; an IP address and a port, such as 127.0.0.1:5672 or [::]:5672",
            ],
        ),
        (
            "[listeners]\namqp = \"127.0.0.1:5672\"",
            &["2:8: listeners.amqp: expected a list of: \"ADDR:PORT\", found \"127.0.0.1:5672\""],
        ),
        (
            "[listeners]\namqp = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
            &["2:8: listeners.amqp: 127.0.0.1:1 is listed twice"],
        ),
        (
            "[listeners]\nhttp = \"127.0.0.1:5672\"",
            &["2:8: listeners.http: 127.0.0.1:5672 is in listeners.amqp too"],
        ),
        (
            "[limits]\nframe_max_bytes = 8192\nframe_max_before_tune_bytes = 16384\nbytes_before_login = 8192",
            &[
                "3:31: limits.frame_max_before_tune_bytes: 16384 is more than limits.bytes_before_login, 8192",
                "3:31: limits.frame_max_before_tune_bytes: 16384 is more than limits.frame_max_bytes, 8192",
            ],
        ),
        (
            "[auth]\nmechanisms = []",
            &["2:14: auth.mechanisms: needs one mechanism or more, each once"],
        ),
        (
            "[auth]\nmechanisms = [\"PLAIN\", \"PLAIN\"]",
            &["2:14: auth.mechanisms: needs one mechanism or more, each once"],
        ),
        (
            "[auth]\nmechanisms = [\"plain\"]",
            &[
                "2:15: auth.mechanisms[0]: expected one of \"PLAIN\", \"AMQPLAIN\", \"EXTERNAL\", \"ANONYMOUS\", found \"plain\"; did you mean \"PLAIN\"?",
            ],
        ),
        (
            "[auth]\ndefault_password = \"\"",
            &["2:20: auth.default_password: must have 1 to 255 bytes"],
        ),
        (
            "[auth]\ndefault_password = 12345",
            &["2:20: auth.default_password: expected a string, found an integer"],
        ),
        (
            "[node]\nname = \"\"\ndata_dir = \"\"",
            &[
                "2:8: node.name: must have 1 to 255 bytes",
                "3:12: node.data_dir: expected a path, found \"\"",
            ],
        ),
        (
            "[log]\nmodules = { net = \"loud\", store = 3 }",
            &[
                "2:19: log.modules.net: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", found \"loud\"",
                "2:35: log.modules.store: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", found 3",
            ],
        ),
    ]);
}

#[test]
fn syntax() {
    check(&[
        (
            "[limits]\nchannel_max = ",
            &["2:15: string values must be quoted, expected literal string"],
        ),
        ("[limits\nchannel_max = 5", &["1:8: unclosed table, expected `]`"]),
        ("[limits]\nchannel_max = 5\nchannel_max = 6", &["3:1: duplicate key"]),
        (
            "[store]\nsync = \"always\n\n[limits]\nframe_max = 7\n",
            &[
                "2:15: invalid basic string, expected `\"`",
                "5:1: limits.frame_max: unknown key; did you mean frame_max_bytes?",
            ],
        ),
        (
            "[[queues]]\nname = \ndurable = 5",
            &[
                "2:8: string values must be quoted, expected literal string",
                "3:11: queues[0].durable: expected true or false, found 5",
            ],
        ),
        (
            "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1",
            &["1:34: more than 16 dots in a key"],
        ),
        (
            "[node]\nname = \"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r\"\nnom = 1",
            &["3:1: node.nom: unknown key"],
        ),
    ]);
    let given = Given::default();
    let report = given.load(Some(b"[node]\nname = \"\xff\"")).unwrap_err();
    assert_eq!(report.to_string(), "etc/test.toml:2:9: not UTF-8");
}

#[test]
fn entries() {
    check(&[
        (
            "queues = 5",
            &["1:10: queues: expected tables headed [[queues]], found 5"],
        ),
        ("queues = [5]", &["1:11: queues[0]: expected a table, found 5"]),
        (
            "[[queues]]\ndurable = \"yes\"",
            &[
                "1:1: queues[0].name: is missing",
                "2:11: queues[0].durable: expected true or false, found \"yes\"",
            ],
        ),
        (
            "[[queues]]\nname = \"a\"\nexclusive = true\ntype = \"quorum\"\narg = 1",
            &[
                "3:1: queues[0].exclusive: a declared queue belongs to no connection, so it cannot be exclusive",
                "4:1: queues[0].type: unknown key; write arguments = { x-queue-type = \"…\" }",
                "5:1: queues[0].arg: unknown key; did you mean arguments?",
            ],
        ),
        (
            "[[queues]]\nname = \"amq.a\"\n[[exchanges]]\nname = \"amq.topic\"\ntype = \"topic\"",
            &[
                "2:8: queues[0].name: \"amq.a\": names that start with amq. are the broker's own",
                "4:8: exchanges[0].name: \"amq.topic\": names that start with amq. are the broker's own",
            ],
        ),
        (
            "[[exchanges]]\nname = \"\"\ntype = \"topics\"\n[[exchanges]]\nname = \"a\"",
            &[
                "2:8: exchanges[0].name: must not be empty",
                "3:8: exchanges[0].type: expected one of \"direct\", \"fanout\", \"topic\", \"headers\", \"x-consistent-hash\", \"x-random\", \"x-modulus-hash\", \"x-delayed-message\", \"x-recent-history\", \"x-message-deduplication\", found \"topics\"; did you mean \"topic\"?",
                "4:1: exchanges[1].type: is missing",
            ],
        ),
        (
            "[[queues]]\nname = \"a\"\n[[queues]]\nname = \"a\"\nvhost = \"/\"",
            &["3:1: queues[1]: queue \"a\" in \"/\" is declared twice, first in line 1"],
        ),
        (
            "[[vhosts]]\nname = \"a\"\n[[vhosts]]\nname = \"a\"",
            &["3:1: vhosts[1]: vhost \"a\" is declared twice, first in line 1"],
        ),
        (
            "[[bindings]]\nsource = \"\"\ndestination = \"\"\ndestination_type = \"exchange\"",
            &[
                "2:10: bindings[0].source: the default exchange cannot be bound",
                "3:15: bindings[0].destination: the default exchange cannot be bound",
            ],
        ),
        (
            "[[bindings]]\nsource = \"a\"\ndestination = \"q\"\n[[bindings]]\nsource = \"a\"\ndestination = \"q\"",
            &["4:1: bindings[1]: binding of queue \"q\" to \"a\" by \"\" in \"/\" is declared twice, first in line 1"],
        ),
        (
            "[[vhosts]]\nname = \"shop\"\n[[queues]]\nname = \"a\"\nvhost = \"shp\"\n[[bindings]]\nvhost = \"other\"\nsource = \"a\"\ndestination = \"b\"",
            &[
                "5:9: queues[0].vhost: \"shp\" is not declared under [[vhosts]]; did you mean \"shop\"?",
                "7:9: bindings[0].vhost: \"other\" is not declared under [[vhosts]]",
            ],
        ),
        (
            "[[permissions]]\nuser = \"ann\"\nconfigure = \"(\"\nwrite = \"\"\nread = \"a(?=b)\"",
            &[
                "2:8: permissions[0].user: \"ann\" is not declared under [[users]]",
                "3:13: permissions[0].configure: \"(\" is not a regular expression: unclosed group",
                "5:8: permissions[0].read: \"a(?=b)\" is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
            ],
        ),
        (
            "[[users]]\nname = \"ann\"\n[[users]]\nname = \"bob\"\npassword = \"secret-one\"\npassword_hash = \"secret-two\"\n[[users]]\nname = \"cid\"\npassword = 4711",
            &[
                "1:1: users[0]: needs one of password, password_hash and password_file",
                "3:1: users[1]: takes only one of password, password_hash and password_file",
                "6:17: users[1].password_hash: expected an Argon2 string ($argon2id$…) or base64 of a 4-byte salt and SHA-256 or SHA-512",
                "9:12: users[2].password: expected a string, found an integer",
            ],
        ),
        (
            "[[users]]\nname = \"ann\"\npassword = \"\"\ntags = [\"a b\"]\nread = \".*\"",
            &[
                "3:12: users[0].password: must not be empty",
                "4:8: users[0].tags[0]: \"a b\" is no tag",
                "5:1: users[0].read: unknown key; what a user may do stands under [[permissions]]",
            ],
        ),
        (
            "[[users]]\nname = \"ann\"\npassword_file = \"nowhere\"",
            &["1:1: users[0].password_file: cannot read etc/nowhere: no such file"],
        ),
        (
            "[[policies]]\nname = \"p\"\npattern = \"[\"\napply_to = \"queue\"\npriority = 4000000000\ndefinition = { x-max-length = 1, ha-mode = \"all\" }",
            &[
                "3:11: policies[0].pattern: \"[\" is not a regular expression: unclosed character class",
                "4:12: policies[0].apply_to: expected one of \"all\", \"exchanges\", \"queues\", \"classic_queues\", \"quorum_queues\", \"streams\", found \"queue\"; did you mean \"queues\"?",
                "5:12: policies[0].priority: 4000000000 is not between -2147483648 and 2147483647",
                "6:31: policies[0].definition.x-max-length: no setting of a policy; did you mean max-length?",
                "6:44: policies[0].definition.ha-mode: no setting of a policy",
            ],
        ),
        (
            "[[policies]]\nname = \"p\"\npattern = \"\"\ndefinition = {}",
            &["4:14: policies[0].definition: must not be empty"],
        ),
        (
            "[[exchanges]]\nname = \"h\"\ntype = \"headers\"\n[[bindings]]\nsource = \"h\"\ndestination = \"q\"\narguments = { x-match = \"some\" }",
            &["4:1: bindings[0].arguments.x-match: expected one of \"all\", \"any\", \"all-with-x\", \"any-with-x\""],
        ),
    ]);
}

#[test]
fn names_of_256_bytes() {
    let long = "é".repeat(128);
    let text = format!(
        "[[queues]]\nname = \"{long}\"\n[[bindings]]\nsource = \"a\"\ndestination = \"q\"\nrouting_key = \"{long}\""
    );
    assert_eq!(
        report(&text),
        [
            "etc/test.toml:2:8: queues[0].name: 256 bytes long; a name has at most 255",
            "etc/test.toml:6:15: bindings[0].routing_key: 256 bytes long; a name has at most 255",
        ]
    );
    let fitting = long.strip_suffix('é').unwrap();
    assert!(load_text(&format!("[[queues]]\nname = \"{fitting}\"")).is_ok());
}

/// Argument values of a queue and the message, empty where it is let through.
const ARGUMENTS: &[(&str, &str)] = &[
    ("x-message-ttl = 0", ""),
    (
        "x-message-ttl = -1",
        "etc/test.toml:3:31: queues[0].arguments.x-message-ttl: expected an integer from 0 to 315360000000, found -1",
    ),
    (
        "x-message-ttl = \"30\"",
        "etc/test.toml:3:31: queues[0].arguments.x-message-ttl: expected an integer from 0 to 315360000000, found \"30\"",
    ),
    (
        "x-message-ttl = 1.5",
        "etc/test.toml:3:31: queues[0].arguments.x-message-ttl: expected an integer from 0 to 315360000000, found 1.5",
    ),
    (
        "x-expires = 0",
        "etc/test.toml:3:27: queues[0].arguments.x-expires: expected an integer from 1 to 315360000000, found 0",
    ),
    ("x-expires = 1", ""),
    ("x-max-length = 0", ""),
    (
        "x-max-length = -1",
        "etc/test.toml:3:30: queues[0].arguments.x-max-length: expected an integer of at least 0, found -1",
    ),
    (
        "x-max-length-bytes = true",
        "etc/test.toml:3:36: queues[0].arguments.x-max-length-bytes: expected an integer of at least 0, found true",
    ),
    (
        "x-overflow = \"drop-tail\"",
        "etc/test.toml:3:28: queues[0].arguments.x-overflow: expected one of \"drop-head\", \"reject-publish\", \"reject-publish-dlx\", found \"drop-tail\"",
    ),
    ("x-overflow = \"reject-publish-dlx\"", ""),
    (
        "x-max-priority = -1",
        "etc/test.toml:3:32: queues[0].arguments.x-max-priority: expected an integer from 0 to 255, found -1",
    ),
    ("x-max-priority = 255", ""),
    (
        "x-max-priority = 256",
        "etc/test.toml:3:32: queues[0].arguments.x-max-priority: expected an integer from 0 to 255, found 256",
    ),
    ("x-dead-letter-exchange = \"\"", ""),
    (
        "x-dead-letter-exchange = 5",
        "etc/test.toml:3:40: queues[0].arguments.x-dead-letter-exchange: expected a string of at most 255 bytes, found 5",
    ),
    (
        "x-dead-letter-routing-key = \"k\"",
        "etc/test.toml:3:43: queues[0].arguments.x-dead-letter-routing-key: needs x-dead-letter-exchange",
    ),
    (
        "x-queue-type = \"fast\"",
        "etc/test.toml:3:30: queues[0].arguments.x-queue-type: expected one of \"classic\", \"quorum\", found \"fast\"",
    ),
    ("x-queue-type = \"quorum\"", ""),
    (
        "x-single-active-consumer = 1",
        "etc/test.toml:3:42: queues[0].arguments.x-single-active-consumer: expected true or false, found 1",
    ),
    ("x-single-active-consumer = true", ""),
    ("x-queue-type = \"quorum\", x-delivery-limit = 20", ""),
    ("x-delivery-limit = 20", ""),
    (
        "x-dead-letter-strategy = \"at-least-once\"",
        "etc/test.toml:3:40: queues[0].arguments.x-dead-letter-strategy: is for a quorum queue; write x-queue-type = \"quorum\" beside it",
    ),
    (
        "x-queue-type = \"quorum\", x-max-priority = 5",
        "etc/test.toml:3:57: queues[0].arguments.x-max-priority: is not for a quorum queue",
    ),
    (
        "x-max-age = \"7D\"",
        "etc/test.toml:3:27: queues[0].arguments.x-max-age: is for a stream, and there are no streams",
    ),
    ("x-message-deduplication = true, x-cache-size = \"100\"", ""),
    (
        "x-message-deduplication = \"yes\"",
        "etc/test.toml:3:41: queues[0].arguments.x-message-deduplication: expected true or false, found \"yes\"",
    ),
    (
        "x-cache-size = 0",
        "etc/test.toml:3:30: queues[0].arguments.x-cache-size: expected an integer of at least 1, found 0",
    ),
    ("x-message-retry = true, x-retry-delays = \"1s,1m\"", ""),
    ("x-message-group = true, x-group-header = \"customer\"", ""),
    (
        "x-queue-leader-locator = \"here\"",
        "etc/test.toml:3:40: queues[0].arguments.x-queue-leader-locator: expected one of \"client-local\", \"balanced\", found \"here\"",
    ),
    ("x-nobody-knows = [1, { a = 2026-01-01T00:00:00Z }]", ""),
    (
        "x-when = 2026-01-01",
        "etc/test.toml:3:24: queues[0].arguments.x-when: expected a date and time since 1970 with an offset, such as 2026-01-31T12:00:00Z, found 2026-01-01",
    ),
    (
        "x-queue-type = \"quorum\", x-overflow = \"reject-publish-dlx\"",
        "etc/test.toml:3:53: queues[0].arguments.x-overflow: \"reject-publish-dlx\" is not for a quorum queue",
    ),
];

#[test]
fn arguments_of_queues() {
    for (arguments, expected) in ARGUMENTS {
        let text = format!("[[queues]]\nname = \"q\"\narguments = {{ {arguments} }}");
        let found = load_text(&text).err().map(|report| report.to_string());
        let found = found.unwrap_or_default();
        assert_eq!(&found, expected, "of {arguments}");
    }
}

#[test]
fn arguments_nest_no_deeper_than_a_table_that_can_be_read_again() {
    let queue = |levels: usize| {
        let (opened, closed) = ("[".repeat(levels), "]".repeat(levels));
        load_text(&format!(
            "[[queues]]\nname = \"q\"\narguments = {{ x-mine = {opened}1{closed} }}"
        ))
    };
    assert!(queue(31).is_ok());
    let refused = queue(32).err().map(|report| report.to_string()).unwrap_or_default();
    let expected = "queues[0].arguments.x-mine: expected arrays and tables within each other to 31 levels";
    assert!(refused.contains(expected), "{refused}");
}

proptest! {
    /// Whatever a file holds, there is an answer.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Given::default().load(Some(&bytes));
    }

    /// The same with bytes that get further than the first one.
    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        if let Err(report) = load_text(&pieces.concat()) {
            prop_assert!(!report.faults.is_empty());
        }
    }

    #[test]
    fn any_variable(name in "[A-Z_]{0,30}", value in "\\PC{0,30}") {
        let _ = Given::default().variable(&format!("WARREN_{name}"), &value).load(None);
    }
}

const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    " ",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "\\",
    "limits",
    "node",
    "queues",
    "bindings",
    "users",
    "permissions",
    "policies",
    "name",
    "arguments",
    "definition",
    "x-max-length",
    "channel_max",
    "password",
    "1",
    "-9",
    "1.5",
    "0x",
    "true",
    "inf",
    "nan",
    "2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "é",
    "\r\n",
    "\u{feff}",
];

#[test]
fn deep_keys_do_not_overflow_the_stack() {
    let deep = "a.".repeat(100_000);
    let quoted = "\"a\".".repeat(100_000);
    let arrays = "[".repeat(100_000);
    let tables = "a = {".repeat(100_000);
    for text in [
        format!("{deep}a = 1"),
        format!("[{deep}a]"),
        format!("{quoted}a = 1"),
        format!("a = {{ {deep}a = 1 }}"),
        format!("a = {arrays}"),
        tables,
    ] {
        assert!(load_text(&text).is_err());
    }
}

//! The tables of options, each declared once: `key: type = default, when a
//! change applies, range`. The comment of an option is its help text.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::declare::section;
use super::network_values::{AddressRange, OptionalFile};
use super::values::{Listener, MemoryLimit, Ratio, Secret, choice};

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

section! {
    /// `[node]`: which broker this is, and where it keeps its data.
    Node = "node" {
        /// Name of the broker, which clients see as `cluster_name`. Give each
        /// broker its own.
        name: String = "warren".into(), restart;
        /// Folder of everything that is kept, relative to where the broker is
        /// started. Made if it is missing; one broker at a time may use it.
        data_dir: PathBuf = PathBuf::from("./warren-data"), restart;
    }
}

section! {
    /// `[listeners]`: the addresses that are listened on. The defaults are
    /// loopback only, so that a broker started by hand is not open to the network.
    Listeners = "listeners" {
        /// Addresses for AMQP clients, IPv4 or IPv6. Port 0 takes a free port. May be
        /// empty where systemd hands over the socket.
        amqp: Vec<SocketAddr> = vec![loopback(5672)], restart;
        /// Addresses for AMQP over TLS; 5671 is the usual port. Needs
        /// tls.certificate_file and tls.key_file.
        amqps: Vec<SocketAddr> = Vec::new(), restart;
        /// Addresses and networks of proxies that begin each AMQP connection with a
        /// PROXY header (version 1 or 2). From there it has to come, from elsewhere
        /// it is not taken.
        proxy_protocol_from: Vec<AddressRange> = Vec::new(), reload;
        /// Address of the HTTP API, the pages and `/metrics`; "off" for none.
        http: Listener = Listener::On(loopback(15672)), restart;
        /// Address of the same over TLS; 15671 is the usual port. Needs
        /// tls.certificate_file and tls.key_file. Client certificates are asked for
        /// here as on listeners.amqps, and log nobody in.
        https: Listener = Listener::Off, restart;
    }
}

choice! {
    /// What clients show of themselves in TLS.
    ClientCertificates {
        /// They are not asked for a certificate.
        None = "none",
        /// They may show one; one that does not hold is refused.
        Optional = "optional",
        /// They have to show one.
        Required = "required",
    }
}

choice! {
    /// A version of TLS.
    TlsVersion {
        /// TLS 1.2 (RFC 5246).
        V1_2 = "1.2",
        /// TLS 1.3 (RFC 8446).
        V1_3 = "1.3",
    }
}

choice! {
    /// A name in a certificate.
    CertificateName {
        /// The subject's common name.
        CommonName = "common_name",
        /// The first DNS name, e-mail address or URI among the alternative names.
        SubjectAlternativeName = "subject_alternative_name",
    }
}

section! {
    /// `[tls]`: certificates for `listeners.amqps` and `listeners.https`. On SIGHUP the files are read
    /// again for connections to come; where that fails, the old ones stay. Paths
    /// are relative to where the broker is started.
    Tls = "tls" {
        /// The broker's certificate in PEM, followed by those between it and its
        /// root.
        certificate_file: OptionalFile = OptionalFile::default(), reload;
        /// The key of that certificate in PEM.
        key_file: OptionalFile = OptionalFile::default(), reload;
        /// Further certificates for clients that ask for another name (SNI), each
        /// for the DNS names in it: files like certificate_file, with its key_file
        /// of the same place below. Who asks for no known name gets the first one.
        further_certificate_files: Vec<PathBuf> = Vec::new(), reload;
        /// Keys of further_certificate_files, in the same order.
        further_key_files: Vec<PathBuf> = Vec::new(), reload;
        /// Whether clients show a certificate: "none" does not ask for one,
        /// "optional" refuses one that does not hold, "required" refuses clients
        /// without.
        client_certificates: ClientCertificates = ClientCertificates::None, reload;
        /// Certificates in PEM that a client's certificate must lead to.
        client_ca_file: OptionalFile = OptionalFile::default(), reload;
        /// Which name of a client's certificate the mechanism EXTERNAL logs in:
        /// "common_name", or "subject_alternative_name" for the first DNS name,
        /// e-mail address or URI.
        login_name: CertificateName = CertificateName::CommonName, reload;
        /// Oldest version of TLS that is spoken.
        minimum_version: TlsVersion = TlsVersion::V1_2, reload;
        /// Seconds for the TLS handshake. RabbitMQ's default.
        handshake_timeout_s: u32 = 5, reload, 1..=3_600;
    }
}

section! {
    /// `[limits]`: what one client, or all of them, may take.
    Limits = "limits" {
        /// Seconds from accepting a socket to `connection.open`, and from the
        /// broker's `connection.close` to its answer. Frees what clients hold that
        /// connect and say nothing.
        handshake_timeout_s: u32 = 10, reload, 1..=3_600;
        /// Highest channel number that a connection may open. RabbitMQ's default.
        channel_max: u16 = 2_047, reload, 1..=65_535;
        /// Largest frame, both ways, offered in `tune`. RabbitMQ's default; larger
        /// frames hold up heartbeats on slow links.
        frame_max_bytes: u32 = 131_072, reload, 8_192..=16_777_216;
        /// Largest frame before `tune-ok`. Room for a long token, little for
        /// somebody who has not logged in.
        frame_max_before_tune_bytes: u32 = 8_192, reload, 4_096..=1_048_576;
        /// Bytes that a client may send before it has logged in.
        bytes_before_login: u32 = 65_536, reload, 8_192..=16_777_216;
        /// Largest message body; a larger one closes the channel with 406.
        /// RabbitMQ's default, at most 512 MiB.
        message_max_bytes: u64 = 16_777_216, reload, 1_024..=536_870_912;
        /// How deep arrays and tables in a field table may be nested. Deeper ones
        /// serve no client and cost stack.
        table_depth_max: u8 = 32, reload, 1..=32;
        /// Values in a method's field table, nested ones counted: small ones take
        /// a hundred times their size in memory.
        table_values_max: u32 = 4_096, reload, 16..=1_000_000;
        /// Seconds between heartbeats, offered in `tune`; a peer silent for twice
        /// as long is gone. 0 asks for none. RabbitMQ's default.
        heartbeat_s: u16 = 60, reload, 0..=65_535;
        /// Connections in all. Keep it under the file descriptors that the service
        /// is given: the broker warns at start if they are too few.
        connections_max: u32 = 65_536, reload, 1..=10_000_000;
        /// Connections to one vhost.
        connections_per_vhost: u32 = 65_536, reload, 1..=10_000_000;
        /// Connections of one user. A limit that the user itself has holds too.
        connections_per_user: u32 = 65_536, reload, 1..=10_000_000;
        /// Connections from one IP address. High, since a proxy in front makes all
        /// clients come from its own.
        connections_per_address: u32 = 65_536, reload, 1..=10_000_000;
        /// Consumers on one channel.
        consumers_per_channel: u32 = 4_096, reload, 1..=1_000_000;
        /// Queues in one vhost. Stops a client that declares in a loop.
        queues_per_vhost: u32 = 1_000_000, reload, 1..=100_000_000;
        /// Exchanges in one vhost, the predeclared ones counted.
        exchanges_per_vhost: u32 = 100_000, reload, 8..=100_000_000;
        /// Bindings in one vhost.
        bindings_per_vhost: u32 = 4_000_000, reload, 1..=100_000_000;
        /// Messages that a channel may hold unacked whatever its prefetch; delivery
        /// then waits for acks, and `basic.get` closes the channel with 406.
        unacked_per_channel: u32 = 1_000_000, reload, 1..=100_000_000;
        /// Seconds that a delivery may stay unacked before its channel is closed
        /// with 406; 0 for ever. RabbitMQ's default, half an hour.
        ack_timeout_s: u32 = 1_800, reload, 0..=31_536_000;
        /// Largest body of an HTTP request: a file of definitions, or a message in
        /// base64. RabbitMQ's default is 20 MB.
        http_body_max_bytes: u32 = 20_971_520, restart, 1_024..=1_073_741_824;
        /// HTTP connections at a time; more wait. Each costs a descriptor.
        http_connections_max: u32 = 1_024, restart, 1..=1_000_000;
        /// Seconds for the head of an HTTP request, and between two requests of a
        /// connection. Frees what clients hold that connect and say nothing.
        http_head_timeout_s: u32 = 30, restart, 1..=3_600;
        /// Bytes that may wait to be written to one connection. A client that does
        /// not read is sent nothing more until it does.
        outgoing_buffer_bytes: u32 = 1_048_576, reload, 65_536..=1_073_741_824;
    }
}

choice! {
    /// The engine that keeps persistent messages.
    MessageEngine {
        /// A write-ahead log in segments.
        Log = "log",
        /// sled, with bodies cut into chunks.
        Sled = "sled",
    }
}

choice! {
    /// When what was written is made to survive a loss of power.
    SyncMode {
        /// Before it is confirmed.
        Always = "always",
        /// Every `sync_interval_ms`; confirms do not wait for it.
        Interval = "interval",
        /// Whenever the kernel likes.
        Never = "never",
    }
}

section! {
    /// `[store]`: how definitions and persistent messages are kept.
    Store = "store" {
        /// Engine for persistent messages: "log" appends to segments, "sled" uses
        /// the database that also keeps the definitions.
        messages: MessageEngine = MessageEngine::Log, restart;
        /// When messages are synced to disk. "always": before a confirm, many at
        /// once. "interval": every sync_interval_ms, so that a loss of power (not of
        /// the process) can lose confirmed messages. "never": left to the kernel.
        sync: SyncMode = SyncMode::Always, reload;
        /// Milliseconds between syncs with sync = "interval".
        sync_interval_ms: u32 = 200, reload, 1..=60_000;
        /// Memory for sled's page cache. Its own default is 1 GiB, far more than
        /// definitions need.
        sled_cache_bytes: u64 = 16_777_216, restart, 1_048_576..=68_719_476_736;
        /// What the files of the engine "sled" may be larger than three times the live
        /// bytes before they are written anew: at the start, and in between where so
        /// many bytes or fewer are live.
        sled_slack_bytes: u64 = 33_554_432, restart, 1_048_576..=68_719_476_736;
        /// Size at which the log begins a new segment. Space is given back by the
        /// segment.
        segment_bytes: u64 = 67_108_864, restart, 1_048_576..=4_294_967_296;
        /// Free disk space below which publishers are blocked, well before the
        /// store fails for want of space.
        disk_free_limit_bytes: u64 = 209_715_200, reload, 0..=1_125_899_906_842_624;
        /// Memory above which publishers are blocked: a share of what the machine
        /// or cgroup has, or bytes. RabbitMQ's default. Bodies of waiting messages are
        /// left on disk from an eighth of it on.
        memory_limit: MemoryLimit = MemoryLimit::Share(0.6), reload;
        /// Size of a file that the log gives up when the disk is full after all, so
        /// that messages can still be consumed and removed. 0 for none.
        reserve_bytes: u64 = 4_194_304, restart, 0..=17_179_869_184;
    }
}

choice! {
    /// A SASL mechanism.
    Mechanism {
        /// User and password, as most clients send them.
        Plain = "PLAIN",
        /// The same in a table, as older clients send them.
        Amqplain = "AMQPLAIN",
        /// The name in the client's certificate, without a password.
        External = "EXTERNAL",
        /// Nothing: everybody is auth.anonymous_user.
        Anonymous = "ANONYMOUS",
    }
}

section! {
    /// `[auth]`: who may log in, and how.
    Auth = "auth" {
        /// Mechanisms that are offered, in this order: "PLAIN", "AMQPLAIN",
        /// "EXTERNAL" for clients whose certificate names a user, and "ANONYMOUS",
        /// which lets everybody in as anonymous_user.
        mechanisms: Vec<Mechanism> = vec![Mechanism::Plain, Mechanism::Amqplain], reload;
        /// User that the mechanism ANONYMOUS logs in, with that user's permissions and
        /// without a password. RabbitMQ's default is guest; here it has to be named.
        anonymous_user: String = String::new(), reload;
        /// Whether the user `guest` is let in from this machine only. Its password
        /// is known to everybody.
        guest_loopback_only: bool = true, reload;
        /// User that exists, with the tag administrator and all permissions on `/`,
        /// as long as no `[[users]]` are declared.
        default_user: String = "guest".into(), reload;
        /// Password of default_user. WARREN_AUTH__DEFAULT_PASSWORD__FILE names a
        /// file that holds it.
        default_password: Secret = Secret::new("guest"), reload;
    }
}

choice! {
    /// An algorithm of a token's signature (RFC 7518, RFC 8037).
    TokenAlgorithm {
        /// RSA, PKCS #1 v1.5, SHA-256.
        Rs256 = "RS256",
        /// RSA, PKCS #1 v1.5, SHA-384.
        Rs384 = "RS384",
        /// RSA, PKCS #1 v1.5, SHA-512.
        Rs512 = "RS512",
        /// RSA, PSS, SHA-256.
        Ps256 = "PS256",
        /// RSA, PSS, SHA-384.
        Ps384 = "PS384",
        /// RSA, PSS, SHA-512.
        Ps512 = "PS512",
        /// ECDSA on P-256.
        Es256 = "ES256",
        /// ECDSA on P-384.
        Es384 = "ES384",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

impl TokenAlgorithm {
    fn all() -> Vec<Self> {
        use TokenAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa]
    }
}

section! {
    /// `[oauth]`: OAuth 2 tokens (JWT) in place of passwords, in AMQP and in the
    /// HTTP API (there also as `Authorization: Bearer`). Off without
    /// resource_server_id. What a token's scopes grant counts alone; its user need
    /// not exist here.
    OAuth = "oauth" {
        /// Who this broker is among the resource servers: has to be in a token's
        /// `aud`.
        resource_server_id: String = String::new(), reload;
        /// JSON Web Key Set with the keys that tokens are signed with: a file.
        jwks_file: OptionalFile = OptionalFile::default(), reload;
        /// The same from an address, http or https. Name one of the two.
        jwks_url: String = String::new(), reload;
        /// Certificates in PEM that the https address has to lead to; without it the
        /// roots of Mozilla's browsers count.
        jwks_ca_file: OptionalFile = OptionalFile::default(), reload;
        /// Seconds after which the keys are fetched again.
        jwks_refresh_s: u32 = 3_600, reload, 10..=604_800;
        /// Least seconds between fetches because a token names a key that is not
        /// known, so that made-up tokens do not set off requests.
        jwks_refetch_pause_s: u32 = 10, reload, 1..=3_600;
        /// Seconds that fetching may take; a login with a new key waits so long.
        jwks_timeout_s: u32 = 5, reload, 1..=60;
        /// Largest key set.
        jwks_max_bytes: u32 = 1_048_576, reload, 1_024..=67_108_864;
        /// What a token's `iss` has to be; "" for any.
        issuer: String = String::new(), reload;
        /// Algorithms that a token may be signed with.
        algorithms: Vec<TokenAlgorithm> = TokenAlgorithm::all(), reload;
        /// Seconds by which clocks may differ, for `exp` and `nbf`.
        leeway_s: u32 = 5, reload, 0..=300;
        /// Longest token. Logging in with one over 8 KiB needs a higher
        /// limits.frame_max_before_tune_bytes too.
        token_max_bytes: u32 = 16_384, reload, 512..=131_072;
        /// What scopes begin with that are meant for this broker; "" for
        /// resource_server_id and a dot.
        scope_prefix: String = String::new(), reload;
        /// Scopes that stand for others, separated by spaces, such as
        /// { operator = "rabbitmq.tag:administrator rabbitmq.read:*/*" }.
        scope_aliases: BTreeMap<String, String> = BTreeMap::new(), reload;
        /// Further claims that hold scopes, with dots between the keys of nested
        /// ones, such as "realm_access.roles".
        additional_scopes_keys: Vec<String> = Vec::new(), reload;
        /// Claims that name the user; the first that is there counts. RabbitMQ's
        /// defaults.
        username_claims: Vec<String> = vec!["sub".into(), "client_id".into()], reload;
    }
}

choice! {
    /// How much is logged.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// What needs somebody to act.
        Error = "error",
        /// What may need it soon.
        Warn = "warn",
        /// Starts, stops, connections.
        Info = "info",
        /// For finding a fault.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// How lines of the log are written.
    LogFormat {
        /// Text on a terminal, JSON otherwise.
        Auto = "auto",
        /// Text.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// `[log]`: what is logged, to standard error.
    Log = "log" {
        /// Level of everything that modules does not name.
        level: LogLevel = LogLevel::Info, reload;
        /// "text" for people, "json" for machines; "auto" is text on a terminal and
        /// JSON otherwise.
        format: LogFormat = LogFormat::Auto, restart;
        /// Levels of single modules, such as { net = "debug", store = "trace" }.
        modules: BTreeMap<String, LogLevel> = BTreeMap::new(), reload;
    }
}

section! {
    /// `[metrics]`: what `/metrics` on the HTTP address tells Prometheus, and what the API remembers.
    Metrics = "metrics" {
        /// Whether `/metrics` is served.
        enabled: bool = true, restart;
        /// Whether `/metrics/per-object` is served, with a series for each queue. Costs time
        /// and space with many thousands of queues.
        per_queue: bool = true, restart;
        /// Memory for an hour of samples of everything that is counted. A busy queue
        /// takes some 5 KB, an idle one next to nothing. Where there is no room left,
        /// objects show their current rates without samples of the past.
        history_max_bytes: u64 = 33_554_432, reload, 0..=68_719_476_736;
    }
}

section! {
    /// `[pages]`: the web pages at `/` of the HTTP address.
    Pages = "pages" {
        /// Whether the pages are served.
        enabled: bool = true, restart;
        /// Seconds after which somebody who does nothing has to sign in again.
        session_idle_s: u32 = 1_800, restart, 60..=604_800;
        /// Seconds after which everybody has to sign in again: a working day.
        session_max_s: u32 = 43_200, restart, 60..=2_592_000;
        /// Sessions at a time; the one that was idle longest makes room. A session
        /// takes about 300 bytes.
        sessions_max: u32 = 1_000, restart, 1..=100_000;
        /// Pages that are kept up to date at a time; others are refused and ask
        /// again later. Each holds a connection.
        live_clients_max: u32 = 100, restart, 1..=10_000;
        /// Lines of the log that are kept for the live log.
        log_lines: u32 = 1_000, restart, 10..=100_000;
    }
}

section! {
    /// `[tracing]`: spans of sampled messages, which an OpenTelemetry collector gets by
    /// OTLP over HTTP, as protobuf.
    Tracing = "tracing" {
        /// Where the collector takes OTLP over HTTP, such as "http://127.0.0.1:4318";
        /// https:// is taken too, and /v1/traces is added where there is no path.
        /// "" for no traces, which then cost nothing.
        endpoint: String = String::new(), restart;
        /// Headers for the collector, one "Name: value" a line, such as an
        /// Authorization. WARREN_TRACING__HEADERS__FILE names a file that holds them.
        headers: Secret = Secret::new(""), restart;
        /// PEM file of the certificates that the collector's own may be signed by,
        /// in place of the public ones.
        ca_file: OptionalFile = OptionalFile::default(), restart;
        /// `service.name` of the spans.
        service_name: String = "warren".into(), restart;
        /// Share of the traces that applications sample which the broker adds its
        /// spans to, 0 to 1. The trace's id decides, so all brokers choose alike.
        sample_ratio: Ratio = Ratio(1.0), restart;
        /// Share of the messages without a `traceparent` that begin a trace, 0 to 1.
        root_ratio: Ratio = Ratio(0.0), restart;
        /// Spans that may wait for the collector, about 1 KB each; more are dropped
        /// and counted in `warren_tracing_spans_dropped_total`.
        queue_max_spans: u32 = 8_192, restart, 1..=1_048_576;
        /// Spans in one request.
        batch_max_spans: u32 = 512, restart, 1..=65_536;
        /// Milliseconds that a span waits for others before it is sent.
        delay_ms: u32 = 1_000, restart, 1..=60_000;
        /// Milliseconds that a request to the collector may take, its repetitions
        /// included; then its spans are lost and counted.
        timeout_ms: u32 = 10_000, restart, 100..=60_000;
    }
}

section! {
    /// `[events]`: what the broker tells of itself in messages, as RabbitMQ's plugin
    /// rabbitmq_event_exchange does.
    Events = "events" {
        /// Whether there is an exchange `amq.rabbitmq.event`, which gets a message for
        /// each queue, binding, connection, user or alarm that comes or goes. Off, as
        /// the plugin is: who may bind to it learns of everything.
        exchange: bool = false, restart;
        /// Vhost of the exchange. It has to exist.
        vhost: String = "/".into(), restart;
        /// Events that may wait to be published; more are dropped and counted in
        /// `warren_events_dropped_total`.
        queue_max_events: u32 = 10_000, restart, 1..=1_000_000;
    }
}

//! AMQP over TLS: certificates of both sides, reload, EXTERNAL.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use warren::net::{CertificateName, ClientCertificates, ConnectionSettings, TlsFiles, TlsSettings, load_tls};

use super::broker::{TestBroker, session, settings};
use super::client::{Client, tcp};

type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// An authority and what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Authority {
    fn new() -> Self {
        let mut root = params("test authority");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let authority = Self { issuer, folder };
        authority.renew();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, common_name: &str) -> (String, String) {
        self.signed(params(common_name))
    }

    fn sign_as(&self, common_name: &str, serial: SerialNumber) -> (String, String) {
        let mut params = params(common_name);
        params.serial_number = Some(serial);
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts a new certificate for the broker into its files.
    fn renew(&self) {
        let (certificate, key) = self.sign("broker");
        std::fs::write(self.path("certificate.pem"), certificate).unwrap();
        std::fs::write(self.path("key.pem"), key).unwrap();
    }

    /// Certificates for other names, where [`Authority::add_name`] has made some.
    fn further(&self) -> Vec<(PathBuf, PathBuf)> {
        let pair = (self.path("named.pem"), self.path("named.key.pem"));
        if pair.0.exists() { vec![pair] } else { Vec::new() }
    }

    /// Adds a certificate for another name.
    fn add_name(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = params("the other broker");
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path("named.pem"), certificate.pem()).unwrap();
        std::fs::write(self.path("named.key.pem"), key.serialize_pem()).unwrap();
    }

    fn tls(&self, client_certificates: ClientCertificates, only_tls_1_3: bool) -> TlsSettings {
        let config = load_tls(&TlsFiles {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            further: self.further(),
            client_ca: Some(self.path("ca.pem")),
            client_certificates,
            only_tls_1_3,
        });
        TlsSettings {
            config: config.unwrap(),
            handshake_timeout: Duration::from_secs(5),
            certificate_name: CertificateName::CommonName,
        }
    }

    /// Opens a TLS connection; `identity` is a certificate and its key.
    fn connect(
        &self,
        broker: &TestBroker,
        identity: Option<(String, String)>,
        version: &'static SupportedProtocolVersion,
    ) -> TlsClient {
        self.connect_to(broker, identity, version, "localhost")
    }

    /// The same, asking for a name.
    fn connect_to(
        &self,
        broker: &TestBroker,
        identity: Option<(String, String)>,
        version: &'static SupportedProtocolVersion,
        name: &'static str,
    ) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let connection = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        Client {
            stream: StreamOwned::new(connection, tcp(broker.tls_address)),
        }
    }
}

fn with_tls(tls: TlsSettings) -> ConnectionSettings {
    let mut settings = settings();
    let mut session = session();
    session.mechanisms = "PLAIN EXTERNAL".to_owned();
    settings.session = Arc::new(session);
    settings.tls = Some(tls);
    settings
}

/// The mechanisms in `connection.start`, by name.
fn offered(client: &mut TlsClient) -> String {
    client.send(super::client::HEADER);
    let start = client.expect(10, 10);
    let text = String::from_utf8_lossy(&start.payload).into_owned();
    let at = text.find("PLAIN").unwrap();
    text[at..]
        .chars()
        .take_while(|c| *c == ' ' || c.is_ascii_uppercase())
        .collect()
}

#[test]
fn messages_go_both_ways() {
    let authority = Authority::new();
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::None, false)));
    for version in [&TLS12, &TLS13] {
        let mut client = authority.connect(&broker, None, version);
        client.log_in("ann", "ann", "/").unwrap();
        assert_eq!(client.stream.conn.protocol_version(), Some(version.version));
        let shown = broker.broker.connections().last().and_then(|entry| entry.tls).unwrap();
        let suite = client.stream.conn.negotiated_cipher_suite().unwrap().suite();
        let protocol = if version.version == ProtocolVersion::TLSv1_3 {
            "tlsv1.3"
        } else {
            "tlsv1.2"
        };
        assert_eq!((shown.protocol, Some(shown.cipher)), (protocol, suite.as_str()));
        client.open_channel(1);
        client.declare(1, "q");
        client.consume(1, "q", true);
        // More than one TLS record, one frame and one read.
        let body: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        client.publish(1, "q", &body);
        assert!(client.delivery().1 == body);
    }
    assert_eq!(
        offered(&mut authority.connect(&broker, None, &TLS13)),
        "PLAIN",
        "no certificate, no EXTERNAL"
    );
}

#[test]
fn an_old_version_is_refused() {
    let authority = Authority::new();
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::None, true)));
    let mut client = authority.connect(&broker, None, &TLS13);
    client.log_in("ann", "ann", "/").unwrap();
    assert_eq!(client.stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let mut client = authority.connect(&broker, None, &TLS12);
    assert!(client.stream.read(&mut [0]).is_err());
}

#[test]
fn a_certificate_logs_its_user_in() {
    let authority = Authority::new();
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::Optional, false)));
    let external = |name: &str| {
        let mut client = authority.connect(&broker, Some(authority.sign(name)), &TLS13);
        client.authenticate("EXTERNAL", b"")?;
        client.open_vhost("/")
    };
    external("ann").unwrap();
    let refused = external("stranger").unwrap_err().unwrap();
    assert_eq!(refused.0, 403, "{}", refused.1);
    assert!(refused.1.contains("authentication mechanism EXTERNAL"), "{}", refused.1);
    assert_eq!(external("an\nn"), Err(None), "a name that nobody can have is no name");
    let mut client = authority.connect(&broker, Some(authority.sign("ann")), &TLS13);
    assert_eq!(offered(&mut client), "PLAIN EXTERNAL");
    // Without a certificate it is not offered and does not work.
    let mut client = authority.connect(&broker, None, &TLS13);
    assert_eq!(client.authenticate("EXTERNAL", b""), Err(None));
}

#[test]
fn certificates_of_strangers_are_refused() {
    let authority = Authority::new();
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::Required, false)));
    // The same names, serial number and issuer's name, signed by somebody else: who trusts by issuer and serial number
    // alone lets it in.
    let serial = SerialNumber::from(4711);
    let genuine = authority.sign_as("ann", serial.clone());
    let mut client = authority.connect(&broker, Some(genuine), &TLS13);
    client.authenticate("EXTERNAL", b"").unwrap();
    let forged = Authority::new().sign_as("ann", serial);
    for identity in [Some(forged), None] {
        let mut client = authority.connect(&broker, identity, &TLS13);
        assert!(client.stream.read(&mut [0]).is_err());
    }
    let mut client = authority.connect(&broker, Some(authority.sign("ann")), &TLS13);
    client.authenticate("EXTERNAL", b"").unwrap();
}

#[test]
fn certificates_are_renewed_without_a_drop() {
    let authority = Authority::new();
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::None, false)));
    let shown = |client: &TlsClient| client.stream.conn.peer_certificates().unwrap()[0].to_vec();
    let mut before = authority.connect(&broker, None, &TLS13);
    before.log_in("ann", "ann", "/").unwrap();
    authority.renew();
    broker
        .connections
        .reload(with_tls(authority.tls(ClientCertificates::None, false)));
    let mut after = authority.connect(&broker, None, &TLS13);
    after.log_in("ann", "ann", "/").unwrap();
    assert_ne!(shown(&before), shown(&after));
    before.open_channel(1);
}

#[test]
fn each_name_has_its_certificate() {
    let authority = Authority::new();
    authority.add_name("*.other.example");
    let broker = TestBroker::start(with_tls(authority.tls(ClientCertificates::None, false)));
    let shown = |name| {
        let mut client = authority.connect_to(&broker, None, &TLS13, name);
        client.log_in("ann", "ann", "/").unwrap();
        client.stream.conn.peer_certificates().unwrap()[0].to_vec()
    };
    // The client itself checks that the name is the certificate's.
    assert_ne!(shown("localhost"), shown("mq.other.example"));
    let mut stranger = authority.connect_to(&broker, None, &TLS13, "nobody.example");
    assert!(
        stranger.stream.read(&mut [0]).is_err(),
        "the first certificate is not for that name"
    );
}

#[test]
fn who_does_not_shake_hands_is_closed() {
    let authority = Authority::new();
    let mut tls = authority.tls(ClientCertificates::None, false);
    tls.handshake_timeout = Duration::from_millis(300);
    let broker = TestBroker::start(with_tls(tls));
    let mut silent = tcp(broker.tls_address);
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    let mut plain = Client {
        stream: tcp(broker.tls_address),
    };
    plain.send(super::client::HEADER);
    // A TLS alert, and the end.
    let mut heard = Vec::new();
    let _ = plain.stream.read_to_end(&mut heard);
    assert!(heard.is_empty() || heard[0] == 21, "{heard:?}");
    broker.await_connections(0);
}

//! The API over TLS, and keys from an address over TLS.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::broker::{Answer, Broker, answer, basic};
use super::client::PATIENCE;

/// An authority and a broker whose certificate it has signed.
struct Secured {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Secured {
    fn new() -> Self {
        let mut root = CertificateParams::new(vec!["the root".to_owned()]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    fn pair(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn broker(&self) -> Broker {
        let (certificate, key) = self.pair();
        let configuration = "[listeners]\nhttps = \"127.0.0.1:0\"\n[tls]\ncertificate_file = \"FOLDER/certificate.pem\"\n\
                             key_file = \"FOLDER/key.pem\"\n";
        Broker::start_with(configuration, &[("certificate.pem", &certificate), ("key.pem", &key)])
    }

    fn connect(&self, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, stream)
    }

    fn ask(&self, address: SocketAddr, path: &str) -> (Answer, Vec<u8>) {
        let mut stream = self.connect(address);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
            basic("ann", "ann")
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let answer = answer(&mut stream);
        let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
        (answer, shown)
    }
}

#[test]
fn the_api_over_tls() {
    let secured = Secured::new();
    let broker = secured.broker();
    let https = broker.https.expect("an address for https");
    let (answer, _) = secured.ask(https, "/api/whoami");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("\"ann\""));
    assert!(
        answer
            .header("strict-transport-security")
            .unwrap()
            .starts_with("max-age=")
    );
    // Not in the open: there a header that somebody put in would lock people out.
    let open = broker.ask("ann", "GET", "/api/whoami", "");
    assert_eq!((open.status, open.header("strict-transport-security")), (200, None));
    // Somebody who speaks no TLS, or says nothing, disturbs nobody.
    let mut plain = TcpStream::connect(https).unwrap();
    std::io::Write::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _silent = TcpStream::connect(https).unwrap();
    assert_eq!(secured.ask(https, "/health/live").0.status, 200);
}

#[test]
fn certificates_are_renewed_and_a_faulty_one_is_not_taken() {
    let secured = Secured::new();
    let broker = secured.broker();
    let https = broker.https.unwrap();
    let first = secured.ask(https, "/health/live").1;
    let (certificate, key) = secured.pair();
    // A key that is not the certificate's: the old one stays.
    std::fs::write(broker.path("certificate.pem"), &certificate).unwrap();
    broker.reload_until("the certificates were not reloaded; the old ones stay");
    assert!(broker.log().contains("is not the key of"));
    assert_eq!(secured.ask(https, "/health/live").1, first);
    std::fs::write(broker.path("key.pem"), &key).unwrap();
    broker.reload_until("certificates reloaded");
    let renewed = secured.ask(https, "/health/live").1;
    assert_ne!(renewed, first);
    // Gone altogether.
    std::fs::remove_file(broker.path("certificate.pem")).unwrap();
    broker.reload_until("cannot be read");
    assert_eq!(secured.ask(https, "/health/live").1, renewed);
}

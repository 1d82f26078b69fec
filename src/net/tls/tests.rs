use std::path::PathBuf;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, date_time_ymd};

use super::*;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let (certificate, key) = pair(params("broker"));
        files.write("certificate.pem", &certificate);
        files.write("key.pem", &key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn tls(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            further: Vec::new(),
            client_ca: None,
            client_certificates: ClientCertificates::None,
            only_tls_1_3: false,
        }
    }

    /// The error without its file's folder.
    fn fault(&self, tls: &TlsFiles) -> String {
        let folder = format!("{}/", self.folder.path().display());
        load(tls).unwrap_err().to_string().replace(&folder, "")
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn pair(params: CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let files = Files::new();
    load(&files.tls()).unwrap();
    let mut tls = files.tls();
    tls.only_tls_1_3 = true;
    tls.client_ca = Some(files.path("certificate.pem"));
    tls.client_certificates = ClientCertificates::Required;
    load(&tls).unwrap();
}

#[test]
fn each_fault_names_its_option_and_its_file() {
    let files = Files::new();
    let mut tls = files.tls();
    tls.certificate = files.path("none.pem");
    let fault = files.fault(&tls);
    assert!(
        fault.starts_with("tls.certificate_file: none.pem: cannot be read: No such file"),
        "{fault}"
    );
    let mut tls = files.tls();
    tls.key = files.path("certificate.pem");
    assert_eq!(
        files.fault(&tls),
        "tls.key_file: certificate.pem: holds no private key in PEM"
    );
    let mut tls = files.tls();
    tls.certificate = files.path("key.pem");
    assert_eq!(
        files.fault(&tls),
        "tls.certificate_file: key.pem: holds no certificate in PEM"
    );
    let mut tls = files.tls();
    tls.client_ca = Some(files.path("key.pem"));
    tls.client_certificates = ClientCertificates::Optional;
    assert_eq!(
        files.fault(&tls),
        "tls.client_ca_file: key.pem: holds no certificate in PEM"
    );
}

#[test]
fn the_key_of_another_certificate() {
    let files = Files::new();
    files.write("key.pem", &pair(params("other")).1);
    assert_eq!(
        files.fault(&files.tls()),
        "tls.key_file: key.pem: is not the key of certificate.pem"
    );
}

#[test]
fn a_further_certificate_has_names_and_its_own_key() {
    let files = Files::new();
    let mut named = params("other");
    named.subject_alt_names = vec![SanType::DnsName("Other.example".try_into().unwrap())];
    let (certificate, key) = pair(named);
    files.write("other.pem", &certificate);
    files.write("other.key.pem", &key);
    let mut tls = files.tls();
    tls.further = vec![(files.path("other.pem"), files.path("other.key.pem"))];
    load(&tls).unwrap();
    tls.further[0].1 = files.path("key.pem");
    assert_eq!(
        files.fault(&tls),
        "tls.further_key_files: key.pem: is not the key of other.pem"
    );
    tls.further[0] = (files.path("certificate.pem"), files.path("key.pem"));
    assert_eq!(
        files.fault(&tls),
        "tls.further_certificate_files: certificate.pem: names no DNS name that a client could ask for"
    );
}

#[test]
fn a_certificate_is_for_its_names() {
    let mut wide = params("wide");
    for name in ["*.example", "MQ.other"] {
        wide.subject_alt_names.push(SanType::DnsName(name.try_into().unwrap()));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = wide.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let pair = CertifiedKey::from_der(vec![certificate.der().clone()], key, &default_provider()).unwrap();
    let named = NamedKey::new(Arc::new(pair));
    for (name, expected) in [
        ("a.example", true),
        ("mq.other", true),
        ("example", false),
        ("a.b.example", false),
        ("x.mq.other", false),
        (".example", true),
        ("", false),
    ] {
        assert_eq!(named.is_for(name), expected, "{name}");
    }
}

#[test]
fn a_chain_that_is_out_of_date() {
    let files = Files::new();
    let mut old = params("old root");
    old.not_before = date_time_ymd(1999, 1, 1);
    old.not_after = date_time_ymd(2001, 2, 3);
    let (old, _) = pair(old);
    let good = std::fs::read_to_string(files.path("certificate.pem")).unwrap();
    files.write("certificate.pem", &format!("{good}{old}"));
    let fault = files.fault(&files.tls());
    assert!(
        fault.starts_with("tls.certificate_file: certificate.pem: certificate 2 of 2 (CN=old root) expired on Feb  3"),
        "{fault}"
    );
    let mut future = params("future");
    future.not_before = date_time_ymd(2999, 1, 1);
    let (future, key) = pair(future);
    files.write("certificate.pem", &future);
    files.write("key.pem", &key);
    let fault = files.fault(&files.tls());
    assert!(fault.contains("(CN=future) is not valid before Jan  1"), "{fault}");
}

fn der(params: CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn whom_a_certificate_names() {
    use CertificateName::{CommonName, SubjectAlternativeName};
    let mut ann = params("ann");
    ann.subject_alt_names = vec![
        SanType::IpAddress([127, 0, 0, 1].into()),
        SanType::DnsName("ann.example".try_into().unwrap()),
        SanType::DnsName("other.example".try_into().unwrap()),
    ];
    let ann = der(ann);
    assert_eq!(certificate_name(&ann, CommonName).as_deref(), Some("ann"));
    assert_eq!(
        certificate_name(&ann, SubjectAlternativeName).as_deref(),
        Some("ann.example")
    );
    assert_eq!(certificate_name(&der(params("bob")), SubjectAlternativeName), None);
    for unusable in ["", "a\nb", "a\u{1b}[31m", &"x".repeat(256)] {
        assert_eq!(
            certificate_name(&der(params(unusable)), CommonName),
            None,
            "{unusable:?}"
        );
    }
    assert_eq!(certificate_name(b"no certificate", CommonName), None);
}

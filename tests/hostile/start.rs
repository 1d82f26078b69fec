//! `warren serve` with certificates that cannot be used.

use std::process::Command;

#[test]
fn a_wrong_key_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = || rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key());
    std::fs::write(folder.path().join("certificate.pem"), certificate.unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key().serialize_pem()).unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string();
    let output = Command::new(env!("CARGO_BIN_EXE_warren"))
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "off"])
        .env("WARREN_CONFIG", "")
        .env("WARREN_NODE__DATA_DIR", path("data"))
        .env("WARREN_LISTENERS__AMQPS", "127.0.0.1:0")
        .env("WARREN_TLS__CERTIFICATE_FILE", path("certificate.pem"))
        .env("WARREN_TLS__KEY_FILE", path("key.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "it is not ready");
    let text = String::from_utf8(output.stderr).unwrap();
    let said = text.replace(&format!("{}/", folder.path().display()), "");
    assert!(
        said.contains("warren: tls.key_file: key.pem: is not the key of certificate.pem"),
        "{text}"
    );
}

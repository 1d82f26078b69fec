//! When the certificate of the TLS listeners ends.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;

use super::super::Api;
use super::text::{Kind, Text, escaped};

const NAME: &str = "warren_tls_certificate_expiry_timestamp_seconds";

/// Reads the file anew, as SIGHUP would: a certificate that is renewed in place shows before it is loaded. Nothing is
/// written where there is no certificate, or none that can be read.
pub fn write(text: &mut Text, api: &Api) {
    let Some(path) = &api.settings.certificate else {
        return;
    };
    if let Some(end) = expiry(path) {
        text.head(
            NAME,
            Kind::Gauge,
            "When the first certificate of the chain to expire does, as Unix time",
        );
        text.value(NAME, &format!("file=\"{}\"", escaped(&path.to_string_lossy())), end);
    }
}

/// When the first certificate in the file to expire does, in seconds since the Unix epoch.
pub fn expiry(path: &Path) -> Option<i64> {
    let certificates = CertificateDer::pem_file_iter(path).ok()?;
    let ends = certificates.filter_map(|certificate| {
        let certificate = certificate.ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
        Some(parsed.validity().not_after.timestamp())
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_first_of_a_chain_to_expire_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.pem");
        assert_eq!(expiry(&path), None, "no file");
        std::fs::write(&path, "nothing of PEM").unwrap();
        assert_eq!(expiry(&path), None, "no certificate");
        std::fs::write(&path, certificate(2040) + &certificate(2030)).unwrap();
        assert_eq!(expiry(&path), Some(1_893_456_000), "the first day of 2030");
    }
}

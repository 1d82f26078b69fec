//! TLS: certificates and keys from files to rustls, and whom a client's certificate names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::model::Name;

/// What clients have to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for a certificate.
    None,
    /// They may show one; one that does not hold is refused.
    Optional,
    /// They have to show one.
    Required,
}

/// Which of a client certificate's names `EXTERNAL` logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of the subject.
    CommonName,
    /// The first DNS name, e-mail address or URI among the alternative names.
    SubjectAlternativeName,
}

/// Where certificates and keys lie, and what is asked of clients.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The broker's certificate and those between it and its root, in PEM, in this order.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The certificates that client certificates must lead to, in PEM.
    pub client_ca: Option<PathBuf>,
    /// What clients have to show.
    pub client_certificates: ClientCertificates,
    /// No TLS 1.2.
    pub only_tls_1_3: bool,
}

/// Why TLS cannot be served: the option, its file and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tls.{option}: {}: {why}", .file.display())]
pub struct TlsError {
    /// The option under `[tls]`.
    pub option: &'static str,
    /// The file that it names.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl TlsError {
    fn new(option: &'static str, file: &Path, why: impl fmt::Display) -> Self {
        Self {
            option,
            file: file.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Reads the files anew.
///
/// # Errors
/// A file cannot be read or holds no PEM of its kind, a certificate is not valid today, or the key is not the
/// certificate's.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_certificates("certificate_file", &files.certificate)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    check_validity(&chain, now.as_secs() as i64)
        .map_err(|why| TlsError::new("certificate_file", &files.certificate, why))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::new("key_file", &files.key, pem_fault(&error, "private key")))?;
    let versions: &[_] = if files.only_tls_1_3 {
        &[&TLS13]
    } else {
        &[&TLS13, &TLS12]
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::new("key_file", &files.key, error))?;
    let builder = match client_verifier(files)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| {
        let certificate = files.certificate.display();
        let why = match error {
            Error::InconsistentKeys(_) => format!("is not the key of {certificate}"),
            other => format!("cannot be used with {certificate}: {other}"),
        };
        TlsError::new("key_file", &files.key, why)
    })?;
    Ok(Arc::new(config))
}

fn client_verifier(files: &TlsFiles) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(path) = &files.client_ca else {
        return Ok(None);
    };
    if files.client_certificates == ClientCertificates::None {
        return Ok(None);
    }
    let fault = |why: &dyn fmt::Display| TlsError::new("client_ca_file", path, why);
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates("client_ca_file", path)? {
        roots.add(certificate).map_err(|error| fault(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let builder = match files.client_certificates {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    Ok(Some(builder.build().map_err(|error| fault(&error))?))
}

fn read_certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |error: &_| TlsError::new(option, path, pem_fault(error, "certificate"));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fault(&error))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| fault(&error))?;
    if certificates.is_empty() {
        return Err(TlsError::new(option, path, "holds no certificate in PEM"));
    }
    Ok(certificates)
}

fn pem_fault(error: &rustls_pki_types::pem::Error, kind: &str) -> String {
    use rustls_pki_types::pem::Error;
    match error {
        Error::Io(error) => format!("cannot be read: {error}"),
        Error::NoItemsFound => format!("holds no {kind} in PEM"),
        other => format!("is no PEM: {other}"),
    }
}

/// Clients would refuse what is out of date, each with its own words; said here it is said once.
fn check_validity(chain: &[CertificateDer<'_>], now_s: i64) -> Result<(), String> {
    for (index, certificate) in chain.iter().enumerate() {
        let place = format!("certificate {} of {}", index + 1, chain.len());
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| format!("{place} cannot be read: {error}"))?;
        let (begin, end) = (parsed.validity().not_before, parsed.validity().not_after);
        let subject = parsed.subject();
        if now_s > end.timestamp() {
            return Err(format!("{place} ({subject}) expired on {end}"));
        }
        if now_s < begin.timestamp() {
            return Err(format!("{place} ({subject}) is not valid before {begin}"));
        }
    }
    Ok(())
}

/// Whom a client's certificate names: `None` where it has no such name, or one that no user can have. With several
/// common names it is not clear who is meant, so that counts as none.
#[must_use]
pub fn certificate_name(certificate: &[u8], which: CertificateName) -> Option<Name> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = match which {
        CertificateName::CommonName => {
            let mut names = parsed.subject().iter_common_name();
            let name = names.next()?.as_str().ok()?;
            if names.next().is_some() {
                return None;
            }
            name
        }
        CertificateName::SubjectAlternativeName => {
            let names = parsed.subject_alternative_name().ok()??;
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some(*name),
                _ => None,
            })?
        }
    };
    let fits = (1..=Name::MAX_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    fits.then(|| Name::from(name))
}

#[cfg(test)]
mod tests;

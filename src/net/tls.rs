//! TLS: certificates and keys from files to rustls, and whom a client's certificate names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
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
    /// Further certificates with their keys, for clients that ask for another name.
    pub further: Vec<(PathBuf, PathBuf)>,
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
    let first = certified_key(["certificate_file", "key_file"], &files.certificate, &files.key)?;
    let options = ["further_certificate_files", "further_key_files"];
    let mut further = Vec::new();
    for (certificate, key) in &files.further {
        further.push(NamedKey::new(certified_key(options, certificate, key)?));
        if further.last().is_some_and(|named| named.names.is_empty()) {
            let why = "names no DNS name that a client could ask for";
            return Err(TlsError::new(options[0], certificate, why));
        }
    }
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
    let config = builder.with_cert_resolver(Arc::new(ByName { first, further }));
    Ok(Arc::new(config))
}

/// A chain and its key, from two files that two options name.
fn certified_key(options: [&'static str; 2], certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = read_certificates(options[0], certificate)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    check_validity(&chain, now.as_secs() as i64).map_err(|why| TlsError::new(options[0], certificate, why))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::new(options[1], key, pem_fault(&error, "private key")))?;
    let pair = CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        let certificate = certificate.display();
        let why = match error {
            Error::InconsistentKeys(_) => format!("is not the key of {certificate}"),
            other => format!("cannot be used with {certificate}: {other}"),
        };
        TlsError::new(options[1], key, why)
    })?;
    Ok(Arc::new(pair))
}

/// Gives each client the certificate for the name that it asks for (SNI, RFC 6066, section 3), the first one where
/// there is none.
#[derive(Debug)]
struct ByName {
    first: Arc<CertifiedKey>,
    further: Vec<NamedKey>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fitting = hello.server_name().and_then(|name| {
            let mut further = self.further.iter();
            further.find(|named| named.is_for(name))
        });
        Some(Arc::clone(fitting.map_or(&self.first, |named| &named.key)))
    }
}

#[derive(Debug)]
struct NamedKey {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl NamedKey {
    fn new(key: Arc<CertifiedKey>) -> Self {
        let names = key.cert.first().map(|certificate| dns_names(certificate));
        Self {
            names: names.unwrap_or_default(),
            key,
        }
    }

    /// A name of the certificate may begin with `*`, which stands for one label (RFC 6125, section 6.4.3). rustls gives
    /// the client's name in lower case.
    fn is_for(&self, name: &str) -> bool {
        let domain = name.split_once('.').map(|(_, domain)| domain);
        let is_same = |own: &String| own == name || own.strip_prefix("*.").is_some_and(|own| domain == Some(own));
        self.names.iter().any(is_same)
    }
}

/// The DNS names in a certificate, in lower case.
fn dns_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let names = alternatives.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
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

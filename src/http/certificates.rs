//! `/api/health/checks/certificate-expiration`: how long the certificates are good for that clients are shown.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::caller::Caller;
use super::error::ApiError;
use super::health::{failed, ok};
use super::{Api, blocking};

const DAY_S: u64 = 24 * 60 * 60;

/// No certificate that a listener shows ends within so many days, weeks, months or years.
pub async fn expiration(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path((within, unit)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let within: u64 = within
        .parse()
        .map_err(|_| ApiError::bad_request("Invalid expiration value."))?;
    let unit_s = match unit.as_str() {
        "days" => DAY_S,
        "weeks" => 7 * DAY_S,
        "months" => 28 * DAY_S,
        "years" => 365 * DAY_S,
        _ => {
            return Err(ApiError::bad_request(
                "Time unit not recognised. Supported units: days, weeks, months, years.",
            ));
        }
    };
    let until_s = (api.broker.now() / 1000).saturating_add(within.saturating_mul(unit_s));
    blocking(move || {
        let Some(file) = &api.settings.certificate else {
            return Ok(ok().into_response());
        };
        let ending = ending_before(file, i64::try_from(until_s).unwrap_or(i64::MAX))?;
        if ending.is_empty() {
            return Ok(ok().into_response());
        }
        let listeners = api.settings.amqps.iter().map(|address| {
            json!({
                "node": api.settings.node_name,
                "protocol": "amqp/ssl",
                "interface": address.ip().to_string(),
                "port": address.port(),
                "certificates": ending,
            })
        });
        Ok(failed("Certificates expiring", &[("expired", listeners.collect())]))
    })
    .await
}

/// The certificates of a PEM file that end before that second since the Unix epoch.
fn ending_before(file: &FilePath, until_s: i64) -> Result<Vec<Value>, ApiError> {
    let unreadable = |why: String| ApiError::internal(format!("tls.certificate_file: {}: {why}", file.display()));
    let mut ending = Vec::new();
    let chain = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
    for certificate in chain {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| unreadable(error.to_string()))?;
        let not_after = parsed.validity().not_after;
        if not_after.timestamp() < until_s {
            ending.push(json!({
                "subject": parsed.subject().to_string(),
                "not_after": not_after.to_string(),
            }));
        }
    }
    Ok(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_named_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certificate.pem");
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["broker".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2040, 1, 1);
        std::fs::write(&file, parameters.self_signed(&key).unwrap().pem()).unwrap();
        let end_s = 2_208_988_800;
        assert_eq!(ending_before(&file, end_s).unwrap(), Vec::<Value>::new());
        let ending = ending_before(&file, end_s + 1).unwrap();
        assert_eq!(ending.len(), 1);
        assert!(ending[0]["not_after"].as_str().unwrap().contains("2040"), "{ending:?}");
        assert!(ending_before(&folder.path().join("none"), 0).is_err());
    }
}

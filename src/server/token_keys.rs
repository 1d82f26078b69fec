//! Where the keys for tokens come from, and who takes tokens.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::auth::{KeySet, KeySource, TokenAuthority, TokenSettings};
use crate::broker::Broker;
use crate::config::{Config, OAuth};

/// How often an address may send us elsewhere.
const REDIRECTS_MAX: u32 = 3;

/// A key set in a file.
struct KeyFile {
    path: PathBuf,
    max_bytes: u64,
}

/// A key set at an address.
struct KeyAddress {
    url: String,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    max_bytes: u64,
}

impl KeySource for KeyFile {
    fn fetch(&self) -> Result<KeySet, String> {
        let fault = |why: &dyn std::fmt::Display| format!("oauth.jwks_file: {}: {why}", self.path.display());
        let file = fs::File::open(&self.path).map_err(|error| fault(&format_args!("cannot be read: {error}")))?;
        let mut json = Vec::new();
        let read = file.take(self.max_bytes + 1).read_to_end(&mut json);
        read.map_err(|error| fault(&format_args!("cannot be read: {error}")))?;
        if json.len() as u64 > self.max_bytes {
            return Err(fault(&"is larger than oauth.jwks_max_bytes"));
        }
        KeySet::parse(&json).map_err(|error| fault(&error))
    }
}

impl KeySource for KeyAddress {
    fn fetch(&self) -> Result<KeySet, String> {
        let fault = |why: &dyn std::fmt::Display| format!("oauth.jwks_url: {}: {why}", self.url);
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .max_redirects(REDIRECTS_MAX)
            // Whoever names an https address does not want to be led to an open one.
            .https_only(self.url.starts_with("https://"));
        if let Some(path) = &self.ca_file {
            config = config.tls_config(TlsConfig::builder().root_certs(roots(path)?).build());
        }
        let answer = config.build().new_agent().get(&self.url).call();
        let mut answer = answer.map_err(|error| fault(&error))?;
        let body = answer.body_mut().with_config().limit(self.max_bytes).read_to_vec();
        let json = body.map_err(|error| fault(&error))?;
        KeySet::parse(&json).map_err(|error| fault(&error))
    }
}

fn roots(path: &PathBuf) -> Result<RootCerts, String> {
    let fault = |why: &dyn std::fmt::Display| format!("oauth.jwks_ca_file: {}: {why}", path.display());
    let pem = fs::read(path).map_err(|error| fault(&format_args!("cannot be read: {error}")))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    match certificates.is_empty() {
        true => Err(fault(&"holds no certificate in PEM")),
        false => Ok(RootCerts::from(certificates)),
    }
}

/// Who verifies tokens as the configuration has it; `None` where they are not taken.
fn authority(oauth: &OAuth) -> Option<TokenAuthority> {
    let id = Some(&oauth.resource_server_id).filter(|id| !id.is_empty())?;
    let timeout = Duration::from_secs(oauth.jwks_timeout_s.into());
    let max_bytes = oauth.jwks_max_bytes.into();
    let source: Arc<dyn KeySource> = match oauth.jwks_file.path() {
        Some(path) => Arc::new(KeyFile {
            path: path.to_owned(),
            max_bytes,
        }),
        None => Arc::new(KeyAddress {
            url: oauth.jwks_url.clone(),
            ca_file: oauth.jwks_ca_file.path().map(ToOwned::to_owned),
            timeout,
            max_bytes,
        }),
    };
    let words = |text: &String| text.split_whitespace().map(str::to_owned).collect();
    let aliases = oauth.scope_aliases.iter();
    let settings = TokenSettings {
        resource_server_id: id.clone(),
        scope_prefix: match oauth.scope_prefix.as_str() {
            "" => format!("{id}."),
            prefix => prefix.to_owned(),
        },
        issuer: oauth.issuer.clone(),
        algorithms: oauth.algorithms.iter().map(|name| name.as_str().to_owned()).collect(),
        scope_aliases: aliases.map(|(alias, meant)| (alias.clone(), words(meant))).collect(),
        additional_scopes_keys: oauth.additional_scopes_keys.clone(),
        username_claims: oauth.username_claims.clone(),
        leeway_s: oauth.leeway_s.into(),
        token_max_bytes: oauth.token_max_bytes as usize,
        refetch_pause: Duration::from_secs(oauth.jwks_refetch_pause_s.into()),
        fetch_timeout: timeout,
    };
    Some(TokenAuthority::new(settings, source))
}

/// Has the broker take tokens as the configuration says, from now on.
///
/// # Errors
/// A file of keys cannot be used; what stood before stays. An address that does not answer is no fault: its keys are
/// fetched when it does.
pub fn apply(broker: &Broker, config: &Config) -> Result<Option<Refresh>, String> {
    let oauth = &config.oauth;
    let Some(authority) = authority(oauth) else {
        broker.set_token_authority(None);
        return Ok(None);
    };
    match authority.refresh(broker.now()) {
        Ok(keys) => tracing::info!(keys, "tokens are taken"),
        Err(error) if oauth.jwks_file.path().is_some() => return Err(error),
        Err(error) => tracing::error!(%error, "no token can be verified until the keys can be fetched"),
    }
    let authority = Arc::new(authority);
    broker.set_token_authority(Some(Arc::clone(&authority)));
    Ok(Some(Refresh {
        authority: Arc::downgrade(&authority),
        period: Duration::from_secs(oauth.jwks_refresh_s.into()),
    }))
}

/// The same for a running broker: where nothing was changed the keys alone are fetched again.
///
/// # Errors
/// The keys cannot be had; what stood before stays.
pub fn reload(broker: &Broker, config: &Config, is_same: bool) -> Result<Option<Refresh>, String> {
    match broker.token_authority() {
        Some(standing) if is_same => standing.refresh(broker.now()).map(|_| None),
        _ => apply(broker, config),
    }
}

/// Fetches the keys from time to time.
pub struct Refresh {
    authority: Weak<TokenAuthority>,
    period: Duration,
}

impl Refresh {
    /// Goes on until others verify tokens.
    pub async fn run(self, broker: Arc<Broker>) {
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, and the keys are new.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let Some(authority) = self.authority.upgrade() else {
                return;
            };
            let now = broker.now();
            let fetched = tokio::task::spawn_blocking(move || authority.refresh(now)).await;
            if let Ok(Err(error)) = fetched {
                tracing::error!(%error, "the keys for tokens cannot be fetched; the old ones stay");
            }
        }
    }
}

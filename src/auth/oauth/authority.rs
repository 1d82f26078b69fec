//! From a token to its bearer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use parking_lot::{Mutex, RwLock};

use super::claims::Claims;
use super::crypto;
use super::keys::KeySet;
use super::rights::TokenRights;
use crate::auth::identity::Identity;
use crate::model::{Millis, Name};

/// Where the keys come from: a file or an address.
pub trait KeySource: Send + Sync {
    /// Reads them; may take as long as its own timeout says.
    ///
    /// # Errors
    /// They cannot be had. The text names the source.
    fn fetch(&self) -> Result<KeySet, String>;
}

/// Which tokens are taken.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// Who we are among the resource servers: has to be in a token's `aud`.
    pub resource_server_id: String,
    /// What the scopes meant for us begin with.
    pub scope_prefix: String,
    /// Who has to have made the token; empty for anybody with a key.
    pub issuer: String,
    /// Algorithms of signatures, by their names.
    pub algorithms: Vec<String>,
    /// Scopes that stand for others.
    pub scope_aliases: BTreeMap<String, Vec<String>>,
    /// Further claims with scopes.
    pub additional_scopes_keys: Vec<String>,
    /// Claims with the bearer's name; the first that is there counts.
    pub username_claims: Vec<String>,
    /// By how much clocks may differ, in seconds.
    pub leeway_s: u64,
    /// The longest token in bytes.
    pub token_max_bytes: usize,
    /// How long after keys were fetched they are not fetched again because a token names an unknown one.
    pub refetch_pause: Duration,
    /// How long a login waits while somebody else fetches keys.
    pub fetch_timeout: Duration,
}

/// Why a token is refused; for the log. Nothing of the token is in it but names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than the limit.
    #[error("the token has more than oauth.token_max_bytes ({0})")]
    TooLong(usize),
    /// Not of a token's form, unsigned, or of an algorithm that is never taken.
    #[error("it is no token with a signature that could be checked")]
    Form,
    /// The header has `crit`.
    #[error("the token's header asks for something that is not known here (crit)")]
    Critical,
    /// Not among the configured algorithms.
    #[error("the algorithm {0:?} is not in oauth.algorithms")]
    Algorithm(Algorithm),
    /// There is no such key.
    #[error("no key fits the token (kid {0:?})")]
    Key(Option<String>),
    /// The signature is not of the key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is of the wrong type.
    #[error("the token's claims cannot be read")]
    Claims,
    /// `exp` is missing.
    #[error("the token has no expiry (exp)")]
    NoExpiry,
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet (nbf)")]
    Early,
    /// `aud` does not name us.
    #[error("the token is not meant for this broker (aud)")]
    Audience,
    /// `iss` is not the configured one.
    #[error("the token is of another issuer (iss)")]
    Issuer,
    /// There is no name that a user could have.
    #[error("the token names nobody in oauth.username_claims")]
    Name,
}

/// Verifies tokens.
pub struct TokenAuthority {
    settings: TokenSettings,
    algorithms: Vec<Algorithm>,
    source: Arc<dyn KeySource>,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// When keys were last asked for. Held while they are fetched: one asks, the others wait for the same.
    asked: Mutex<Option<Millis>>,
}

impl TokenAuthority {
    /// Verifies with the keys that `source` gives; none yet: see [`TokenAuthority::refresh`].
    #[must_use]
    pub fn new(settings: TokenSettings, source: Arc<dyn KeySource>) -> Self {
        crypto::install();
        let algorithms = settings.algorithms.iter().filter_map(|name| name.parse().ok());
        Self {
            algorithms: algorithms.collect(),
            settings,
            source,
            keys: RwLock::default(),
            asked: Mutex::default(),
        }
    }

    /// Fetches the keys. Blocks. Where it fails, the old ones stay.
    ///
    /// # Errors
    /// As [`KeySource::fetch`].
    pub fn refresh(&self, now: Millis) -> Result<usize, String> {
        let mut asked = self.asked.lock();
        *asked = Some(now);
        self.fetch()
    }

    /// Whether a password is of a token's form. It is then not tried as a password.
    #[must_use]
    pub fn is_token(password: &[u8]) -> bool {
        let mut parts = password.split(|byte| *byte == b'.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
        header.trim_ascii_start().starts_with(b"{")
    }

    /// Whose token it is. May block while keys are fetched, where it names one that is not known; that happens once in
    /// [`TokenSettings::refetch_pause`] at most, for all tokens together.
    ///
    /// # Errors
    /// The token is not taken.
    pub fn verify(&self, token: &[u8], now: Millis) -> Result<Identity, TokenError> {
        let most = self.settings.token_max_bytes;
        if token.len() > most {
            return Err(TokenError::TooLong(most));
        }
        let header = decode_header(token).map_err(|_| TokenError::Form)?;
        if header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(TokenError::Critical);
        }
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenError::Algorithm(header.alg));
        }
        let keys = self.keys_for(&header, now);
        let mut outcome = Err(TokenError::Key(header.kid.clone()));
        for key in keys
            .iter()
            .flat_map(|keys| keys.candidates(header.kid.as_deref(), header.alg))
        {
            outcome = signed_claims(token, key, header.alg);
            if outcome.is_ok() {
                break;
            }
        }
        self.bearer(&outcome?, now)
    }

    /// The keys, fetched anew where they should have been the token's and are not.
    fn keys_for(&self, header: &Header, now: Millis) -> Option<Arc<KeySet>> {
        let standing = self.keys.read().clone();
        let is_known = match (&standing, &header.kid) {
            (None, _) => false,
            (Some(keys), Some(id)) => keys.knows(id),
            (Some(_), None) => true,
        };
        if is_known {
            return standing;
        }
        let Some(mut asked) = self.asked.try_lock_for(self.settings.fetch_timeout) else {
            return standing;
        };
        let pause = self.settings.refetch_pause.as_millis() as Millis;
        if asked.is_none_or(|asked| now.saturating_sub(asked) >= pause) {
            *asked = Some(now);
            if let Err(error) = self.fetch() {
                tracing::warn!(%error, "the keys for tokens cannot be fetched; the old ones stay");
            }
        }
        self.keys.read().clone()
    }

    fn fetch(&self) -> Result<usize, String> {
        let keys = self.source.fetch()?;
        let count = keys.len();
        *self.keys.write() = Some(Arc::new(keys));
        Ok(count)
    }

    fn bearer(&self, claims: &Claims, now: Millis) -> Result<Identity, TokenError> {
        let settings = &self.settings;
        let leeway = settings.leeway_s;
        let now_s = now / 1_000;
        let expires_at_s = seconds(claims.exp)?.ok_or(TokenError::NoExpiry)?.saturating_add(leeway);
        if expires_at_s <= now_s {
            return Err(TokenError::Expired);
        }
        if seconds(claims.nbf)?.is_some_and(|begin| begin > now_s.saturating_add(leeway)) {
            return Err(TokenError::Early);
        }
        if !claims.is_for(&settings.resource_server_id) {
            return Err(TokenError::Audience);
        }
        if !settings.issuer.is_empty() && claims.iss.as_ref() != Some(&settings.issuer) {
            return Err(TokenError::Issuer);
        }
        let name = claims.name(&settings.username_claims).unwrap_or_default();
        if !(1..=Name::MAX_BYTES).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        let scopes = claims.scopes(
            &settings.additional_scopes_keys,
            &settings.resource_server_id,
            &settings.scope_prefix,
        );
        let rights = TokenRights::new(
            scopes.iter().map(String::as_str),
            &settings.scope_aliases,
            &settings.scope_prefix,
            expires_at_s,
        );
        Ok(Identity::bearer(Name::from(name), Arc::new(rights)))
    }
}

/// The claims of a token that `key` has signed. Times and audience are checked by the caller, whose clock it is.
fn signed_claims(token: &[u8], key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, TokenError> {
    use jsonwebtoken::errors::ErrorKind;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match decode::<Claims>(token, key, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => TokenError::Claims,
            _ => TokenError::Signature,
        }),
    }
}

/// A time of a claim (RFC 7519, section 2: NumericDate, which may have a fraction).
fn seconds(claim: Option<f64>) -> Result<Option<u64>, TokenError> {
    match claim {
        None => Ok(None),
        // Beyond 2^53 a float no longer counts seconds.
        Some(time) if (0.0..9.0e15).contains(&time) => Ok(Some(time as u64)),
        Some(_) => Err(TokenError::Claims),
    }
}

impl std::fmt::Debug for TokenAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAuthority")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

//! The keys that tokens are signed with, as a JSON Web Key Set has them (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// The algorithms of RFC 7518 and RFC 8037 that tokens may be signed with: asymmetric ones only.
pub const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// A set of keys.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A set of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is no JSON object with a list `keys`.
    #[error("is no JSON Web Key Set: {0}")]
    Json(String),
    /// There is nothing in it that a signature could be checked with.
    #[error("holds no public key for {algorithms} (of {found} keys in it)", algorithms = ALGORITHMS.join(", "))]
    NoKey {
        /// How many keys of other kinds there are.
        found: usize,
    },
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a set. Keys for something else than signatures, and of kinds that are not used here, are passed over, so
    /// that one new kind does not lock everybody out. Shared secrets (`oct`) never count.
    ///
    /// # Errors
    /// It is no set, or there is no key left.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let listed: Listed = serde_json::from_slice(json).map_err(|error| KeySetError::Json(error.to_string()))?;
        let found = listed.keys.len();
        let readable = listed
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<Key> = readable.filter_map(|jwk: Jwk| Key::new(&jwk)).collect();
        match keys.is_empty() {
            true => Err(KeySetError::NoKey { found }),
            false => Ok(Self { keys }),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key: never so in a set that was parsed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key of that id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys that a token may be signed with: those of its `kid`, and where it names none the only key there is. The
    /// kind of the key says which algorithms it is for, not the token.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &DecodingKey> {
        let keys = match id {
            None if self.keys.len() > 1 => &[],
            _ => self.keys.as_slice(),
        };
        let named = move |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let fitting = move |key: &&Key| key.algorithms.contains(&algorithm);
        keys.iter().filter(named).filter(fitting).map(|key| &key.key)
    }
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![EdDSA],
            _ => return None,
        };
        // A key that names its algorithm is for no other.
        if let Some(only) = jwk.common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == only);
        }
        (signs && !algorithms.is_empty()).then_some(())?;
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

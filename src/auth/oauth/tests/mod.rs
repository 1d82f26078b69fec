mod claims;
mod hostile;
mod keys;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use rcgen::{KeyPair, PublicKeyData};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair,
};
use serde_json::{Value, json};

use super::*;
use crate::auth::{Access, Accounts, HashingCost, Identity, Resource};
use crate::model::Millis;

/// 2026-11-23 in seconds; in milliseconds what clocks give.
const NOW_S: u64 = 1_795_392_000;
const NOW: Millis = NOW_S * 1_000;

/// A key that signs, and its public half.
struct Signer {
    kid: &'static str,
    algorithm: &'static str,
    key: KeyPair,
}

impl Signer {
    fn new(kid: &'static str, algorithm: &'static str) -> Self {
        let kind = match algorithm {
            "ES256" => &rcgen::PKCS_ECDSA_P256_SHA256,
            "ES384" => &rcgen::PKCS_ECDSA_P384_SHA384,
            _ => &rcgen::PKCS_ED25519,
        };
        Self {
            kid,
            algorithm,
            key: KeyPair::generate_for(kind).unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        let raw = self.key.der_bytes();
        match self.algorithm {
            "EdDSA" => json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": BASE64.encode(raw)}),
            algorithm => {
                let (x, y) = raw[1..].split_at(raw.len() / 2);
                let curve = if algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "kid": self.kid, "use": "sig",
                       "x": BASE64.encode(x), "y": BASE64.encode(y)})
            }
        }
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let curve = |algorithm: &'static EcdsaSigningAlgorithm| {
            let random = SystemRandom::new();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.key.serialize_der(), &random).unwrap();
            pair.sign(&random, message).unwrap().as_ref().to_vec()
        };
        match self.algorithm {
            "ES256" => curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
            _ => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.key.serialize_der()).unwrap();
                pair.sign(message).as_ref().to_vec()
            }
        }
    }

    /// A token with this header, whatever it says.
    fn token_with(&self, header: &Value, claims: &Value) -> Vec<u8> {
        let signed = message(header, claims);
        let signature = BASE64.encode(self.signature(signed.as_bytes()));
        format!("{signed}.{signature}").into_bytes()
    }

    fn token(&self, claims: &Value) -> Vec<u8> {
        self.token_with(&json!({"alg": self.algorithm, "typ": "JWT", "kid": self.kid}), claims)
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        BASE64.encode(header.to_string()),
        BASE64.encode(claims.to_string())
    )
}

/// Gives the keys of the moment, and counts how often it was asked.
#[derive(Default)]
struct Source {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

impl KeySource for Source {
    fn fetch(&self) -> Result<KeySet, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let json = json!({"keys": *self.keys.lock()}).to_string();
        KeySet::parse(json.as_bytes()).map_err(|error| error.to_string())
    }
}

fn settings() -> TokenSettings {
    TokenSettings {
        resource_server_id: "rabbitmq".to_owned(),
        scope_prefix: "rabbitmq.".to_owned(),
        algorithms: ALGORITHMS.map(str::to_owned).to_vec(),
        username_claims: vec!["sub".to_owned(), "client_id".to_owned()],
        leeway_s: 5,
        token_max_bytes: 16_384,
        refetch_pause: Duration::from_secs(10),
        fetch_timeout: Duration::from_secs(5),
        ..TokenSettings::default()
    }
}

/// An authority that knows the signer's key.
fn authority(settings: TokenSettings, signers: &[&Signer]) -> (TokenAuthority, Arc<Source>) {
    let source = Arc::new(Source::default());
    *source.keys.lock() = signers.iter().map(|signer| signer.jwk()).collect();
    let authority = TokenAuthority::new(settings, Arc::clone(&source) as _);
    authority.refresh(NOW).unwrap();
    (authority, source)
}

fn claims() -> Value {
    json!({"sub": "ann", "aud": ["rabbitmq"], "exp": NOW_S + 60, "iss": "https://issuer",
           "scope": "rabbitmq.read:*/orders* rabbitmq.write:%2F/*/eu.* rabbitmq.tag:management openid other.read:*/*"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn refusal(authority: &TokenAuthority, token: &[u8]) -> TokenError {
    authority.verify(token, NOW).unwrap_err()
}

fn accounts() -> Accounts {
    let cost = HashingCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    Accounts::new(cost).unwrap()
}

#[test]
fn each_kind_of_key_and_what_its_token_grants() {
    for algorithm in ["ES256", "ES384", "EdDSA"] {
        let signer = Signer::new("one", algorithm);
        let (authority, _) = authority(settings(), &[&signer]);
        let ann = authority.verify(&signer.token(&claims()), NOW).unwrap();
        assert_eq!(&**ann.user(), "ann");
        assert_eq!(ann.expires_at_s(), Some(NOW_S + 65), "with the leeway");
        let accounts = accounts();
        assert_eq!(ann.tags(&accounts).0, ["management"]);
        let may = |resource, access| ann.check(&accounts, "/", resource, access).is_ok();
        assert!(may(Resource::Queue("orders.new"), Access::Read));
        assert!(!may(Resource::Queue("invoices"), Access::Read));
        assert!(!may(Resource::Queue("orders.new"), Access::Configure));
        assert!(may(Resource::Exchange(""), Access::Write));
        let key = |key| ann.check_topic(&accounts, "/", "events", key, Access::Write).is_ok();
        assert!(key("eu.paid") && !key("us.paid"));
        assert!(ann.check_vhost(&accounts, "shop").is_ok(), "read:*/orders*");
    }
}

#[test]
fn a_refusal_has_the_words_of_a_missing_permission() {
    let signer = Signer::new("one", "ES256");
    let (authority, _) = authority(settings(), &[&signer]);
    let narrow = with("scope", json!(["rabbitmq.read:shop/x"]));
    let ann = authority.verify(&signer.token(&narrow), NOW).unwrap();
    let refused = ann
        .check(&accounts(), "/", Resource::Queue("q"), Access::Write)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "write access to queue 'q' in vhost '/' refused for user 'ann'"
    );
    let refused = ann.check_vhost(&accounts(), "/").unwrap_err();
    assert_eq!(refused.to_string(), "access to vhost '/' refused for user 'ann'");
}

#[test]
fn the_form_of_a_token() {
    let signer = Signer::new("one", "ES256");
    assert!(TokenAuthority::is_token(&signer.token(&claims())));
    for password in [
        "guest",
        "",
        "a.b.c",
        "1.2.3",
        "pass.word",
        "e30.x",
        "ey..",
        "secret.with.dots.four",
    ] {
        assert!(!TokenAuthority::is_token(password.as_bytes()), "{password}");
    }
    // Unsigned ones too: they are to be refused as tokens.
    assert!(TokenAuthority::is_token(b"eyJhbGciOiJub25lIn0.e30."));
}

use std::collections::BTreeMap;
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
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
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
fn rsa_as_rfc_7515_has_it() {
    // The key and the token of RFC 7515, appendix A.2: signed in 2011, so that the signature is what is looked at.
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS\
             -pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665\
             xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
                 cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d\
                 nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW\
                 EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let source = Arc::new(Source::default());
    *source.keys.lock() = vec![json!({"kty": "RSA", "n": n, "e": "AQAB"})];
    let authority = TokenAuthority::new(settings(), source as _);
    authority.refresh(NOW).unwrap();
    assert_eq!(refusal(&authority, token.as_bytes()), TokenError::Expired);
    let mut forged = token.as_bytes().to_vec();
    forged[40] ^= 1;
    assert_eq!(refusal(&authority, &forged), TokenError::Signature);
}

/// Made for this test with `openssl genpkey`, in DER; it signs nothing else.
fn rsa_key() -> RsaKeyPair {
    let text: String = include_str!("rsa_key_for_tests.txt").split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    RsaKeyPair::from_pkcs8(&der).unwrap()
}

#[test]
fn each_algorithm_of_rsa() {
    let key = rsa_key();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
    let padded = [&[0], public.n.as_slice()].concat();
    let jwk = json!({"kty": "RSA", "kid": "r", "n": BASE64.encode(padded), "e": BASE64.encode(&public.e)});
    let source = Arc::new(Source::default());
    source.keys.lock().push(jwk);
    let authority = TokenAuthority::new(settings(), source as _);
    authority.refresh(NOW).unwrap();
    let encodings: [(&str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &RSA_PKCS1_SHA256),
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    for (signed_as, encoding) in encodings {
        for (says, _) in encodings {
            let signed = message(&json!({"alg": says, "kid": "r"}), &claims());
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
                .unwrap();
            let token = format!("{signed}.{}", BASE64.encode(signature));
            let verified = authority.verify(token.as_bytes(), NOW);
            assert_eq!(verified.is_ok(), says == signed_as, "{signed_as} said to be {says}");
        }
    }
}

#[test]
fn each_claim_has_to_be_right() {
    let signer = Signer::new("one", "ES256");
    let mut wanted = settings();
    wanted.issuer = "https://issuer".to_owned();
    let (authority, _) = authority(wanted, &[&signer]);
    let refused = |claims: &Value| refusal(&authority, &signer.token(claims));
    assert_eq!(refused(&without("exp")), TokenError::NoExpiry);
    assert_eq!(refused(&with("exp", json!(NOW_S - 5))), TokenError::Expired);
    assert!(
        authority
            .verify(&signer.token(&with("exp", json!(NOW_S - 4))), NOW)
            .is_ok()
    );
    assert!(
        authority
            .verify(&signer.token(&with("exp", json!(NOW_S as f64 + 0.5))), NOW)
            .is_ok()
    );
    assert_eq!(refused(&with("nbf", json!(NOW_S + 6))), TokenError::Early);
    assert!(
        authority
            .verify(&signer.token(&with("nbf", json!(NOW_S + 5))), NOW)
            .is_ok()
    );
    for wrong in [json!("soon"), json!(-1), json!(1e300), json!([NOW_S + 60]), json!({})] {
        assert_eq!(refused(&with("exp", wrong.clone())), TokenError::Claims, "{wrong}");
        assert_eq!(refused(&with("nbf", wrong.clone())), TokenError::Claims, "{wrong}");
    }
    for wrong in [
        json!("other"),
        json!(["a", "b"]),
        json!([]),
        json!(""),
        json!("rabbitmq2"),
    ] {
        assert_eq!(refused(&with("aud", wrong)), TokenError::Audience);
    }
    assert_eq!(refused(&without("aud")), TokenError::Audience);
    assert_eq!(refused(&with("aud", json!({"rabbitmq": true}))), TokenError::Claims);
    assert!(
        authority
            .verify(&signer.token(&with("aud", json!("x rabbitmq"))), NOW)
            .is_ok()
    );
    assert_eq!(refused(&with("iss", json!("https://issuer/"))), TokenError::Issuer);
    assert_eq!(refused(&without("iss")), TokenError::Issuer);
    for wrong in [
        json!(""),
        json!("x".repeat(256)),
        json!("a\nb"),
        json!("a\u{1b}b"),
        json!(7),
    ] {
        assert_eq!(refused(&with("sub", wrong)), TokenError::Name);
    }
    assert_eq!(refused(&without("sub")), TokenError::Name);
    assert_eq!(refused(&with("scope", json!(5))), TokenError::Claims);
}

#[test]
fn hostile_tokens() {
    let signer = Signer::new("one", "ES256");
    let stranger = Signer::new("one", "ES256");
    let (authority, _) = authority(settings(), &[&signer]);
    let good = signer.token(&claims());
    assert!(authority.verify(&good, NOW).is_ok());
    assert_eq!(refusal(&authority, &stranger.token(&claims())), TokenError::Signature);

    // alg none, in the ways it is written, with and without a signature.
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = message(&json!({"alg": none, "kid": "one"}), &claims());
        for token in [format!("{unsigned}."), format!("{unsigned}.AAAA")] {
            assert_eq!(refusal(&authority, token.as_bytes()), TokenError::Form, "{none}");
        }
    }
    // A public key as the secret of an HMAC.
    for hmac in ["HS256", "HS384", "HS512"] {
        let token = signer.token_with(&json!({"alg": hmac, "kid": "one"}), &claims());
        assert!(
            matches!(refusal(&authority, &token), TokenError::Algorithm(_)),
            "{hmac}"
        );
    }
    // Another algorithm than the key's.
    for other in ["ES384", "RS256", "PS512", "EdDSA"] {
        let token = signer.token_with(&json!({"alg": other, "kid": "one"}), &claims());
        assert_eq!(
            refusal(&authority, &token),
            TokenError::Key(Some("one".to_owned())),
            "{other}"
        );
    }
    // A key that comes with the token is nobody's.
    for own in [
        json!({"alg": "ES256", "kid": "one", "jwk": stranger.jwk()}),
        json!({"alg": "ES256", "kid": "one", "jku": "http://127.0.0.1:1/keys"}),
        json!({"alg": "ES256", "kid": "one", "x5u": "http://127.0.0.1:1/keys"}),
    ] {
        assert_eq!(
            refusal(&authority, &stranger.token_with(&own, &claims())),
            TokenError::Signature
        );
    }
    for critical in [
        json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": "one", "b64": false}),
    ] {
        assert_eq!(
            refusal(&authority, &signer.token_with(&critical, &claims())),
            TokenError::Critical
        );
    }
    let path = json!({"alg": "ES256", "kid": "../../etc/passwd"});
    assert!(matches!(
        refusal(&authority, &signer.token_with(&path, &claims())),
        TokenError::Key(_)
    ));
}

#[test]
fn what_is_no_token_is_refused_without_a_panic() {
    let signer = Signer::new("one", "ES256");
    let (authority, _) = authority(settings(), &[&signer]);
    let good = signer.token(&claims());
    for at in 0..good.len() {
        assert!(authority.verify(&good[..at], NOW).is_err(), "cut at {at}");
        let mut changed = good.clone();
        changed[at] = changed[at].wrapping_add(1);
        // The last character of a base64 text may have bits that stand for nothing; then it is refused as base64.
        assert!(authority.verify(&changed, NOW).is_err(), "changed at {at}");
    }
    for junk in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "\u{0}.\u{0}.\u{0}",
        "eyJ9.eyJ9.eyJ9",
    ] {
        assert_eq!(refusal(&authority, junk.as_bytes()), TokenError::Form, "{junk:?}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let header = BASE64.encode(json!({"alg": "ES256", "kid": "one"}).to_string());
    let signed = format!("{header}.{}", BASE64.encode(format!("{{\"sub\":{deep}}}")));
    let token = format!("{signed}.{}", BASE64.encode(signer.signature(signed.as_bytes())));
    assert!(matches!(
        refusal(&authority, token.as_bytes()),
        TokenError::Claims | TokenError::TooLong(_)
    ));
    assert_eq!(refusal(&authority, &vec![b'a'; 16_385]), TokenError::TooLong(16_384));
    let twice = BASE64.encode(format!(
        "{{\"sub\":\"ann\",\"aud\":\"rabbitmq\",\"exp\":1,\"exp\":{}}}",
        NOW_S + 60
    ));
    let signed = format!("{header}.{twice}");
    let token = format!("{signed}.{}", BASE64.encode(signer.signature(signed.as_bytes())));
    assert_eq!(
        refusal(&authority, token.as_bytes()),
        TokenError::Claims,
        "a claim twice"
    );
}

#[test]
fn the_kid_names_the_key() {
    let (one, two) = (Signer::new("one", "ES256"), Signer::new("two", "ES256"));
    let (both, _) = authority(settings(), &[&one, &two]);
    assert!(both.verify(&two.token(&claims()), NOW).is_ok());
    let nameless = |signer: &Signer| signer.token_with(&json!({"alg": "ES256"}), &claims());
    assert_eq!(refusal(&both, &nameless(&one)), TokenError::Key(None), "which of two?");
    let (alone, _) = authority(settings(), &[&one]);
    assert!(alone.verify(&nameless(&one), NOW).is_ok());
    let swapped = one.token_with(&json!({"alg": "ES256", "kid": "two"}), &claims());
    assert_eq!(refusal(&both, &swapped), TokenError::Signature);
}

#[test]
fn a_new_key_is_fetched_once_in_a_while() {
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "ES256"));
    let (authority, source) = authority(settings(), &[&old]);
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    source.keys.lock().push(new.jwk());
    // Within the pause nothing is fetched, however many ask.
    for _ in 0..50 {
        assert!(authority.verify(&new.token(&claims()), NOW + 9_999).is_err());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    assert!(authority.verify(&new.token(&claims()), NOW + 10_000).is_ok());
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    // A source that fails takes no key away.
    source.keys.lock().clear();
    let unknown = Signer::new("unknown", "ES256");
    assert!(authority.verify(&unknown.token(&claims()), NOW + 20_000).is_err());
    assert_eq!(source.asked.load(Ordering::SeqCst), 3);
    assert!(authority.verify(&old.token(&claims()), NOW + 20_000).is_ok());
    // A key that is withdrawn is gone with the next set.
    source.keys.lock().push(new.jwk());
    authority.refresh(NOW + 30_000).unwrap();
    assert!(authority.verify(&old.token(&claims()), NOW + 30_001).is_err());
}

#[test]
fn sets_of_keys() {
    let fault = |json: Value| KeySet::parse(json.to_string().as_bytes()).unwrap_err();
    let secret = json!({"kty": "oct", "kid": "one", "k": BASE64.encode("secret"), "alg": "HS256"});
    assert_eq!(fault(json!({"keys": [secret]})), KeySetError::NoKey { found: 1 });
    assert_eq!(fault(json!({"keys": []})), KeySetError::NoKey { found: 0 });
    assert!(matches!(fault(json!([])), KeySetError::Json(_)));
    assert!(matches!(KeySet::parse(b"<html>").unwrap_err(), KeySetError::Json(_)));
    let mut other_use = Signer::new("one", "ES256").jwk();
    other_use["use"] = json!("enc");
    assert_eq!(fault(json!({"keys": [other_use]})), KeySetError::NoKey { found: 1 });
    let mut other_algorithm = Signer::new("one", "ES256").jwk();
    other_algorithm["alg"] = json!("ES384");
    assert_eq!(
        fault(json!({"keys": [other_algorithm]})),
        KeySetError::NoKey { found: 1 }
    );
    let mixed = json!({"keys": [secret, {"kty": "new"}, 5, Signer::new("one", "EdDSA").jwk()]});
    assert_eq!(KeySet::parse(mixed.to_string().as_bytes()).unwrap().len(), 1);
}

#[test]
fn an_algorithm_that_is_not_configured_is_refused() {
    let signer = Signer::new("one", "ES256");
    let (authority, _) = authority(
        TokenSettings {
            algorithms: vec!["ES384".to_owned()],
            ..settings()
        },
        &[&signer],
    );
    assert!(matches!(
        refusal(&authority, &signer.token(&claims())),
        TokenError::Algorithm(_)
    ));
}

#[test]
fn aliases_and_further_claims() {
    let signer = Signer::new("one", "ES256");
    let mut wanted = settings();
    wanted.scope_aliases = BTreeMap::from([(
        "shop operator".replace(' ', "-"),
        vec![
            "rabbitmq.tag:administrator".to_owned(),
            "rabbitmq.configure:*/*".to_owned(),
        ],
    )]);
    wanted.additional_scopes_keys = vec![
        "realm.roles".to_owned(),
        "https://x/roles".to_owned(),
        "servers".to_owned(),
    ];
    let (authority, _) = authority(wanted, &[&signer]);
    let accounts = accounts();
    let bearer = |claims: &Value| authority.verify(&signer.token(claims), NOW).unwrap();
    let configures = |ann: &Identity, name| {
        ann.check(&accounts, "/", Resource::Queue(name), Access::Configure)
            .is_ok()
    };
    let ann = bearer(&with("scope", json!(["shop-operator"])));
    assert_eq!(ann.tags(&accounts).0, ["administrator"]);
    assert!(configures(&ann, "q"));
    // An alias is no alias with a prefix, and an alias cannot be made up.
    assert!(!configures(
        &bearer(&with("scope", json!("rabbitmq.shop-operator"))),
        "q"
    ));
    let ann = bearer(&with("realm", json!({"roles": ["rabbitmq.configure:%2F/a"]})));
    assert!(configures(&ann, "a") && !configures(&ann, "b"));
    assert!(configures(
        &bearer(&with("https://x/roles", json!("rabbitmq.configure:%2F/c d"))),
        "c"
    ));
    let ann = bearer(&with(
        "servers",
        json!({"rabbitmq": "configure:%2F/e", "other": ["configure:*/*"]}),
    ));
    assert!(configures(&ann, "e") && !configures(&ann, "f"));
    assert_eq!(&**bearer(&without("sub").clone_with("client_id", "app")).user(), "app");
}

/// A further claim.
trait CloneWith {
    fn clone_with(&self, name: &str, value: &str) -> Value;
}

impl CloneWith for Value {
    fn clone_with(&self, name: &str, value: &str) -> Value {
        let mut claims = self.clone();
        claims[name] = json!(value);
        claims
    }
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

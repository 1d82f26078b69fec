//! Keys, and the signatures that they verify.

use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    RsaKeyPair, RsaPublicKeyComponents,
};

use super::*;

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
    let text: String = include_str!("../rsa_key_for_tests.txt").split_whitespace().collect();
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

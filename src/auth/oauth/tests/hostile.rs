//! What is no token, or is one that somebody made up.

use super::*;

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

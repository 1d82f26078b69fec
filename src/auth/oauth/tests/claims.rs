//! What a token claims.

use std::collections::BTreeMap;

use super::*;

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

//! Logins, changes of users, definitions.

use super::*;
use crate::auth::password::runs;
use crate::auth::{AccountError, Credentials, HashingCost, LoginRefused, PasswordHash, may_log_in_from};

#[test]
fn only_the_right_password_logs_in() {
    let accounts = accounts_with_user();
    let login = accounts.log_in("u", b"secret").unwrap();
    assert_eq!((&*login.user, login.should_be_rehashed), ("u", false));
    for (user, password) in [
        ("u", "Secret"),
        ("u", ""),
        ("u", "-"),
        ("U", "secret"),
        ("", "secret"),
        ("", ""),
    ] {
        assert_eq!(
            accounts.log_in(user, password.as_bytes()),
            Err(LoginRefused),
            "{user} {password}"
        );
    }
    let told = LoginRefused.to_amqp("PLAIN").to_string();
    let expected = "403 ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the \
                    broker logfile.";
    assert_eq!(told, expected);
}

#[test]
fn a_user_of_rabbitmq_logs_in_and_should_be_rehashed() {
    let accounts = accounts();
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    accounts
        .put_user(&user("r", hash, "rabbit_password_hashing_sha256"))
        .unwrap();
    assert!(accounts.log_in("r", b"test12").unwrap().should_be_rehashed);
    assert!(accounts.log_in("r", b"test13").is_err());
    accounts.set_password("r", b"test12").unwrap();
    assert!(!accounts.log_in("r", b"test12").unwrap().should_be_rehashed);
    assert!(accounts.user("r").unwrap().password_hash.starts_with("$argon2id$"));
    // Without a password no password is right.
    accounts
        .put_user(&user("x509", "", "rabbit_password_hashing_sha256"))
        .unwrap();
    assert!(accounts.log_in("x509", b"-").is_err());
}

#[test]
fn an_unknown_user_costs_what_a_wrong_password_costs() {
    // Costs that no other test takes, so that what is counted was hashed here.
    let own = HashingCost {
        memory_kib: 11,
        iterations: 2,
        lanes: 1,
    };
    let cheaper = HashingCost { memory_kib: 10, ..own };
    let accounts = Accounts::new(own).unwrap().hashing_once_each();
    let put = |name: &str, hash: &PasswordHash| {
        let user = user(name, &hash.encoded(), hash.algorithm());
        accounts.put_user(&user).unwrap();
    };
    put("own", &PasswordHash::new(b"secret", own).unwrap());
    put("cheaper", &PasswordHash::new(b"secret", cheaper).unwrap());
    put("sha", &crate::auth::hash_as_rabbitmq(b"secret").unwrap());
    put("none", &PasswordHash::parse("", "argon2id").unwrap());
    for name in ["own", "cheaper", "sha", "none", "nobody", ""] {
        for password in ["wrong", "", "-", &"long".repeat(100)] {
            let before = runs::at(own);
            assert_eq!(accounts.log_in(name, password.as_bytes()), Err(LoginRefused));
            assert_eq!(runs::at(own) - before, 1, "'{name}' with '{password}'");
        }
    }
    for name in ["own", "cheaper", "sha"] {
        let before = runs::at(own);
        assert!(accounts.log_in(name, b"secret").is_ok());
        assert_eq!(runs::at(own) - before, 1, "{name}");
    }
}

#[test]
fn a_hash_is_renewed_unless_somebody_changed_the_user_meanwhile() {
    let accounts = accounts();
    let imported = crate::auth::hash_as_rabbitmq(b"secret").unwrap();
    let put = || {
        let user = user("r", &imported.encoded(), imported.algorithm());
        accounts.put_user(&user).unwrap();
    };
    put();
    assert_eq!(
        accounts.renew_hash("r", b"secret"),
        Ok(false),
        "nobody has shown it yet"
    );
    assert!(accounts.log_in("r", b"secret").unwrap().should_be_rehashed);
    assert_eq!(accounts.renew_hash("r", b"other"), Ok(false));
    assert_eq!(accounts.renew_hash("r", b"secret"), Ok(true));
    assert!(accounts.user("r").unwrap().password_hash.starts_with("$argon2id$"));
    let again = accounts.log_in_again("r", b"secret").expect("it is known to be right");
    assert!(!again.should_be_rehashed);
    assert!(accounts.log_in("r", b"secret").is_ok());
    assert!(accounts.log_in("r", b"other").is_err());
    // Between a login and its renewal the password is changed, or the user is removed.
    put();
    accounts.log_in("r", b"secret").unwrap();
    accounts.set_password("r", b"changed").unwrap();
    assert_eq!(accounts.renew_hash("r", b"secret"), Ok(false));
    assert!(accounts.log_in("r", b"secret").is_err());
    assert!(accounts.log_in("r", b"changed").is_ok());
    accounts.delete_user("r");
    assert_eq!(accounts.renew_hash("r", b"changed"), Ok(false));
    assert_eq!(accounts.user("r"), None);
}

#[test]
fn a_second_login_is_quick_until_the_password_changes() {
    let accounts = accounts_with_user();
    assert_eq!(accounts.log_in_again("u", b"secret"), None);
    let login = accounts.log_in("u", b"secret").unwrap();
    assert_eq!(accounts.log_in_again("u", b"secret"), Some(login));
    assert_eq!(accounts.log_in_again("u", b"other"), None);
    assert_eq!(accounts.log_in_again("u", b""), None);
    assert_eq!(accounts.log_in_again("v", b"secret"), None);
    // Tags do not matter to it, but are those of now.
    accounts.set_tags("u", Tags(vec!["monitoring".to_owned()])).unwrap();
    assert!(
        accounts
            .log_in_again("u", b"secret")
            .unwrap()
            .tags
            .contains("monitoring")
    );
    // A wrong one in between does not spoil it.
    assert!(accounts.log_in("u", b"wrong").is_err());
    assert!(accounts.log_in_again("u", b"secret").is_some());
    accounts.set_password("u", b"new").unwrap();
    assert_eq!(accounts.log_in_again("u", b"secret"), None);
    assert_eq!(accounts.log_in_again("u", b"new"), None);
    assert!(accounts.log_in("u", b"new").is_ok());
    assert!(accounts.delete_user("u"));
    assert_eq!(accounts.log_in_again("u", b"new"), None);
}

#[test]
fn two_users_with_one_password_are_told_apart() {
    let accounts = accounts_with_user();
    accounts
        .put_user_with_password("us", b"ecret", Tags::default())
        .unwrap();
    accounts.log_in("u", b"secret").unwrap();
    assert_eq!(accounts.log_in_again("us", b"ecret"), None);
}

#[test]
fn every_change_moves_the_generation() {
    let accounts = accounts();
    let mut last = accounts.generation();
    let mut moved = || std::mem::replace(&mut last, accounts.generation()) != accounts.generation();
    accounts
        .put_user_with_password("u", b"secret", Tags::default())
        .unwrap();
    assert!(moved());
    accounts.log_in("u", b"secret").unwrap();
    assert!(!moved());
    permit(&accounts, ["", "", ""]);
    assert!(moved());
    accounts
        .set_limits(
            "u",
            UserLimits {
                max_connections: Some(1),
                ..UserLimits::default()
            },
        )
        .unwrap();
    assert!(moved());
    accounts.clear_permission("u", "/").unwrap();
    assert!(moved());
    accounts.remove_vhost("/");
    assert!(moved());
    accounts.delete_user("u");
    assert!(moved());
}

#[test]
fn what_cannot_be_is_refused() {
    let accounts = accounts_with_user();
    assert_eq!(accounts.set_password("v", b"p"), Err(AccountError::NoUser("v".into())));
    assert_eq!(
        accounts.set_password("u", b""),
        Err(AccountError::EmptyPassword("u".into()))
    );
    assert_eq!(
        accounts.set_tags("v", Tags::default()),
        Err(AccountError::NoUser("v".into()))
    );
    let long = "n".repeat(256);
    for name in ["", long.as_str()] {
        assert_eq!(
            accounts.put_user(&user(name, "", "argon2id")),
            Err(AccountError::UserName)
        );
    }
    let refused = accounts
        .put_user(&user("v", "x", "rabbit_password_hashing_md5"))
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("user 'v': the hashing algorithm 'rabbit_password_hashing_md5'")
    );
    assert!(!accounts.delete_user("v"));
    assert_eq!(accounts.users().len(), 1);
}

#[test]
fn definitions_keep_rabbitmqs_field_names() {
    let text = r#"{
        "name": "u", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
        "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["administrator", "own"],
        "limits": {"max-connections": 10}
    }"#;
    let read: User = serde_json::from_str(text).unwrap();
    assert_eq!(read.limits.max_connections, Some(10));
    let accounts = accounts();
    accounts.put_user(&read).unwrap();
    assert_eq!(accounts.users(), std::slice::from_ref(&read));
    let expected: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), expected);
    // As older versions and sloppy tools have it.
    let old: User =
        serde_json::from_str(r#"{"name": "o", "password_hash": "", "tags": "administrator, own,"}"#).unwrap();
    assert_eq!(old.tags, read.tags);
    assert_eq!(old.hashing_algorithm, "rabbit_password_hashing_sha256");
    let permission: Permission =
        serde_json::from_str(r#"{"user": "u", "vhost": "/", "configure": "a", "write": "b", "read": "c"}"#).unwrap();
    accounts.put_permission(&permission).unwrap();
    assert_eq!(accounts.permissions(), [permission]);
}

#[test]
fn a_user_put_again_keeps_the_permissions() {
    let accounts = accounts_with_user();
    permit(&accounts, ["a", "b", "c"]);
    accounts.put_user_with_password("u", b"other", Tags::default()).unwrap();
    assert_eq!(accounts.permissions().len(), 1);
    accounts.delete_user("u");
    accounts.put_user_with_password("u", b"other", Tags::default()).unwrap();
    assert!(accounts.permissions().is_empty());
}

#[test]
fn guest_comes_from_this_machine_only() {
    let may = |peer: &str, user| may_log_in_from(peer.parse().unwrap(), user, &["guest"]);
    for peer in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
        assert!(may(peer, "guest"), "{peer}");
    }
    for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"] {
        assert!(!may(peer, "guest"), "{peer}");
        assert!(may(peer, "u"), "{peer}");
    }
    assert!(may_log_in_from("10.0.0.1".parse().unwrap(), "guest", &[""; 0]));
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let accounts = accounts_with_user();
    accounts.log_in("u", b"secret").unwrap();
    let user = accounts.user("u").unwrap();
    let hash = PasswordHash::parse(&user.password_hash, &user.hashing_algorithm).unwrap();
    let credentials = Credentials {
        user: "u".into(),
        password: b"secret".to_vec(),
    };
    let printed = format!("{accounts:?} {user:?} {hash:?} {credentials:?} {:#?}", accounts.users());
    let password_bytes = format!("{:?}", b"secret");
    for secret in [
        "secret",
        "$argon2id$",
        password_bytes.as_str(),
        user.password_hash.as_str(),
    ] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

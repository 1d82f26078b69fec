//! Hashes: vectors made with another implementation of SHA-2 and Base64 from the documented recipe.

use super::*;
use crate::auth::{PasswordError, PasswordHash, hash_as_rabbitmq};

const SHA256: &str = "rabbit_password_hashing_sha256";
const SHA512: &str = "rabbit_password_hashing_sha512";

/// Algorithm, hash, password.
const VECTORS: [(&str, &str, &str); 3] = [
    (SHA256, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "test12"),
    (
        SHA512,
        "AQIDBANSvkE51MvG7pNDq4NjmP8SFay7rWsolg//30q7jnApCiuE049JxchapptDh7ryvu/VdvUXYHbwdpa9veVAv14=",
        "guest",
    ),
    (SHA256, "oLHC0we+bJp8/6a9DQlBiG/z6midsAc+IL89zYJm4svxgexF", "pässword"),
];

#[test]
fn hashes_of_rabbitmq_are_verified_and_kept_as_they_are() {
    for (algorithm, text, password) in VECTORS {
        let hash = PasswordHash::parse(text, algorithm).unwrap();
        assert!(hash.verify(password.as_bytes()));
        assert!(!hash.verify(b"wrong") && !hash.verify(b""));
        assert!(hash.should_be_rehashed(CHEAP));
        assert_eq!((hash.encoded().as_str(), hash.algorithm()), (text, algorithm));
    }
}

#[test]
fn new_hashes_are_argon2id_with_their_own_salt() {
    let hash = PasswordHash::new(b"secret", CHEAP).unwrap();
    assert!(hash.encoded().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    assert_ne!(hash, PasswordHash::new(b"secret", CHEAP).unwrap());
    assert!(hash.verify(b"secret") && !hash.verify(b"Secret") && !hash.verify(b""));
    let again = PasswordHash::parse(&hash.encoded(), "argon2id").unwrap();
    assert_eq!(again, hash);
    assert!(!again.should_be_rehashed(CHEAP));
    let dearer = HashingCost { iterations: 2, ..CHEAP };
    assert!(again.should_be_rehashed(dearer));
}

#[test]
fn the_rabbitmq_hash_of_a_password_is_salted_sha256() {
    let hash = hash_as_rabbitmq(b"secret").unwrap();
    assert_eq!(hash.algorithm(), SHA256);
    let read = PasswordHash::parse(&hash.encoded(), SHA256).unwrap();
    assert!(read.verify(b"secret") && !read.verify(b"other"));
    assert_ne!(hash, hash_as_rabbitmq(b"secret").unwrap());
}

#[test]
fn what_is_no_hash_is_refused_without_being_shown() {
    let salt_and_hash = "c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";
    let rows = [
        ("argon2id", "plain text".to_owned()),
        ("argon2id", format!("$argon2i$v=19$m=8,t=1,p=1${salt_and_hash}")),
        ("argon2id", "$argon2id$v=19$m=8,t=1,p=1".to_owned()),
        (SHA256, "not base64!".to_owned()),
        (SHA256, "kI3GCg==".to_owned()),
        (SHA512, VECTORS[0].1.to_owned()),
    ];
    for (algorithm, text) in rows {
        let refused = PasswordHash::parse(&text, algorithm).unwrap_err();
        assert_eq!(refused, PasswordError::Malformed(algorithm.to_owned()), "{text}");
        assert!(!refused.to_string().contains(&text));
    }
    for algorithm in ["rabbit_password_hashing_md5", "", "bcrypt"] {
        let refused = PasswordHash::parse("kI3GCg==", algorithm).unwrap_err();
        assert_eq!(refused, PasswordError::Algorithm(algorithm.to_owned()));
    }
    // A hash that asks for 4 GiB, or for ages.
    for cost in ["m=4194304,t=1,p=1", "m=64,t=4000000,p=1", "m=4096,t=1,p=500"] {
        let text = format!("$argon2id$v=19${cost}${salt_and_hash}");
        let refused = PasswordHash::parse(&text, "argon2id").unwrap_err();
        assert!(matches!(refused, PasswordError::Cost { .. }), "{cost}: {refused}");
    }
}

#[test]
fn a_cost_out_of_bounds_is_refused() {
    let rows = [
        (7, 1, 1),
        (8, 0, 1),
        (8, 1, 0),
        (15, 1, 2),
        (262_145, 1, 1),
        (8, 17, 1),
        (1_000, 1, 9),
    ];
    for (memory_kib, iterations, lanes) in rows {
        let cost = HashingCost {
            memory_kib,
            iterations,
            lanes,
        };
        assert!(
            matches!(PasswordHash::new(b"p", cost), Err(PasswordError::Cost { .. })),
            "{cost:?}"
        );
        assert!(Accounts::new(cost).is_err());
    }
    assert!(PasswordHash::new(b"p", HashingCost::default()).unwrap().verify(b"p"));
}

#[test]
fn a_user_without_a_password_has_no_right_one() {
    let hash = PasswordHash::parse("", SHA256).unwrap();
    assert!(!hash.verify(b"") && !hash.verify(b"any"));
    assert_eq!(hash.encoded(), "");
}

//! Tests of accounts, hashes, patterns and SASL.

mod accounts;
mod password;
mod permissions;
mod sasl;

use super::{Accounts, HashingCost, Permission, Tags, User, UserLimits};

/// The cheapest hashing there is: the tests are about everything else.
const CHEAP: HashingCost = HashingCost {
    memory_kib: 8,
    iterations: 1,
    lanes: 1,
};

fn accounts() -> Accounts {
    Accounts::new(CHEAP).unwrap()
}

/// A registry with the user `u`, whose password is `secret`.
fn accounts_with_user() -> Accounts {
    let accounts = accounts();
    accounts
        .put_user_with_password("u", b"secret", Tags::default())
        .unwrap();
    accounts
}

fn permit(accounts: &Accounts, [configure, write, read]: [&str; 3]) {
    let permission = Permission {
        user: "u".to_owned(),
        vhost: "/".to_owned(),
        configure: configure.to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    };
    accounts.put_permission(&permission).unwrap();
}

fn user(name: &str, password_hash: &str, hashing_algorithm: &str) -> User {
    User {
        name: name.to_owned(),
        password_hash: password_hash.to_owned(),
        hashing_algorithm: hashing_algorithm.to_owned(),
        tags: Tags::default(),
        limits: UserLimits::default(),
    }
}

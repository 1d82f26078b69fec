//! The user whose password everybody knows.

use std::net::SocketAddr;

use crate::auth::Accounts;

/// What to say where guest still has its known password and somebody else than this machine can reach a listener: then
/// only the look at where guest comes from (`auth.guest_loopback_only`) keeps the network out. As slow as a login.
pub fn warning(accounts: &Accounts, listened: &[SocketAddr]) -> Option<String> {
    let open = listened
        .iter()
        .find(|address| !address.ip().to_canonical().is_loopback())?;
    accounts.log_in("guest", b"guest").ok()?;
    Some(format!(
        "the user guest has its known password, and {open} is open to the network: change it (warren users passwd \
         guest), delete the user (warren users delete guest), or declare [[users]]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{HashingCost, Tags};

    fn warned(password: Option<&str>, listened: &[&str]) -> Option<String> {
        let cost = HashingCost {
            memory_kib: 8,
            iterations: 1,
            lanes: 1,
        };
        let accounts = Accounts::new(cost).unwrap();
        if let Some(password) = password {
            let made = accounts.put_user_with_password("guest", password.as_bytes(), Tags::default());
            made.unwrap();
        }
        let listened: Vec<SocketAddr> = listened.iter().map(|address| address.parse().unwrap()).collect();
        warning(&accounts, &listened)
    }

    #[test]
    fn the_known_password_on_an_open_listener_is_warned_of() {
        for open in [
            "0.0.0.0:5672",
            "[::]:5672",
            "192.0.2.1:15672",
            "[::ffff:192.0.2.1]:5672",
        ] {
            let said = warned(Some("guest"), &["127.0.0.1:5671", open]);
            assert!(said.is_some_and(|said| said.contains(open)), "{open}");
        }
    }

    #[test]
    fn nothing_is_said_without_reason() {
        assert_eq!(
            warned(Some("guest"), &["127.0.0.1:5672", "[::1]:5672", "[::ffff:127.0.0.1]:1"]),
            None
        );
        assert_eq!(warned(Some("another"), &["0.0.0.0:5672"]), None);
        assert_eq!(warned(None, &["0.0.0.0:5672"]), None);
        assert_eq!(warned(Some("guest"), &[]), None);
    }
}

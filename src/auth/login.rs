//! From where a user may log in.

use std::net::IpAddr;

/// Whether `user` may log in from `peer`: those in `loopback_users` only from this machine (RabbitMQ: "Access
/// Control", `loopback_users`; `guest` by default). The caller tells the client no more than a wrong password would.
#[must_use]
pub fn may_log_in_from(peer: IpAddr, user: &str, loopback_users: &[impl AsRef<str>]) -> bool {
    // An IPv4 client of an IPv6 listener comes as ::ffff:127.0.0.1.
    peer.to_canonical().is_loopback() || !loopback_users.iter().any(|name| name.as_ref() == user)
}

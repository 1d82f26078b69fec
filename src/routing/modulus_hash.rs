//! The modulus hash exchange (RabbitMQ: "Sharding Plugin"): one binding, by the routing key's hash modulo their count.
//!
//! As in RabbitMQ, another count moves most keys; `x-consistent-hash` is the type that does not.

use super::stable_hash;
use super::targets::Targets;

/// The binding that the first routing key falls on.
pub(super) fn select(targets: &Targets, keys: &[&str], each: &mut impl FnMut(u32)) {
    let hash = stable_hash::hash(keys.first().unwrap_or(&"").as_bytes());
    let number = hash.checked_rem(targets.len() as u64);
    if let Some(link) = number.and_then(|number| targets.get(number as usize)) {
        each(link);
    }
}

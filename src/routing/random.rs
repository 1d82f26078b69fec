//! The random exchange (RabbitMQ: "Random Exchange Type"): one binding, each as likely as the other.

use super::stable_hash;
use super::targets::Targets;

/// One binding by `random`, a number that the caller draws for each message. `exchange` keeps random exchanges that
/// are bound to one another from making the same choice.
pub(super) fn select(targets: &Targets, random: u64, exchange: u32, each: &mut impl FnMut(u32)) {
    let drawn = stable_hash::mix(random.wrapping_add(u64::from(exchange).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    if let Some(link) = targets.get(stable_hash::index(drawn, targets.len())) {
        each(link);
    }
}

//! How large published messages are, counted by upper bounds.

use crate::model::{CountsByBound, SharedCountsByBound};

/// The upper bounds in bytes of a body; RabbitMQ 4.1 has the same.
const BOUNDS_BYTES: &[u64; 8] = &[
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
];

/// The sizes in bytes of the bodies that one connection published, or of all.
pub type SizeCounts = CountsByBound<{ BOUNDS_BYTES.len() }>;

/// The sizes of all messages that clients published.
pub(super) type Sizes = SharedCountsByBound<{ BOUNDS_BYTES.len() }>;

/// Nothing counted yet.
#[must_use]
pub const fn no_sizes() -> SizeCounts {
    SizeCounts::new(BOUNDS_BYTES)
}

pub(super) fn sizes_of_all() -> Sizes {
    Sizes::new(BOUNDS_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_counts_below_each_bound_that_it_does_not_pass() {
        let mut counted = no_sizes();
        for bytes in [0, 100, 101, 1_000_000, 100_000_001] {
            counted.note(bytes);
        }
        let sizes = sizes_of_all();
        sizes.add(&counted);
        sizes.add(&no_sizes());
        assert_eq!(sizes.read(), counted);
        assert_eq!((counted.count(), counted.sum()), (5, 101_000_201 + 1));
        let below: Vec<u64> = counted.below().map(|(_, count)| count).collect();
        assert_eq!(below, [2, 3, 3, 3, 4, 4, 4, 4]);
    }
}

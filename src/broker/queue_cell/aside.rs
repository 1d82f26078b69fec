//! What few queues ever have: dead letters under way, a quota, messages spilled, arguments that an operator changed.

use parking_lot::Mutex;

use crate::broker::dead_letter_queues::{Origins, Partly};
use crate::broker::letter_desk::LetterDesk;
use crate::broker::quotas::Quota;
use crate::model::FieldTable;

use super::QueueCell;
use super::spilling::Spilling;

/// Kept out of the cell, where it would take a third of what an idle queue costs.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pub(super) letters: LetterDesk,
    pub(super) origins: Origins,
    pub(super) partly: Partly,
    pub(super) quota: Quota,
    pub(super) spilling: Spilling,
    /// Arguments that an operator changed after the declaration; void for one taken away.
    pub(super) changed: Mutex<FieldTable>,
}

impl QueueCell {
    /// To change something: makes it.
    pub(super) fn aside(&self) -> &Aside {
        self.aside.get_or_init(Box::default)
    }

    /// To look; `None` where nothing was changed yet.
    pub(super) fn made_aside(&self) -> Option<&Aside> {
        self.aside.get().map(|aside| &**aside)
    }

    /// The spilled messages, where there were any.
    pub(super) fn spilling(&self) -> Option<&Spilling> {
        self.made_aside()
            .map(|aside| &aside.spilling)
            .filter(|spilling| spilling.is_used())
    }

    /// The quota, where a policy ever gave one.
    pub(in crate::broker) fn quota(&self) -> Option<&Quota> {
        self.made_aside().map(|aside| &aside.quota)
    }

    /// The same, to set it.
    pub(in crate::broker) fn make_quota(&self) -> &Quota {
        &self.aside().quota
    }
}

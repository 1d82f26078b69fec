//! What a queue's commands are carried out with: buffers that it keeps from its first command on.

use crate::model::Blank;
use crate::queue::{Delivery, Effects};
use crate::store::Keep;

/// All of it is empty between two commands.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What the core asks for.
    pub(super) effects: Effects,
    /// What is being handed over.
    pub(super) deliveries: Vec<Delivery>,
    /// What the journal is to get.
    pub(super) keeps: Vec<Keep>,
    /// What the journal is to forget.
    pub(super) forgets: Vec<u64>,
}

impl Blank for Scratch {
    fn blank() -> &'static Self {
        static BLANK: Scratch = Scratch {
            effects: Effects::new(),
            deliveries: Vec::new(),
            keeps: Vec::new(),
            forgets: Vec::new(),
        };
        &BLANK
    }
}

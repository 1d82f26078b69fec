//! What a configuration file declared last, of that which can be taken back: policies and limits. So the next file can
//! say by silence that they are no longer wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::auth::UserLimits;
use crate::model::AmqpError;
use crate::store::Table;

use super::definitions::{key, put};
use super::restore::RestoreError;
use super::{Broker, Policy, VhostLimits};

/// The one key in the table of the node.
const KEY: &str = "declared by the file";

/// Policies and limits of the file that was applied last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileDeclared {
    /// Policies.
    pub policies: Vec<Policy>,
    /// Operator policies.
    pub operator_policies: Vec<Policy>,
    /// Limits by vhost; `None` for those that the file did not give.
    pub vhost_limits: BTreeMap<String, VhostLimits>,
    /// Limits by user.
    pub user_limits: BTreeMap<String, UserLimits>,
}

impl Broker {
    /// What the last file declared.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn file_declared(&self) -> Result<FileDeclared, RestoreError> {
        let records = self.records::<FileDeclared>(Table::Node, "declarations of the file", |_| key(&[KEY]))?;
        Ok(records.into_iter().next().map(|(_, record)| record).unwrap_or_default())
    }

    /// Notes what the file declares; on stable storage when this returns.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_file_declared(&self, declared: &FileDeclared) -> Result<(), AmqpError> {
        self.store(&[put(Table::Node, key(&[KEY]), declared)])
    }
}

//! Global parameters: values that tools keep with the broker's definitions, outside all vhosts (RabbitMQ: "Parameters
//! and Policies").

use std::collections::BTreeMap;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::AmqpError;
use crate::store::{StateChange, Table};

use super::Broker;
use super::definitions::{key, put};
use super::restore::RestoreError;

/// The one that the broker itself looks at: what clients see as `cluster_name`.
pub const CLUSTER_NAME: &str = "cluster_name";

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlobalParameter {
    /// Its name.
    pub name: String,
    /// Whatever its owner put there.
    pub value: Value,
}

/// All of them, by name.
pub(super) type GlobalParameters = RwLock<BTreeMap<String, Value>>;

impl Broker {
    /// All, in order of name.
    #[must_use]
    pub fn global_parameters(&self) -> Vec<GlobalParameter> {
        let parameters = self.global_parameters.read();
        let all = parameters.iter().map(|(name, value)| GlobalParameter {
            name: name.clone(),
            value: value.clone(),
        });
        all.collect()
    }

    /// The value of one.
    #[must_use]
    pub fn global_parameter(&self, name: &str) -> Option<Value> {
        self.global_parameters.read().get(name).cloned()
    }

    /// What clients see as `cluster_name`: `configured`, unless an operator gave another name since.
    #[must_use]
    pub fn cluster_name(&self, configured: &str) -> String {
        match self.global_parameters.read().get(CLUSTER_NAME) {
            Some(Value::String(name)) => name.clone(),
            _ => configured.to_owned(),
        }
    }

    /// Sets one; says whether it is new. It is on stable storage when this returns.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_global_parameter(&self, parameter: GlobalParameter) -> Result<bool, AmqpError> {
        // Held over the store, so that what is kept is what was set last.
        let mut parameters = self.global_parameters.write();
        self.store(&[put(Table::GlobalParameters, key(&[&parameter.name]), &parameter)])?;
        Ok(parameters.insert(parameter.name, parameter.value).is_none())
    }

    /// Clears one; false where there is none.
    ///
    /// # Errors
    /// The store failed.
    pub fn clear_global_parameter(&self, name: &str) -> Result<bool, AmqpError> {
        let mut parameters = self.global_parameters.write();
        if !parameters.contains_key(name) {
            return Ok(false);
        }
        self.store(&[StateChange::Remove(Table::GlobalParameters, key(&[name]))])?;
        parameters.remove(name);
        Ok(true)
    }

    pub(super) fn restore_global_parameters(&self) -> Result<(), RestoreError> {
        let mut parameters = self.global_parameters.write();
        for (_, record) in self.records(
            Table::GlobalParameters,
            "global parameter",
            |record: &GlobalParameter| key(&[&record.name]),
        )? {
            parameters.insert(record.name, record.value);
        }
        Ok(())
    }
}

//! Setting and clearing policies, and what they do to what stands.

use serde_json::{Map, Value};

use crate::model::{FieldTable, FieldValue, Name};
use crate::queue::QueueOptions;
use crate::store::{StateChange, Table};

use super::super::arguments::{is_quorum, queue_options, resource};
use super::super::definitions::{key, put};
use super::super::queue_cell::{Aftermath, QueueCell, QueueDeclaration};
use super::super::quotas::Rate;
use super::super::restore::RestoreError;
use super::super::{Broker, Vhost};
use super::book::{Compiled, Matching, PolicyBooks, Subject};
use super::effective::{queue_rate, queue_settings};
use super::settings::DeadLetterAlert;
use super::{Policy, PolicyError, PolicyKind};

/// Which policies hold for a queue or an exchange, and what they do to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectivePolicy {
    /// Name of the policy.
    pub policy: Option<String>,
    /// Name of the operator policy.
    pub operator_policy: Option<String>,
    /// What the two say together, with the lower of two limits (RabbitMQ's `effective_policy_definition`).
    pub definition: Map<String, Value>,
    /// Arguments that the policy takes the place of, in order of name.
    pub overridden: Vec<String>,
}

impl Broker {
    /// Sets a policy, and applies it to what stands. On stable storage when this returns.
    pub fn set_policy(&self, kind: PolicyKind, policy: Policy) -> Result<(), PolicyError> {
        let vhost = self.vhost_of_policy(&policy.vhost)?;
        let compiled = Compiled::new(policy, kind)?;
        let name = compiled.policy.name.clone();
        let told = compiled.policy.clone();
        let change = put(table(kind), key(&[&vhost.name, &name]), &compiled.policy);
        self.change_policies(&vhost, Some(change), |books| {
            books.of_kind_mut(kind).put(compiled);
            true
        })?;
        self.tell_policy_set(kind, &told);
        tracing::info!(policy = name, vhost = %vhost.name, ?kind, "policy set");
        Ok(())
    }

    /// Sets a policy unless it stands as it is, as a declaration does.
    pub fn declare_policy(&self, kind: PolicyKind, policy: Policy) -> Result<(), PolicyError> {
        let vhost = self.vhost_of_policy(&policy.vhost)?;
        let same = vhost.policies.read().of_kind(kind).get(&policy.name) == Some(&policy);
        match same {
            true => Ok(()),
            false => self.set_policy(kind, policy),
        }
    }

    /// Whether a policy could be set: the error that it would meet otherwise, a missing vhost aside.
    pub fn check_policy(&self, kind: PolicyKind, policy: Policy) -> Result<(), PolicyError> {
        Compiled::new(policy, kind).map(|_| ())
    }

    /// Clears a policy: what the arguments say holds again. False where there was none of that name.
    pub fn clear_policy(&self, kind: PolicyKind, vhost: &str, name: &str) -> Result<bool, PolicyError> {
        let vhost = self.vhost_of_policy(vhost)?;
        let change = StateChange::Remove(table(kind), key(&[&vhost.name, name]));
        let existed = self.change_policies(&vhost, Some(change), |books| books.of_kind_mut(kind).remove(name))?;
        if existed {
            self.tell_policy_cleared(kind, &vhost.name, name);
            tracing::info!(policy = name, vhost = %vhost.name, ?kind, "policy cleared");
        }
        Ok(existed)
    }

    /// The policies of a vhost, in order of name.
    #[must_use]
    pub fn policies(&self, kind: PolicyKind, vhost: &Vhost) -> Vec<Policy> {
        vhost.policies.read().of_kind(kind).list()
    }

    /// One policy.
    #[must_use]
    pub fn policy(&self, kind: PolicyKind, vhost: &Vhost, name: &str) -> Option<Policy> {
        vhost.policies.read().of_kind(kind).get(name).cloned()
    }

    /// The policies that hold for a queue.
    #[must_use]
    pub fn policy_of_queue(&self, vhost: &Vhost, queue: &QueueCell) -> EffectivePolicy {
        let matching = vhost.policies.read().find(Subject::Queue {
            name: &queue.name,
            quorum: queue.is_quorum(),
        });
        describe(&matching, &queue.current_declaration().arguments, "x-")
    }

    /// When operators want to hear of dead letters in a queue.
    pub(in crate::broker) fn alert_policy(vhost: &Vhost, queue: &QueueCell) -> Option<DeadLetterAlert> {
        let matching = vhost.policies.read().find(Subject::Queue {
            name: &queue.name,
            quorum: queue.is_quorum(),
        });
        matching.user_settings()?.dead_letter_alert
    }

    /// The policies that hold for an exchange.
    #[must_use]
    pub fn policy_of_exchange(&self, vhost: &Vhost, name: &str) -> EffectivePolicy {
        let matching = vhost.policies.read().find(Subject::Exchange(name));
        let router = vhost.router.read();
        let none = FieldTable::new();
        let arguments = router.get(name).map_or(&none, |exchange| &exchange.spec().arguments);
        describe(&matching, arguments, "")
    }

    /// The settings of a queue from its arguments and the policies of its vhost.
    pub(in crate::broker) fn with_policies(
        vhost: &Vhost,
        name: &str,
        declaration: &QueueDeclaration,
        declared: QueueOptions,
    ) -> QueueOptions {
        let quorum = is_quorum(&declaration.arguments);
        let matching = vhost.policies.read().find(Subject::Queue { name, quorum });
        queue_settings(declared, quorum, matching.user_settings(), matching.operator_settings())
    }

    /// How much a second publishers may bring to a queue.
    pub(in crate::broker) fn policy_rate(vhost: &Vhost, name: &str, quorum: bool) -> Rate {
        let matching = vhost.policies.read().find(Subject::Queue { name, quorum });
        queue_rate(matching.user_settings(), matching.operator_settings())
    }

    /// Gives an exchange the alternate that its policy or its argument names.
    pub(in crate::broker) fn apply_exchange_policy(vhost: &Vhost, name: &str) {
        let matching = vhost.policies.read().find(Subject::Exchange(name));
        let mut router = vhost.router.write();
        let Some(exchange) = router.get(name) else {
            return;
        };
        let declared = exchange.spec().arguments.get("alternate-exchange");
        let declared = declared.and_then(FieldValue::as_text).map(Name::from);
        let alternate = matching
            .user_settings()
            .and_then(|settings| settings.alternate_exchange.clone())
            .or(declared);
        if exchange.alternate() != alternate.as_ref() {
            router.set_alternate(name, alternate);
            drop(router);
            vhost.changed();
        }
    }

    /// Takes the policies that are stored; to be called before queues and exchanges are restored.
    pub(in crate::broker) fn restore_policies(&self) -> Result<(), RestoreError> {
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            for (key, policy) in self.records(table(kind), "policy", |policy: &Policy| {
                key(&[&policy.vhost, &policy.name])
            })? {
                let faulty = |reason: String| RestoreError::Record {
                    kind: "policy",
                    key: key.clone(),
                    reason,
                };
                // That of a vhost that went with a crash in between belongs to nobody.
                let Some(vhost) = self.vhost(&policy.vhost) else {
                    continue;
                };
                let compiled = Compiled::new(policy, kind).map_err(|error| faulty(error.to_string()))?;
                vhost.policies.write().of_kind_mut(kind).put(compiled);
            }
        }
        for vhost in self.vhosts() {
            apply_to_exchanges(&vhost);
        }
        Ok(())
    }

    fn vhost_of_policy(&self, name: &str) -> Result<std::sync::Arc<Vhost>, PolicyError> {
        self.vhost(name).ok_or_else(|| PolicyError::NoVhost(name.to_owned()))
    }

    /// Changes the policies of a vhost, stores that, and applies it. `change` says whether it changed anything.
    fn change_policies(
        &self,
        vhost: &Vhost,
        stored: Option<StateChange>,
        change: impl FnOnce(&mut PolicyBooks) -> bool,
    ) -> Result<bool, PolicyError> {
        let mut aftermath = Aftermath::default();
        {
            let _admin = vhost.admin.lock();
            vhost.check_standing().map_err(PolicyError::Store)?;
            let before = vhost.policies.read().clone();
            let mut after = before.clone();
            if !change(&mut after) {
                return Ok(false);
            }
            self.store(stored.as_slice()).map_err(PolicyError::Store)?;
            *vhost.policies.write() = after.clone();
            self.apply_to_queues(vhost, &before, &after, &mut aftermath);
            apply_to_exchanges(vhost);
        }
        self.settle_aftermath(&mut aftermath);
        Ok(true)
    }

    /// Configures the queues for which anything changes.
    fn apply_to_queues(&self, vhost: &Vhost, before: &PolicyBooks, after: &PolicyBooks, aftermath: &mut Aftermath) {
        let now = self.now();
        for queue in vhost.queues() {
            let quorum = queue.is_quorum();
            let subject = Subject::Queue {
                name: &queue.name,
                quorum,
            };
            let matching = after.find(subject);
            if matching.settles_as(&before.find(subject)) {
                continue;
            }
            let resource = resource("queue", &queue.name, &queue.vhost);
            // Checked when the queue was declared.
            let declaration = queue.current_declaration();
            let Ok(declared) = queue_options(&declaration, &resource) else {
                continue;
            };
            let overridden = describe(&matching, &declaration.arguments, "x-").overridden;
            if !overridden.is_empty() {
                let policy = matching.user.as_ref().map(|compiled| compiled.policy.name.as_str());
                tracing::info!(queue = %queue.name, vhost = %vhost.name, policy, arguments = overridden.join(" "),
                    "a policy takes the place of arguments");
            }
            let settings = queue_settings(declared, quorum, matching.user_settings(), matching.operator_settings());
            queue.configure(settings, now, aftermath);
            let rate = queue_rate(matching.user_settings(), matching.operator_settings());
            if queue.set_rate(vhost, rate) {
                // Routes know which of their queues have a quota.
                vhost.changed();
                self.quota_changed();
            }
        }
    }
}

fn apply_to_exchanges(vhost: &Vhost) {
    let names: Vec<Name> = {
        let router = vhost.router.read();
        router.exchanges().map(|exchange| exchange.name().clone()).collect()
    };
    for name in names.iter().filter(|name| !name.is_empty()) {
        Broker::apply_exchange_policy(vhost, name);
    }
}

fn table(kind: PolicyKind) -> Table {
    match kind {
        PolicyKind::User => Table::Policies,
        PolicyKind::Operator => Table::OperatorPolicies,
    }
}

/// What holds, in words. The names of arguments are those of settings with `prefix` before them.
fn describe(matching: &Matching, arguments: &FieldTable, prefix: &str) -> EffectivePolicy {
    let name = |compiled: &std::sync::Arc<Compiled>| compiled.policy.name.clone();
    let mut definition = Map::new();
    let mut overridden = Vec::new();
    if let Some(user) = &matching.user {
        definition.clone_from(&user.policy.definition);
        let names = definition.keys().map(|setting| format!("{prefix}{setting}"));
        overridden.extend(names.filter(|argument| arguments.get(argument).is_some()));
    }
    if let Some(operator) = &matching.operator {
        for (setting, cap) in &operator.policy.definition {
            let lower = definition.get(setting).is_none_or(|value| is_lower(cap, value));
            if lower {
                definition.insert(setting.clone(), cap.clone());
            }
        }
    }
    EffectivePolicy {
        policy: matching.user.as_ref().map(name),
        operator_policy: matching.operator.as_ref().map(name),
        definition,
        overridden,
    }
}

/// Whether a limit is lower than another; -1 is none and so the highest.
fn is_lower(cap: &Value, value: &Value) -> bool {
    let height = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    height(cap) < height(value)
}

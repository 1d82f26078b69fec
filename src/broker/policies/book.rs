//! The policies of one vhost, in the order in which they are asked.

use std::cmp::Reverse;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::settings::Settings;
use super::{Policy, PolicyError, PolicyKind};

/// The most that a compiled pattern may take, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// A policy that can be asked.
#[derive(Debug)]
pub(super) struct Compiled {
    pub policy: Policy,
    pub settings: Settings,
    pattern: Regex,
}

impl Compiled {
    pub fn new(policy: Policy, kind: PolicyKind) -> Result<Self, PolicyError> {
        let invalid = |text: String| PolicyError::Invalid(text);
        if policy.name.is_empty() || policy.name.len() > 255 {
            return Err(invalid("the name of a policy has 1 to 255 bytes".to_owned()));
        }
        let built = RegexBuilder::new(&policy.pattern).size_limit(PATTERN_BYTES).build();
        let pattern = built.map_err(|error| {
            let text = error.to_string();
            let cause = text.lines().last().unwrap_or_default();
            let cause = cause.trim_start_matches("error: ");
            invalid(format!(
                "pattern should be a regular expression but is invalid: {cause}"
            ))
        })?;
        let settings = Settings::parse(&policy.definition, kind)?;
        Ok(Self {
            policy,
            settings,
            pattern,
        })
    }
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Queue { name: &'a str, quorum: bool },
    Exchange(&'a str),
}

/// Policies of one kind, the first that matches first.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(Vec<Arc<Compiled>>);

impl Book {
    pub fn put(&mut self, compiled: Compiled) {
        self.remove(&compiled.policy.name);
        self.0.push(Arc::new(compiled));
        self.0.sort_by(|a, b| order(&a.policy).cmp(&order(&b.policy)));
    }

    /// True where it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|compiled| compiled.policy.name != name);
        self.0.len() != before
    }

    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.0
            .iter()
            .map(|compiled| &compiled.policy)
            .find(|policy| policy.name == name)
    }

    /// In order of name.
    pub fn list(&self) -> Vec<Policy> {
        let mut policies: Vec<Policy> = self.0.iter().map(|compiled| compiled.policy.clone()).collect();
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        policies
    }

    pub fn find(&self, subject: Subject<'_>) -> Option<&Arc<Compiled>> {
        self.0.iter().find(|compiled| match subject {
            Subject::Queue { name, quorum } => {
                compiled.policy.apply_to.covers_queue(quorum) && compiled.pattern.is_match(name)
            }
            Subject::Exchange(name) => compiled.policy.apply_to.covers_exchanges() && compiled.pattern.is_match(name),
        })
    }
}

fn order(policy: &Policy) -> (Reverse<i64>, &str) {
    (Reverse(policy.priority), &policy.name)
}

/// All policies of a vhost.
#[derive(Clone, Debug, Default)]
pub struct PolicyBooks {
    pub(super) user: Book,
    pub(super) operator: Book,
}

/// The policies that hold for one queue or exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching {
    pub user: Option<Arc<Compiled>>,
    pub operator: Option<Arc<Compiled>>,
}

impl Matching {
    /// Whether the two say the same.
    pub fn settles_as(&self, other: &Self) -> bool {
        self.user_settings() == other.user_settings() && self.operator_settings() == other.operator_settings()
    }

    pub fn user_settings(&self) -> Option<&Settings> {
        self.user.as_ref().map(|compiled| &compiled.settings)
    }

    pub fn operator_settings(&self) -> Option<&Settings> {
        self.operator.as_ref().map(|compiled| &compiled.settings)
    }
}

impl PolicyBooks {
    pub(super) fn of_kind(&self, kind: PolicyKind) -> &Book {
        match kind {
            PolicyKind::User => &self.user,
            PolicyKind::Operator => &self.operator,
        }
    }

    pub(super) fn of_kind_mut(&mut self, kind: PolicyKind) -> &mut Book {
        match kind {
            PolicyKind::User => &mut self.user,
            PolicyKind::Operator => &mut self.operator,
        }
    }

    /// Whether any policy wants to hear of dead letters.
    pub fn have_alerts(&self) -> bool {
        let mut policies = self.user.0.iter();
        policies.any(|compiled| compiled.settings.dead_letter_alert.is_some())
    }

    pub(super) fn find(&self, subject: Subject<'_>) -> Matching {
        Matching {
            user: self.user.find(subject).cloned(),
            operator: self.operator.find(subject).cloned(),
        }
    }
}

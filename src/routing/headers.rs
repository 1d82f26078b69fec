//! The headers exchange: the binding's arguments against the message's headers.
//!
//! `x-match` says how: `all` (the default) and `any` look only at arguments that do not begin with `x-`;
//! `all-with-x` and `any-with-x` look at those too, except `x-match` itself. An argument without a value (void) asks
//! only that the header is there. Values are equal as in RabbitMQ 4: by value and not by type letter, so an integer of
//! any width equals another of any width, but an integer never equals a fraction.

use std::collections::BTreeMap;

use super::error::BindError;
use crate::model::{FieldTable, FieldValue, Name};

/// What the bindings of one headers exchange ask for, by binding.
#[derive(Debug, Default)]
pub(super) struct HeaderRules(BTreeMap<u32, Rule>);

/// What one binding asks for.
#[derive(Debug)]
pub(super) struct Rule {
    any: bool,
    /// Header names with the value asked for; `None` for any value.
    conditions: Vec<(Name, Option<FieldValue>)>,
}

impl Rule {
    /// Reads a binding's arguments.
    ///
    /// # Errors
    /// `x-match` is no long string, or names no mode.
    pub fn new(arguments: &FieldTable) -> Result<Self, BindError> {
        let mode = arguments.get("x-match").map_or(Ok(&b"all"[..]), |value| match value {
            FieldValue::LongString(mode) => Ok(mode.as_slice()),
            other => Err(BindError::match_type(other)),
        })?;
        let (any, with_x) = match mode {
            b"all" => (false, false),
            b"any" => (true, false),
            b"all-with-x" => (false, true),
            b"any-with-x" => (true, true),
            other => return Err(BindError::MatchMode(String::from_utf8_lossy(other).into_owned())),
        };
        let conditions = arguments
            .iter()
            .filter(|(name, _)| **name != "x-match" && (with_x || !name.starts_with("x-")))
            .map(|(name, value)| (name.clone(), Some(value.clone()).filter(|v| *v != FieldValue::Void)))
            .collect();
        Ok(Self { any, conditions })
    }

    fn matches(&self, headers: &FieldTable) -> bool {
        let mut holds = self.conditions.iter().map(|(name, wanted)| {
            headers
                .get(name)
                .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| same_value(wanted, value)))
        });
        if self.any {
            holds.any(|held| held)
        } else {
            holds.all(|held| held)
        }
    }
}

impl HeaderRules {
    pub fn add(&mut self, link: u32, rule: Rule) {
        self.0.insert(link, rule);
    }

    pub fn remove(&mut self, link: u32) {
        self.0.remove(&link);
    }
}

/// The bindings whose arguments fit.
pub(super) fn select(rules: &HeaderRules, headers: &FieldTable, each: &mut impl FnMut(u32)) {
    for (&link, rule) in &rules.0 {
        if rule.matches(headers) {
            each(link);
        }
    }
}

/// Whether two values are equal, whatever their type letters.
fn same_value(left: &FieldValue, right: &FieldValue) -> bool {
    use FieldValue::{Bytes, F32, F64, LongString, Timestamp};
    let integers = (left.as_integer(), right.as_integer());
    if let (Some(left), Some(right)) = integers {
        return left == right;
    }
    match (left, right) {
        (F32(left), F64(right)) => f64::from(*left) == *right,
        (F64(left), F32(right)) => *left == f64::from(*right),
        (LongString(left) | Bytes(left), LongString(right) | Bytes(right)) => left == right,
        (Timestamp(seconds), other) | (other, Timestamp(seconds)) if other.as_integer().is_some() => {
            other.as_integer().and_then(|v| u64::try_from(v).ok()) == Some(*seconds)
        }
        _ => left == right,
    }
}

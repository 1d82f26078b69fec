//! Bindings as they are listed and compared.

use crate::model::{FieldTable, FieldValue, Name};

use super::binding::{Binding, DestinationName};

/// Arguments in the order of their names, since their order is no part of a binding's identity.
pub(super) fn ordered(arguments: FieldTable) -> FieldTable {
    if arguments.len() < 2 {
        return arguments;
    }
    let mut pairs: Vec<(Name, FieldValue)> = arguments.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    pairs.into_iter().collect()
}

/// Bindings in the order of source, destination and key; those that differ only in arguments, in the order in which
/// they were bound.
pub(super) fn listed(bindings: impl Iterator<Item = Binding>) -> Vec<Binding> {
    let mut bindings: Vec<Binding> = bindings.collect();
    // Chains give the newest first.
    bindings.reverse();
    bindings.sort_by(|left, right| identity(left).cmp(&identity(right)));
    bindings
}

fn identity(binding: &Binding) -> (&Name, &DestinationName, &Name) {
    (&binding.source, &binding.destination, &binding.routing_key)
}

//! Why a message goes where it goes: the way of one message, exchange by exchange, for people who look for it.
//!
//! Walks as [`Router::route`] does and keeps the bindings that were taken. Nothing on the path of a message uses it.

use crate::model::{Name, PropertiesView};

use super::binding::{Binding, DestinationName};
use super::exchange::ExchangeKind;
use super::links::Target;
use super::router::Router;
use super::traverse::Envelope;

/// One exchange that a message comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteStep {
    /// Its name; empty for the default exchange.
    pub exchange: Name,
    /// Its type.
    pub kind: ExchangeKind,
    /// The bindings that the message takes. Those of the default exchange are implied.
    pub matches: Vec<Binding>,
    /// Where the message goes because none matched.
    pub alternate: Option<Name>,
}

impl<Q: Clone + Ord> Router<Q> {
    /// The exchanges that a message visits, each once and the first one first; `None` where there is no such
    /// exchange. `random` is a number drawn for this message, which random exchanges use.
    #[must_use]
    pub fn explain(
        &self,
        exchange: &str,
        keys: &[&str],
        properties: PropertiesView<'_>,
        random: u64,
    ) -> Option<Vec<RouteStep>> {
        let envelope = Envelope::new(keys, properties, random);
        let mut visited = vec![self.id(exchange)?];
        let mut steps = Vec::new();
        let mut at = 0;
        while let Some(&id) = visited.get(at) {
            at += 1;
            let step = self.explain_step(id, &envelope, &mut visited);
            steps.extend(step);
        }
        Some(steps)
    }

    /// What an exchange does with the message; adds the exchanges that it comes to next.
    fn explain_step(&self, id: u32, envelope: &Envelope<'_>, visited: &mut Vec<u32>) -> Option<RouteStep> {
        let exchange = self.exchange(id)?;
        let mut step = RouteStep {
            exchange: exchange.name().clone(),
            kind: exchange.spec().kind,
            matches: Vec::new(),
            alternate: None,
        };
        let mut visit = |next: u32| {
            if !visited.contains(&next) {
                visited.push(next);
            }
        };
        if id == Self::DEFAULT {
            step.matches = self.implied(envelope.keys);
            return Some(step);
        }
        let mut taken = Vec::new();
        exchange.select(id, envelope, self.links(), |link| taken.push(link));
        taken.sort_unstable();
        taken.dedup();
        for link in taken {
            if let Some(Target::Exchange(next)) = self.links().get(link).map(|link| link.target) {
                visit(next);
            }
            step.matches.extend(self.binding(link));
        }
        if step.matches.is_empty()
            && let Some(alternate) = exchange.alternate()
            && let Some(next) = self.id(alternate)
        {
            visit(next);
            step.alternate = Some(alternate.clone());
        }
        Some(step)
    }

    /// The default exchange's bindings that these keys take.
    fn implied(&self, keys: &[&str]) -> Vec<Binding> {
        let known = keys.iter().filter(|key| self.knows_queue(key));
        let bindings = known.map(|key| Binding {
            source: Name::default(),
            destination: DestinationName::Queue(Name::from(*key)),
            routing_key: Name::from(*key),
            arguments: crate::model::FieldTable::new(),
        });
        bindings.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldTable, FieldValue, Properties};
    use crate::routing::{Destination, ExchangeSpec};

    fn router() -> Router<u32> {
        let mut router = Router::new();
        for (handle, queue) in ["all", "paid", "lost", "by-header"].into_iter().enumerate() {
            router.add_queue(queue.into(), handle as u32);
        }
        let mut orders = ExchangeSpec::durable(ExchangeKind::Topic);
        orders
            .arguments
            .insert(Name::from("alternate-exchange"), FieldValue::text("strays"));
        for (name, spec) in [
            ("orders", orders),
            ("strays", ExchangeSpec::durable(ExchangeKind::Fanout)),
            ("audit", ExchangeSpec::durable(ExchangeKind::Fanout)),
        ] {
            assert_eq!(router.declare(name.into(), spec), Ok(true));
        }
        let queue = |name: &str| Destination::Queue {
            name: name.into(),
            handle: ["all", "paid", "lost", "by-header"]
                .iter()
                .position(|of| *of == name)
                .unwrap() as u32,
        };
        let mut headers = FieldTable::new();
        headers.insert(Name::from("vip"), FieldValue::Bool(true));
        for (source, destination, key, arguments) in [
            ("orders", queue("paid"), "order.*.paid", FieldTable::new()),
            (
                "orders",
                Destination::Exchange("audit".into()),
                "order.#",
                FieldTable::new(),
            ),
            ("audit", queue("all"), "", FieldTable::new()),
            // A circle, which ends where it began.
            ("audit", Destination::Exchange("orders".into()), "", FieldTable::new()),
            ("strays", queue("lost"), "", FieldTable::new()),
            ("amq.headers", queue("by-header"), "", headers),
        ] {
            router.bind(source, destination, key, arguments).unwrap();
        }
        router
    }

    fn names(steps: &[RouteStep]) -> Vec<&str> {
        steps.iter().map(|step| step.exchange.as_str()).collect()
    }

    #[test]
    fn bindings_that_match_are_named_and_circles_end() {
        let steps = router()
            .explain("orders", &["order.eu.paid"], PropertiesView::new(&[0, 0]), 0)
            .unwrap();
        assert_eq!(names(&steps), ["orders", "audit"]);
        let keys: Vec<_> = steps[0]
            .matches
            .iter()
            .map(|binding| binding.routing_key.as_str())
            .collect();
        assert_eq!(keys, ["order.*.paid", "order.#"]);
        assert_eq!(steps[1].matches.len(), 2);
        assert_eq!(steps[0].alternate, None);
    }

    #[test]
    fn what_nothing_takes_goes_to_the_alternate() {
        let steps = router()
            .explain("orders", &["invoice"], PropertiesView::new(&[0, 0]), 0)
            .unwrap();
        assert_eq!(names(&steps), ["orders", "strays"]);
        assert_eq!(steps[0].alternate.as_deref(), Some("strays"));
        assert!(
            router()
                .explain("nothing", &["k"], PropertiesView::new(&[0, 0]), 0)
                .is_none()
        );
    }

    #[test]
    fn it_agrees_with_the_route() {
        let router = router();
        let mut headers = FieldTable::new();
        headers.insert(Name::from("vip"), FieldValue::Bool(true));
        let properties = Properties {
            headers: Some(headers),
            ..Properties::default()
        };
        let encoded = properties.encode();
        let message = crate::model::Message::new("", "", &encoded, &[]);
        let all = [
            "",
            "orders",
            "strays",
            "audit",
            "amq.headers",
            "amq.direct",
            "amq.topic",
        ];
        for exchange in all {
            for key in ["order.eu.paid", "order.eu", "invoice", "paid", "lost", ""] {
                let mut routed = Vec::new();
                assert!(
                    router
                        .route(exchange, key, message.properties(), 7, &mut routed)
                        .is_some()
                );
                let steps = router.explain(exchange, &[key], message.properties(), 7).unwrap();
                let matches = steps.iter().flat_map(|step| &step.matches);
                let mut queues: Vec<&str> = matches
                    .filter_map(|binding| match &binding.destination {
                        DestinationName::Queue(name) => Some(name.as_str()),
                        DestinationName::Exchange(_) => None,
                    })
                    .collect();
                queues.sort_unstable();
                queues.dedup();
                assert_eq!(queues.len(), routed.len(), "{exchange} {key}: {queues:?}");
            }
        }
    }
}

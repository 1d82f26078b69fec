//! Random declarations, bindings and deletions, against a list of bindings and the rules written down plainly.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::topic::oracle as topic_matches;
use super::*;

const EXCHANGES: [(&str, ExchangeKind); 6] = [
    ("direct", ExchangeKind::Direct),
    ("fanout", ExchangeKind::Fanout),
    ("topic", ExchangeKind::Topic),
    ("headers", ExchangeKind::Headers),
    ("auto topic", ExchangeKind::Topic),
    ("auto fanout", ExchangeKind::Fanout),
];
const QUEUES: [&str; 4] = ["q0", "q1", "a", "a.b"];
const KEYS: [&str; 7] = ["", "a", "a.b", "a.*", "#", "#.b", "q0"];

#[derive(Clone, Debug)]
enum Step {
    Declare(usize, Option<usize>),
    Delete(usize),
    AddQueue(usize),
    RemoveQueue(usize),
    Bind(usize, End, usize, bool),
    Unbind(usize, End, usize, bool),
    Alternate(usize, Option<usize>),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Queue(usize),
    Exchange(usize),
}

impl End {
    fn name(self) -> DestinationName {
        match self {
            Self::Queue(at) => queue_name(QUEUES[at]),
            Self::Exchange(at) => exchange_name(EXCHANGES[at].0),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let exchange = 0..EXCHANGES.len();
    let end = || {
        prop_oneof![
            2 => (0..QUEUES.len()).prop_map(End::Queue),
            1 => (0..EXCHANGES.len()).prop_map(End::Exchange),
        ]
    };
    let alternate = || prop::option::weighted(0.4, 0..EXCHANGES.len());
    prop_oneof![
        4 => (exchange.clone(), alternate()).prop_map(|(x, a)| Step::Declare(x, a)),
        1 => exchange.clone().prop_map(Step::Delete),
        2 => (0..QUEUES.len()).prop_map(Step::AddQueue),
        1 => (0..QUEUES.len()).prop_map(Step::RemoveQueue),
        12 => (exchange.clone(), end(), 0..KEYS.len(), any::<bool>()).prop_map(|(x, e, k, h)| Step::Bind(x, e, k, h)),
        5 => (exchange.clone(), end(), 0..KEYS.len(), any::<bool>()).prop_map(|(x, e, k, h)| Step::Unbind(x, e, k, h)),
        1 => (exchange, alternate()).prop_map(|(x, a)| Step::Alternate(x, a)),
    ]
}

type Row = (String, DestinationName, String, bool);

/// The rules, on lists.
#[derive(Default)]
struct Lists {
    exchanges: Vec<(String, ExchangeKind, Option<String>)>,
    queues: BTreeSet<String>,
    bindings: Vec<Row>,
}

impl Lists {
    fn has(&self, name: &str) -> bool {
        self.exchanges.iter().any(|x| x.0 == name)
    }

    /// Takes rows out, and then the exchanges that auto-delete because of it.
    fn take(&mut self, goes: impl Fn(&Row) -> bool) -> BTreeSet<String> {
        let (gone, kept): (Vec<Row>, Vec<Row>) = std::mem::take(&mut self.bindings).into_iter().partition(goes);
        self.bindings = kept;
        let mut deleted = BTreeSet::new();
        for (source, ..) in gone {
            let unused = !self.bindings.iter().any(|row| row.0 == source);
            if source.starts_with("auto") && unused && self.has(&source) {
                deleted.insert(source.clone());
                deleted.append(&mut self.delete(&source));
            }
        }
        deleted
    }

    fn delete(&mut self, name: &str) -> BTreeSet<String> {
        self.exchanges.retain(|x| x.0 != name);
        self.bindings.retain(|row| row.0 != name);
        self.take(|row| row.1 == exchange_name(name))
    }

    fn route(&self, exchange: &str, key: &str, header: bool) -> Vec<String> {
        let mut found = BTreeSet::new();
        let (mut waiting, mut seen) = (vec![exchange.to_owned()], BTreeSet::from([exchange.to_owned()]));
        while let Some(name) = waiting.pop() {
            if name.is_empty() {
                found.extend(self.queues.get(key).cloned());
                continue;
            }
            let Some((_, kind, alternate)) = self.exchanges.iter().find(|x| x.0 == name) else {
                continue;
            };
            let matched: Vec<&Row> = self
                .bindings
                .iter()
                .filter(|row| row.0 == name)
                .filter(|row| match kind {
                    ExchangeKind::Direct => row.2 == key,
                    ExchangeKind::Topic => topic_matches(&row.2, key),
                    ExchangeKind::Headers => !row.3 || header,
                    _ => true,
                })
                .collect();
            let mut next: Vec<String> = Vec::new();
            for row in &matched {
                match &row.1 {
                    DestinationName::Queue(queue) => {
                        found.insert(queue.to_string());
                    }
                    DestinationName::Exchange(other) => next.push(other.to_string()),
                }
            }
            if matched.is_empty() {
                next.extend(alternate.clone());
            }
            waiting.extend(next.into_iter().filter(|name| seen.insert(name.clone())));
        }
        found.into_iter().collect()
    }
}

fn arguments(header: bool) -> FieldTable {
    if header {
        table(&[("h", FieldValue::I32(1))])
    } else {
        FieldTable::new()
    }
}

fn as_set(names: &[Name]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn apply(step: &Step, router: &mut Router<String>, lists: &mut Lists) {
    let exchange = |at: &usize| EXCHANGES[*at].0;
    match step {
        Step::Declare(at, alternate) => {
            let (name, kind) = EXCHANGES[*at];
            let mut declared = spec(kind, FieldTable::new());
            declared.auto_delete = name.starts_with("auto");
            if let Some(alternate) = alternate {
                declared.arguments = table(&[("alternate-exchange", FieldValue::text(exchange(alternate)))]);
            }
            let new = !lists.has(name);
            assert_eq!(router.declare(name.into(), declared), Ok(new));
            if new {
                let alternate = alternate.as_ref().map(|at| exchange(at).to_owned());
                lists.exchanges.push((name.to_owned(), kind, alternate));
            }
        }
        Step::Delete(at) => {
            let (existed, name) = (lists.has(exchange(at)), exchange(at));
            let mut deleted = lists.delete(name);
            deleted.extend(existed.then(|| name.to_owned()));
            let removed = router.delete(name);
            assert_eq!((removed.existed, as_set(&removed.exchanges)), (existed, deleted));
        }
        Step::AddQueue(at) => {
            router.add_queue(QUEUES[*at].into(), QUEUES[*at].to_owned());
            lists.queues.insert(QUEUES[*at].to_owned());
        }
        Step::RemoveQueue(at) => {
            let existed = lists.queues.remove(QUEUES[*at]);
            let deleted = lists.take(|row| row.1 == queue_name(QUEUES[*at]));
            let removed = router.remove_queue(QUEUES[*at]);
            assert_eq!((removed.existed, as_set(&removed.exchanges)), (existed, deleted));
        }
        Step::Bind(at, end, key, header) => {
            let row = (exchange(at).to_owned(), end.name(), KEYS[*key].to_owned(), *header);
            let destination = match end {
                End::Queue(at) => queue(QUEUES[*at]),
                End::Exchange(at) => Destination::Exchange(exchange(at).into()),
            };
            let bound = router.bind(&row.0, destination, &row.2, arguments(*header));
            match end {
                _ if !lists.has(&row.0) => assert_eq!(bound, Err(BindError::NoSource(row.0.as_str().into()))),
                End::Exchange(at) if !lists.has(exchange(at)) => {
                    assert_eq!(bound, Err(BindError::NoDestination(end.name())));
                }
                _ => {
                    let new = !lists.bindings.contains(&row);
                    assert_eq!(bound, Ok(new));
                    if let End::Queue(at) = end {
                        lists.queues.insert(QUEUES[*at].to_owned());
                    }
                    lists.bindings.extend(new.then_some(row));
                }
            }
        }
        Step::Unbind(at, end, key, header) => {
            let row = (exchange(at).to_owned(), end.name(), KEYS[*key].to_owned(), *header);
            let existed = lists.bindings.contains(&row);
            let deleted = lists.take(|other| *other == row);
            let unbound = router.unbind(&row.0, &row.1, &row.2, arguments(*header));
            assert_eq!((unbound.existed, as_set(&unbound.auto_deleted)), (existed, deleted));
        }
        Step::Alternate(at, alternate) => {
            let alternate = alternate.as_ref().map(exchange);
            router.set_alternate(exchange(at), alternate.map(Name::from));
            if let Some(found) = lists.exchanges.iter_mut().find(|x| x.0 == exchange(at)) {
                found.2 = alternate.map(str::to_owned);
            }
        }
    }
}

fn check(router: &Router<String>, lists: &Lists) {
    assert_eq!(router.binding_count(), lists.bindings.len());
    assert_eq!(router.queue_count(), lists.queues.len());
    for (name, ..) in EXCHANGES.iter().chain(&[("", ExchangeKind::Direct)]) {
        let rows = lists.bindings.iter().filter(|row| row.0 == *name).count();
        match router.get(name) {
            None => assert!(!lists.has(name)),
            Some(exchange) => {
                assert!(name.is_empty() || lists.has(name));
                assert_eq!(exchange.bindings_from(), rows);
                assert_eq!(router.bindings_of_source(name).len(), rows);
                let inbound = lists.bindings.iter().filter(|row| row.1 == exchange_name(name)).count();
                assert_eq!(exchange.bindings_to(), inbound);
                for key in ["", "a", "a.b", "b", "a.c.b", "q0"] {
                    for header in [false, true] {
                        let properties = with_headers(&[("h", FieldValue::I64(i64::from(header)))]);
                        let expected = lists.route(name, key, header);
                        assert_eq!(
                            routed_with(router, name, key, &properties, 0).0,
                            expected,
                            "{name} {key}"
                        );
                    }
                }
            }
        }
    }
    for name in QUEUES {
        let mut expected: Vec<_> = lists
            .bindings
            .iter()
            .filter(|row| row.1 == queue_name(name))
            .map(|row| (row.0.clone(), row.2.clone(), row.3))
            .collect();
        let listed = router.bindings_of_destination(&queue_name(name));
        let mut listed: Vec<_> = listed
            .iter()
            .map(|b| (b.source.to_string(), b.routing_key.to_string(), !b.arguments.is_empty()))
            .collect();
        expected.sort();
        listed.sort();
        assert_eq!(listed, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_router_agrees_with_lists(steps in prop::collection::vec(step(), 1..60)) {
        let (mut router, mut lists) = (Router::new(), Lists::default());
        for step in &steps {
            apply(step, &mut router, &mut lists);
        }
        check(&router, &lists);
    }
}

//! What can be seen of the core against the oracle.

use super::super::super::*;
use super::{Test, number};

impl Test {
    /// Dispatches as long as the core says so, then compares all that can be seen.
    pub fn settle_down(&mut self) {
        let mut rounds = 0;
        while self.core.has_deliverable() {
            self.apply(Command::Dispatch, |oracle, _| oracle.dispatch());
            rounds += 1;
            assert!(rounds < 1000, "dispatching gets nowhere");
        }
        let oracle = &self.oracle;
        assert!(!oracle.holds_back(), "a message is held back");
        assert!(!oracle.head_is_away() || self.load_asked, "nobody reads the head back");
        assert!(oracle.dying.is_empty() || self.load_asked, "nobody reads the dying");
        let away = oracle.ready.iter().filter(|item| item.on_disk);
        assert!(away.map(|item| item.sequence).eq(self.away()));
        let waiting = self.core.waiting().map(|view| match view {
            WaitingView::Here(view) => (view.sequence, view.expires_at, view.redelivered, view.delivery_count),
            WaitingView::OnDisk(view) => (
                view.wanted.sequence,
                view.expires_at,
                view.redelivered,
                view.delivery_count,
            ),
        });
        let items = oracle.ready.iter();
        assert!(waiting.eq(items.map(|item| (item.sequence, item.expires_at, item.redelivered, item.count))));
        assert_eq!(self.core.state(), oracle.state());
        assert_eq!(self.core.next_deadline(), oracle.next_deadline());
        assert_eq!(self.core.next_sequence(), oracle.next_sequence);
        let views = self.core.ready_messages();
        let views = views.map(|v| {
            (
                v.sequence,
                number(v.message),
                v.redelivered,
                v.delivery_count,
                v.expires_at,
                v.kept,
            )
        });
        let items = oracle.ready.iter().filter(|item| !item.on_disk);
        let items = items.map(|i| (i.sequence, i.number, i.redelivered, i.count, i.expires_at, i.kept));
        assert!(views.eq(items), "other messages wait, or in another order");
        assert!(
            oracle
                .ready
                .iter()
                .all(|item| item.expires_at.is_none_or(|at| at > oracle.now))
        );
        for view in self.core.consumers() {
            let member = oracle.members.iter().find(|member| member.key == view.key.0).unwrap();
            assert_eq!(view.unacked, oracle.unacked_of(member.age));
            assert!(member.no_ack || member.prefetch == 0 || view.unacked <= member.prefetch);
            assert_eq!(
                view.active,
                !oracle.options.single_active_consumer || oracle.active == Some(member.age)
            );
        }
        let letters = oracle.letters.iter().map(|(item, ..)| item).chain(&oracle.later);
        let letters = letters.chain(oracle.dying.values().map(|(item, _)| item));
        let held = oracle
            .ready
            .iter()
            .chain(oracle.out.iter().map(|out| &out.item))
            .chain(letters);
        let kept = held.filter(|item| item.kept).map(|item| item.sequence).collect();
        assert_eq!(oracle.stored, kept, "the store holds what is kept");
        let ledger = &oracle.ledger;
        let held = oracle.letters.len() + oracle.later.len() + oracle.dying.len();
        let here = (oracle.ready.len() + oracle.out.len() + held) as u64;
        let gone = ledger.done + ledger.expired + ledger.dropped + ledger.purged + ledger.lost;
        assert_eq!(ledger.accepted, here + gone, "{ledger:?}");
        assert_eq!(oracle.tickets.len() as u64, self.confirms);
        assert!(oracle.tickets.values().all(|answers| *answers == 1));
    }
}

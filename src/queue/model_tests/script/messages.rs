//! Messages that are published, taken and settled.

use std::sync::Arc;

use super::super::super::*;
use super::super::oracle::New;
use super::{Draft, NoSink, Test, handed, in_group};
use crate::model::{ConfirmTicket, Message, Properties};

impl Test {
    pub fn publish(&mut self, drafts: Vec<Draft>) {
        let mut incoming = Vec::new();
        let mut news = Vec::new();
        for draft in drafts {
            let number = self.next_number;
            self.next_number += 1;
            self.confirms += u64::from(draft.confirm);
            let properties = Properties {
                priority: draft.priority,
                headers: Some(in_group(draft.group)),
                expiration: draft.ttl.map(|ttl| ttl.to_string().as_str().into()),
                ..Properties::default()
            };
            let padding = vec![0; draft.size];
            let body = [&number.to_be_bytes()[..], &padding];
            let sink = || ConfirmTicket::new(Arc::new(NoSink), number);
            incoming.push(Incoming {
                message: Message::new("", "q", &properties.encode(), &body),
                persistent: draft.persistent,
                ticket: draft.confirm.then(sink),
            });
            news.push(New {
                number,
                priority: draft.priority,
                ttl: draft.ttl,
                bytes: 8 + draft.size as u64,
                persistent: draft.persistent,
                confirm: draft.confirm,
                group: draft.group,
            });
        }
        self.apply(Command::Enqueue(&mut incoming), |oracle, _| oracle.enqueue(&news));
        assert!(incoming.is_empty());
    }

    pub fn settle(&mut self, outcome: Outcome, which: &[usize]) {
        let out = &self.oracle.out;
        let mut ids: Vec<UnackedId> = Vec::new();
        for which in which.iter().filter(|_| !out.is_empty()) {
            ids.push(out[which % out.len()].id);
        }
        // Some ids come twice: the second must do nothing.
        let mut once = ids.clone();
        once.sort_by_key(|id| id.slot);
        once.dedup();
        let in_window = self.in_window(&once);
        self.apply(Command::Settle(outcome, &ids), |oracle, _| oracle.settle(outcome, &ids));
        self.give_back(in_window);
    }

    /// The broker answers for a letter on its way.
    pub fn letter(&mut self, which: usize, refused: bool) {
        let on_their_way: Vec<Sequence> = self
            .oracle
            .letters
            .iter()
            .filter(|(.., out)| *out)
            .map(|(item, ..)| item.sequence)
            .collect();
        let Some(at) = which.checked_rem(on_their_way.len()) else {
            return;
        };
        let sequences = [on_their_way[at]];
        let command = match refused {
            true => Command::DeadLetterRefused(&sequences),
            false => Command::DeadLettered(&sequences),
        };
        self.apply(command, |oracle, _| oracle.letter_answered(sequences[0], refused));
    }

    pub fn get(&mut self, no_ack: bool) {
        self.apply(Command::Get(no_ack), |oracle, reply| {
            let want = oracle.get(no_ack);
            let Reply::Got(delivery, left) = reply else {
                panic!("{reply:?}");
            };
            assert_eq!(delivery.as_ref().map(handed), want);
            let away = oracle.ready.iter().filter(|item| item.on_disk).count();
            let to_load = if oracle.queue_paused { 0 } else { away };
            assert_eq!(*left, want.map_or(to_load, |_| oracle.ready.len()) as u64);
            if let Some(id) = delivery.as_ref().and_then(|delivery| delivery.unacked) {
                oracle.out.last_mut().unwrap().id = id;
            }
        });
    }

    /// Takes some from anywhere; some come twice, some have gone meanwhile.
    pub fn take(&mut self, which: &[usize]) {
        let waiting = |from| -> Vec<_> { self.core.waiting_from(from).map(|view| view.place).collect() };
        let all = waiting(WaitingPlace::HEAD);
        let Some(last) = all.len().checked_sub(1) else {
            return;
        };
        assert_eq!(waiting(all[last / 2].next()), all[last / 2 + 1..], "from a place on");
        let views = which.iter().map(|which| {
            let view = self.core.waiting_from(all[which % all.len()]).next().unwrap();
            let message = view.message.unwrap_or_else(|| &self.bodies[&view.place.sequence]);
            (view.place, message.clone())
        });
        let wanted: Vec<_> = views.collect();
        let sequences: Vec<_> = wanted.iter().map(|(place, _)| place.sequence).collect();
        self.apply(Command::Take(&wanted), |oracle, reply| {
            let Reply::Taken(taken) = reply else {
                panic!("{reply:?}");
            };
            let ids: Vec<_> = taken.iter().filter_map(|delivery| delivery.unacked).collect();
            assert_eq!(
                taken.iter().map(handed).collect::<Vec<_>>(),
                oracle.take(&sequences, &ids)
            );
        });
    }
}

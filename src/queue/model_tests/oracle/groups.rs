//! Message groups: one consumer a key.

use std::collections::BTreeSet;

use super::{Item, Member, Oracle, Seen};

impl Oracle {
    pub fn grouped(&self) -> bool {
        self.options.message_group.is_some()
    }

    /// Who has a message's key: `None` for a free one, else the holder (none for `basic.get`).
    pub fn holder_of(&self, group: Option<u8>) -> Option<Option<u64>> {
        let group = group.filter(|_| self.grouped())?;
        let mut holders = self.out.iter().filter(|out| out.item.group == Some(group));
        let holder = holders.next()?.holder;
        assert!(holders.all(|out| out.holder == holder), "two have group {group}");
        Some(holder)
    }

    /// The first messages of their groups, by their place, that are free or whose key `age` has.
    pub fn eligible(&self, age: Option<u64>) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let first = |item: &Item| item.group.is_none_or(|group| seen.insert(group));
        let firsts: Vec<bool> = self.ready.iter().map(first).collect();
        (0..self.ready.len())
            .filter(|at| firsts[*at])
            .filter(|at| match self.holder_of(self.ready[*at].group) {
                None => true,
                Some(holder) => age.is_some() && holder == age,
            })
            .collect()
    }

    /// One delivery of a queue with groups; says whether there was one.
    pub fn dispatch_group(&mut self) -> Option<u64> {
        let next = self.tape.last().and_then(|(seen, _)| match seen {
            Seen::Deliver(key, handed) => Some((*key, handed.1)),
            _ => None,
        });
        let at = next.and_then(|(_, sequence)| self.ready.iter().position(|item| item.sequence == sequence));
        let (Some(at), Some((key, _))) = (at, next) else {
            assert!(!self.holds_back(), "a message is held back");
            return None;
        };
        let member = self.members.iter().find(|member| member.key == key).unwrap().clone();
        assert!(self.can_take(&member), "{member:?} cannot take {at}");
        assert_eq!(
            self.eligible(Some(member.age)).first(),
            Some(&at),
            "another message is first"
        );
        if !self.eligible(None).is_empty() {
            assert!(Some(member.priority) >= self.certain(), "others come before {member:?}");
        }
        let item = self.ready.remove(at);
        let bytes = item.bytes;
        self.deliver(&member, item);
        Some(bytes)
    }

    /// Who gets a new message of a queue with groups.
    pub fn choose_for_group(&self, item: &Item) -> Option<Member> {
        let choose = || self.choose(1, item.sequence).or_else(|| self.choose(0, item.sequence));
        if self
            .ready
            .iter()
            .any(|other| other.group.is_some() && other.group == item.group)
        {
            return None;
        }
        let Some(holder) = self.holder_of(item.group) else {
            return if self.eligible(None).is_empty() { choose() } else { None };
        };
        let holder = self.members.iter().find(|member| Some(member.age) == holder)?;
        let next = self.tape.iter().rev().take(2);
        let mut next = next.filter(|(seen, _)| matches!(seen, Seen::Deliver(_, handed) if handed.1 == item.sequence));
        let goes = next.next().is_some();
        if goes {
            assert!(self.can_take(holder), "{holder:?} cannot take its key's next");
        } else {
            assert!(
                !self.can_take(holder) || holder.unsure,
                "{holder:?} could take its key's next"
            );
        }
        goes.then(|| holder.clone())
    }
}

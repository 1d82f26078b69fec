//! Consumers that come, go and are paused.

use super::super::super::*;
use super::super::oracle::Member;
use super::{Test, with};

impl Test {
    pub fn member(&self, which: usize) -> Option<Member> {
        let members = &self.oracle.members;
        members.get(which.checked_rem(members.len())?).cloned()
    }

    pub fn subscribe(&mut self, options: ConsumerOptions) {
        let ConsumerOptions {
            no_ack,
            exclusive,
            prefetch,
            priority,
            ..
        } = options;
        let windowed = options.window.is_some();
        self.apply(Command::Subscribe(options), |oracle, reply| {
            let alone = oracle.members.is_empty() && !oracle.options.single_active_consumer;
            let refused = oracle.members.iter().any(|member| member.exclusive) || (exclusive && !alone);
            let key = match reply {
                Reply::Subscribed(key) if !refused => key.0,
                Reply::SubscribeRefused(SubscribeError::Exclusive) if refused => return,
                reply => panic!("{reply:?}"),
            };
            assert!(oracle.members.iter().all(|member| member.key != key));
            let age = oracle.next_age;
            oracle.next_age += 1;
            oracle.subscribe(Member {
                key,
                age,
                no_ack,
                exclusive,
                prefetch,
                priority,
                windowed,
                paused: false,
                unsure: false,
            });
        });
    }

    pub fn leave(&mut self, which: usize) {
        let Some(Member { key, age, .. }) = self.member(which) else {
            return;
        };
        let had = self.oracle.out.iter().filter(|out| out.holder == Some(age));
        let ids: Vec<UnackedId> = had.map(|out| out.id).collect();
        let in_window = self.in_window(&ids);
        let command = Command::Leave {
            consumers: &[ConsumerKey(key)],
            unacked: &ids,
        };
        self.apply(command, |oracle, _| oracle.leave(&[age], &ids));
        self.give_back(in_window);
    }

    pub fn in_window(&self, ids: &[UnackedId]) -> u32 {
        let out = self.oracle.out.iter();
        out.filter(|out| out.in_window && ids.contains(&out.id)).count() as u32
    }

    pub fn give_back(&mut self, places: u32) {
        if places > 0 {
            self.window.give_back(places);
            self.oracle.window_taken -= places;
            self.window_has_room();
        }
    }

    /// What a channel does when its window may have room: its consumers resume, unless their connection is full.
    pub fn window_has_room(&mut self) {
        let windowed = |member: &&mut Member| member.windowed;
        self.oracle
            .members
            .iter_mut()
            .filter(windowed)
            .for_each(|member| member.unsure = true);
        for member in self.oracle.members.clone() {
            if member.windowed && !member.paused {
                self.resume(&member);
            }
        }
    }

    pub fn resume(&mut self, member: &Member) {
        let age = member.age;
        self.apply(Command::Resume(ConsumerKey(member.key)), |oracle, _| {
            with(oracle, age, |member| (member.paused, member.unsure) = (false, false));
            oracle.dispatch();
        });
    }

    pub fn set_window(&mut self, which: usize, on: bool) {
        let Some(Member { key, age, .. }) = self.member(which) else {
            return;
        };
        let window = on.then(|| self.window.clone());
        self.apply(Command::SetWindow(ConsumerKey(key), window), |oracle, _| {
            with(oracle, age, |m| (m.windowed, m.paused, m.unsure) = (on, false, false));
            oracle.dispatch();
        });
    }
}

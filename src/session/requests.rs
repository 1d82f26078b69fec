//! Methods that are not hot: from the request to the part that does it.

use std::sync::Arc;

use crate::amqp::{Request, Response};
use crate::auth::{Credentials, Identity, LoginRefused};
use crate::model::{AmqpError, Method, ReplyCode};
use crate::queue::Outcome;

use super::basic::Consume;
use super::channel::Confirms;
use super::confirms::ConfirmTracker;
use super::tx::{CommitWaiter, Transaction};
use super::{Next, Session, UPDATE_SECRET, tally};

/// Class and method ids, for errors.
pub(super) fn method(request: &Request) -> Method {
    let (class_id, method_id) = match request {
        Request::UpdateSecret { .. } => return UPDATE_SECRET,
        Request::ChannelFlow => (20, 20),
        Request::ExchangeDeclare { .. } => (40, 10),
        Request::ExchangeDelete { .. } => (40, 20),
        Request::ExchangeBind { .. } => (40, 30),
        Request::ExchangeUnbind { .. } => (40, 40),
        Request::QueueDeclare { .. } => (50, 10),
        Request::QueueBind { .. } => (50, 20),
        Request::QueuePurge { .. } => (50, 30),
        Request::QueueDelete { .. } => (50, 40),
        Request::QueueUnbind { .. } => (50, 50),
        Request::BasicQos { .. } => (60, 10),
        Request::BasicConsume { .. } => (60, 20),
        Request::BasicCancel { .. } => (60, 30),
        Request::BasicRecover { asynchronous: true } => (60, 100),
        Request::BasicRecover { asynchronous: false } => (60, 110),
        Request::ConfirmSelect { .. } => (85, 10),
        Request::TxSelect => (90, 10),
        Request::TxCommit => (90, 20),
        Request::TxRollback => (90, 30),
    };
    Method::new(class_id, method_id)
}

impl Session {
    pub(super) fn request(&mut self, number: u16, request: Request) -> Result<(), AmqpError> {
        match request {
            Request::UpdateSecret { new_secret, .. } => self.update_secret(&new_secret),
            Request::ChannelFlow => {
                self.write(number, Response::ChannelFlowOk { active: true });
                Ok(())
            }
            Request::BasicQos { prefetch_count, global } => self.qos(number, prefetch_count, global),
            Request::BasicConsume {
                queue,
                consumer_tag,
                no_ack,
                exclusive,
                nowait,
                arguments,
                // RabbitMQ takes `no-local` and does nothing about it.
                no_local: _,
            } => self.consume(
                number,
                Consume {
                    queue,
                    tag: consumer_tag,
                    no_ack,
                    exclusive,
                    nowait,
                    arguments,
                },
            ),
            Request::BasicCancel { consumer_tag, nowait } => self.cancel(number, &consumer_tag, nowait),
            Request::BasicRecover { asynchronous } => self.recover(number, asynchronous),
            Request::ConfirmSelect { nowait } => self.select_confirms(number, nowait),
            Request::TxSelect => self.select_transactions(number),
            Request::TxCommit => self.commit(number),
            Request::TxRollback => self.roll_back(number),
            topology => self.topology(number, topology),
        }
    }

    fn update_secret(&mut self, secret: &[u8]) -> Result<(), AmqpError> {
        let Some(identity) = &self.identity else {
            return Err(AmqpError::connection(ReplyCode::NotAllowed, "nobody is logged in"));
        };
        match self.broker.renew_login(identity, secret) {
            Some(renewed) => {
                if renewed.is_err() {
                    // A guess like any other.
                    self.broker.login_failures().note(self.peer.ip(), self.broker.now());
                }
                self.take_renewed(renewed)
            }
            None => {
                self.credentials = Some(Credentials {
                    user: identity.user().clone(),
                    password: secret.to_vec(),
                });
                self.next = Next::LogIn;
                Ok(())
            }
        }
    }

    /// Takes the outcome of the check of a new secret.
    pub(super) fn take_renewed(&mut self, renewed: Result<Identity, LoginRefused>) -> Result<(), AmqpError> {
        let renewed = renewed.map_err(|_| {
            AmqpError::connection(ReplyCode::NotAllowed, "New secret was refused by one of the backends")
        })?;
        self.identity = Some(renewed.clone());
        if let Some(place) = &mut self.place {
            place.access.renew(renewed);
        }
        self.write(0, Response::UpdateSecretOk);
        self.heed_rights();
        Ok(())
    }

    fn select_confirms(&mut self, number: u16, nowait: bool) -> Result<(), AmqpError> {
        let outbox = Arc::clone(&self.outbox);
        let latency = Arc::clone(self.broker.confirm_latency());
        let of_vhost = Arc::clone(self.place()?.vhost.traffic());
        let channel = self.channel_mut(number)?;
        if channel.transaction.is_some() {
            return Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                "cannot switch from tx to confirm mode",
            ));
        }
        let counted = [Arc::clone(&channel.deliveries.counters), of_vhost];
        channel.confirms.get_or_insert_with(|| Confirms {
            tracker: ConfirmTracker::new(number, outbox, latency, counted),
            last: 0,
            reached: Vec::new(),
        });
        self.reply(number, nowait, Response::ConfirmSelectOk);
        Ok(())
    }

    fn select_transactions(&mut self, number: u16) -> Result<(), AmqpError> {
        let channel = self.channel_mut(number)?;
        if channel.confirms.is_some() {
            return Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                "cannot switch from confirm to tx mode",
            ));
        }
        channel.transaction.get_or_insert_default();
        self.write(number, Response::TxSelectOk);
        Ok(())
    }

    fn commit(&mut self, number: u16) -> Result<(), AmqpError> {
        let transaction = self.take_transaction(number)?;
        let waiter = CommitWaiter::new(number, Arc::clone(&self.outbox));
        self.publish_pending(number, transaction.publishes, &|| waiter.ticket());
        if let Some(channel) = self.channels.get_mut(number) {
            let acks = transaction.settlements.iter();
            let acks = acks.filter(|(_, outcome)| *outcome == Outcome::Ack).count();
            tally::acked(&mut channel.tally, number, acks, &mut self.tallied);
            for (unacked, outcome) in transaction.settlements {
                channel.settle(&[unacked], outcome, &mut self.settles);
            }
        }
        self.touched.push(number);
        self.flush();
        waiter.done();
        Ok(())
    }

    fn roll_back(&mut self, number: u16) -> Result<(), AmqpError> {
        let transaction = self.take_transaction(number)?;
        let settled = transaction.settlements.into_iter().map(|(unacked, _)| unacked);
        self.channel_mut(number)?.deliveries.unacked.lock().put_back(settled);
        self.write(number, Response::TxRollbackOk);
        Ok(())
    }

    /// The open transaction; a new, empty one begins in its place.
    fn take_transaction(&mut self, number: u16) -> Result<Transaction, AmqpError> {
        match &mut self.channel_mut(number)?.transaction {
            Some(transaction) => Ok(std::mem::take(transaction)),
            None => Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                "channel is not transactional",
            )),
        }
    }
}

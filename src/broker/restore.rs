//! From the store to a running broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dashmap::DashMap;
use serde::de::DeserializeOwned;

use crate::auth::Accounts;
use crate::model::{Clock, FieldTable, Millis, Name};
use crate::queue::Restored;
use crate::routing::{Binding, DestinationName, ExchangeKind, ExchangeSpec};
use crate::store::{MessageStore, QueueId, StateStore, StoreError, StoredMessage, Table};

use super::arguments::{queue_options, resource};
use super::bindings::{destination, place_binding};
use super::definitions::{BindingRecord, ExchangeRecord, QueueRecord, VhostRecord, key, put, unpack};
use super::exchange_side::SideIds;
use super::queue_cell::{Aftermath, QueueCell, QueueDeclaration};
use super::queues::place_queue;
use super::{Broker, BrokerLimits, Vhost};

/// What a broker is made of.
pub struct BrokerParts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Users; none yet.
    pub accounts: Accounts,
    /// Definitions.
    pub state: Arc<dyn StateStore>,
    /// Messages; not recovered yet.
    pub messages: MessageStore,
    /// Limits.
    pub limits: BrokerLimits,
    /// Memory that waiting messages may take before bodies are left on disk, in bytes.
    pub memory_budget_bytes: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restoration {
    /// Queues.
    pub queues: usize,
    /// Messages in them.
    pub messages: usize,
}

/// Why a broker cannot start from what is stored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is not what it should be.
    #[error("the stored {kind} '{key}' cannot be used: {reason}")]
    Record {
        /// Of what.
        kind: &'static str,
        /// Its key, made readable.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Broker {
    /// Starts a broker from what its store holds. The vhost `/` is made where it is missing.
    pub fn restore(parts: BrokerParts) -> Result<(Arc<Self>, Restoration), RestoreError> {
        let mut broker = Self {
            clock: parts.clock,
            accounts: Arc::new(parts.accounts),
            tokens: parking_lot::RwLock::default(),
            state: parts.state,
            messages: parts.messages,
            limits: parts.limits.into(),
            alarms: Arc::default(),
            vhosts: DashMap::new(),
            timers: Arc::default(),
            paging: Arc::default(),
            replies: super::direct_reply::DirectReplies::default(),
            connections: super::connections::Registry::default(),
            global_parameters: super::global_parameters::GlobalParameters::default(),
            statistics: super::statistics::BrokerStatistics::default(),
            connection_counts: super::ConnectionCounts::default(),
            user_writes: parking_lot::Mutex::default(),
            login_attempts: super::LoginAttempts::default(),
            login_failures: super::LoginFailures::default(),
            login_turns: super::login_turns::LoginTurns::default(),
            confirm_latency: Arc::default(),
            alerts: super::dead_letter_queues::Alerts::default(),
            alert_watch: Arc::default(),
            replays: super::dead_letter_queues::Replays::default(),
            user_quotas: dashmap::DashMap::new(),
            quota_changes: AtomicU64::new(0),
            observers: std::sync::OnceLock::new(),
            ending: std::sync::atomic::AtomicBool::new(false),
            next_queue: AtomicU64::new(1),
            next_connection: AtomicU64::new(1),
        };
        broker.set_memory_budget(parts.memory_budget_bytes);
        let alarms = Arc::clone(&broker.alarms);
        broker
            .messages
            .on_backlog(Box::new(move |backlog| alarms.set_backlog(backlog)));
        broker.restore_vhosts()?;
        broker.restore_accounts()?;
        broker.restore_policies()?;
        broker.restore_vhost_limits()?;
        broker.restore_global_parameters()?;
        broker.reserve_known_ids()?;
        broker.restore_exchanges()?;
        broker.restore_queues()?;
        broker.restore_bindings()?;
        let restoration = broker.restore_messages()?;
        broker.watch_alerts();
        Ok((Arc::new(broker), restoration))
    }

    fn restore_vhosts(&self) -> Result<(), RestoreError> {
        for (_, record) in self.records::<VhostRecord>(Table::Vhosts, "vhost", |record| key(&[&record.name]))? {
            self.place_vhost(&record.name, &record.description);
        }
        if self.vhost("/").is_none() {
            let record = VhostRecord {
                name: "/".to_owned(),
                description: "Default virtual host".to_owned(),
            };
            self.state.commit(&[put(Table::Vhosts, key(&["/"]), &record)])?;
            self.place_vhost(&record.name, &record.description);
        }
        Ok(())
    }

    fn place_vhost(&self, name: &str, description: &str) {
        let name = Name::from(name);
        let vhost = Vhost::new(name.clone(), description.to_owned());
        self.vhosts.insert(name, Arc::new(vhost));
    }

    fn restore_exchanges(&self) -> Result<(), RestoreError> {
        for (key, record) in self.exchange_records()? {
            let faulty = |reason: String| RestoreError::Record {
                kind: "exchange",
                key: key.clone(),
                reason,
            };
            let vhost = self.known_vhost(&record.vhost).map_err(&faulty)?;
            let kind = ExchangeKind::parse(&record.kind).ok_or_else(|| faulty(format!("type '{}'", record.kind)))?;
            let spec = ExchangeSpec {
                kind,
                durable: true,
                auto_delete: record.auto_delete,
                internal: record.internal,
                arguments: unpack(&record.arguments).map_err(&faulty)?,
            };
            let ids = SideIds {
                room: record.room.map(QueueId),
                seen: record.seen.map(QueueId),
            };
            self.place_exchange(&vhost, record.name.into(), spec, ids)
                .map_err(|error| faulty(error.text))?;
        }
        Ok(())
    }

    fn restore_queues(&self) -> Result<(), RestoreError> {
        for (key, record) in self.queue_records()? {
            let faulty = |reason: String| RestoreError::Record {
                kind: "queue",
                key: key.clone(),
                reason,
            };
            let vhost = self.known_vhost(&record.vhost).map_err(&faulty)?;
            let arguments: FieldTable = unpack(&record.arguments).map_err(&faulty)?;
            let declaration = QueueDeclaration {
                durable: true,
                owner: None,
                auto_delete: record.auto_delete,
                arguments,
            };
            let resource = resource("queue", &record.name, &record.vhost);
            let changed: FieldTable = match &record.changed {
                Some(changed) => unpack(changed).map_err(&faulty)?,
                None => FieldTable::new(),
            };
            let current = declaration.changed_by(&changed);
            let options = queue_options(&current, &resource).map_err(|error| faulty(error.text))?;
            let queue = self.new_queue(&vhost, record.name.into(), QueueId(record.id), declaration, options);
            self.equip_queue(&queue, record.seen.map(QueueId))
                .map_err(|error| faulty(error.text))?;
            queue.restore_changes(record.paused, changed, self.now());
            place_queue(&vhost, &queue);
        }
        Ok(())
    }

    /// Makes sure that ids in use are not given out again, to exchanges that are restored either.
    fn reserve_known_ids(&mut self) -> Result<(), RestoreError> {
        let exchanges = self
            .exchange_records()?
            .into_iter()
            .map(|(_, record)| [record.room, record.seen]);
        let queues = self
            .queue_records()?
            .into_iter()
            .map(|(_, record)| [Some(record.id), record.seen]);
        let highest = exchanges.chain(queues).flatten().flatten().max();
        let next = self.next_queue.get_mut();
        *next = (*next).max(highest.map_or(1, |id| id.saturating_add(1)));
        Ok(())
    }

    fn restore_bindings(&self) -> Result<(), RestoreError> {
        for (key, record) in self.records::<BindingRecord>(Table::Bindings, "binding", BindingRecord::key)? {
            let faulty = |reason: String| RestoreError::Record {
                kind: "binding",
                key: key.clone(),
                reason,
            };
            let vhost = self.known_vhost(&record.vhost).map_err(&faulty)?;
            let name = Name::from(record.destination);
            let binding = Binding {
                source: record.source.into(),
                destination: match record.to_exchange {
                    true => DestinationName::Exchange(name),
                    false => DestinationName::Queue(name),
                },
                routing_key: record.routing_key.into(),
                arguments: unpack(&record.arguments).map_err(&faulty)?,
            };
            destination(&vhost, &binding.destination, 0)
                .and_then(|to| place_binding(&vhost, &binding, to))
                .map_err(|error| faulty(error.text))?;
        }
        Ok(())
    }

    /// Puts messages back into their queues, batch by batch: what does not fit into memory is let go of at once. Those
    /// of queues that are gone (a crash came between the deletion of the definition and that of the messages) are
    /// forgotten, and so are queue ids that any of them has had. Queues and exchanges that keep the values they have
    /// seen get theirs at the end, as they need them in an order of their own: these are all in memory until then.
    fn restore_messages(&mut self) -> Result<Restoration, RestoreError> {
        let mut restorer = Restorer::new(self);
        let recovered = self.messages.recover(&mut |stored| restorer.take(stored))?;
        restorer.hand_over();
        let above = recovered.highest_queue.map_or(1, |id| id.0 + 1);
        self.next_queue.fetch_max(above, std::sync::atomic::Ordering::Relaxed);
        let Restorer {
            now,
            held,
            orphans,
            mut restoration,
            mut aftermath,
            ..
        } = restorer;
        let mut held: BTreeMap<QueueId, Vec<StoredMessage>> =
            held.into_iter().filter(|(_, stored)| !stored.is_empty()).collect();
        let mut queues = Vec::new();
        for vhost in self.vhosts() {
            for queue in vhost.queues() {
                restoration.queues += 1;
                if let Some(seen) = queue.seen_id().and_then(|id| held.remove(&id)) {
                    queue.with_deduplication(|known| known.table().map(|table| table.restore(seen)));
                }
                let Some(stored) = held.remove(&queue.id) else {
                    continue;
                };
                restoration.messages += stored.len();
                Self::rediscover(&vhost, &stored, now);
                queue.restore(stored.into_iter().map(restored).collect(), now, &mut aftermath);
            }
        }
        for vhost in self.vhosts() {
            restoration.messages += self.restore_sides(&vhost, &mut held, &mut aftermath);
            queues.extend(vhost.queues());
            queues.extend(Self::waiting_rooms(&vhost));
        }
        for orphan in held.into_keys().chain(orphans) {
            self.messages.remove_queue(orphan);
        }
        self.settle_aftermath(&mut aftermath);
        // What has expired goes now, queue by queue, and from where it is on disk as it is read.
        for queue in queues {
            queue.tick(now, &mut aftermath);
            self.settle_aftermath(&mut aftermath);
        }
        Ok(restoration)
    }

    fn known_vhost(&self, name: &str) -> Result<Arc<Vhost>, String> {
        self.vhost(name).ok_or_else(|| format!("vhost '{name}' does not exist"))
    }

    fn exchange_records(&self) -> Result<Vec<(String, ExchangeRecord)>, RestoreError> {
        self.records(Table::Exchanges, "exchange", |record: &ExchangeRecord| {
            key(&[&record.vhost, &record.name])
        })
    }

    fn queue_records(&self) -> Result<Vec<(String, QueueRecord)>, RestoreError> {
        self.records(Table::Queues, "queue", |record: &QueueRecord| {
            key(&[&record.vhost, &record.name])
        })
    }

    /// All records of a table. Each has to lie where `key_of` says, or a change of it would leave another beside it.
    pub(super) fn records<T: DeserializeOwned>(
        &self,
        table: Table,
        kind: &'static str,
        key_of: impl Fn(&T) -> Vec<u8>,
    ) -> Result<Vec<(String, T)>, RestoreError> {
        let pairs = self.state.scan(table)?;
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let record: Result<T, _> = serde_json::from_slice(&value);
            let reason = match record {
                Ok(record) if key_of(&record) == key => return Ok((readable(&key), record)),
                Ok(_) => "it is the record of something else".to_owned(),
                Err(error) => error.to_string(),
            };
            let key = readable(&key);
            Err(RestoreError::Record { kind, key, reason })
        };
        pairs.into_iter().map(read).collect()
    }

    /// Makes a vhost that does not exist yet.
    pub fn declare_vhost(&self, name: &str, description: &str) -> Result<(), crate::model::AmqpError> {
        if self.vhost(name).is_some() {
            return Ok(());
        }
        let record = VhostRecord {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        self.store(&[put(Table::Vhosts, key(&[name]), &record)])?;
        self.place_vhost(name, description);
        self.tell_vhost("vhost.created", name, Some(description));
        Ok(())
    }
}

/// A key of the store as it can be shown.
fn readable(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace('\0', " ").trim().to_owned()
}

/// So many messages are handed to a queue at a time.
const BATCH: usize = 1024;

/// Hands stored messages, which come queue by queue, to their queues.
struct Restorer {
    now: Millis,
    queues: BTreeMap<QueueId, (Arc<Vhost>, Arc<QueueCell>)>,
    /// Whose messages are in the batch.
    queue: QueueId,
    batch: Vec<StoredMessage>,
    /// What is collected for the end.
    held: BTreeMap<QueueId, Vec<StoredMessage>>,
    /// Queues that are not there.
    orphans: BTreeSet<QueueId>,
    restoration: Restoration,
    aftermath: Aftermath,
}

impl Restorer {
    fn new(broker: &Broker) -> Self {
        let mut queues = BTreeMap::new();
        let mut held = BTreeMap::new();
        for vhost in broker.vhosts() {
            for queue in vhost.queues().into_iter().chain(Broker::waiting_rooms(&vhost)) {
                queues.insert(queue.id, (Arc::clone(&vhost), queue));
            }
            for id in Broker::side_ids(&vhost) {
                queues.remove(&id);
                held.insert(id, Vec::new());
            }
            for queue in vhost.queues() {
                if let Some(seen) = queue.seen_id() {
                    queues.remove(&queue.id);
                    held.extend([queue.id, seen].map(|id| (id, Vec::new())));
                }
            }
        }
        Self {
            now: broker.now(),
            queues,
            queue: QueueId(0),
            batch: Vec::new(),
            held,
            orphans: BTreeSet::new(),
            restoration: Restoration::default(),
            aftermath: Aftermath::default(),
        }
    }

    fn take(&mut self, stored: StoredMessage) {
        if let Some(held) = self.held.get_mut(&stored.queue) {
            held.push(stored);
            return;
        }
        if stored.queue != self.queue || self.batch.len() == BATCH {
            self.hand_over();
            self.queue = stored.queue;
        }
        self.batch.push(stored);
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        let Some((vhost, queue)) = self.queues.get(&self.queue) else {
            self.orphans.insert(self.queue);
            return;
        };
        self.restoration.messages += batch.len();
        Broker::rediscover(vhost, &batch, self.now);
        let batch = batch.into_iter().map(restored).collect();
        queue.restore(batch, self.now, &mut self.aftermath);
    }
}

/// What was kept may have been with a consumer when the process ended: it counts as redelivered.
pub(super) fn restored(stored: StoredMessage) -> Restored {
    Restored {
        sequence: stored.sequence,
        message: stored.message,
        expires_at: stored.expires_at,
        redelivered: true,
        delivery_count: 0,
    }
}

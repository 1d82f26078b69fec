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
            state: parts.state,
            messages: parts.messages,
            limits: parts.limits.into(),
            alarms: super::Alarms::default(),
            vhosts: DashMap::new(),
            timers: Arc::default(),
            paging: Arc::default(),
            replies: super::direct_reply::DirectReplies::default(),
            next_queue: AtomicU64::new(1),
            next_connection: AtomicU64::new(1),
        };
        broker.set_memory_budget(parts.memory_budget_bytes);
        broker.restore_vhosts()?;
        broker.restore_accounts()?;
        broker.restore_exchanges()?;
        broker.restore_queues()?;
        broker.restore_bindings()?;
        let restoration = broker.restore_messages()?;
        Ok((Arc::new(broker), restoration))
    }

    fn restore_vhosts(&self) -> Result<(), RestoreError> {
        for (_, record) in self.records::<VhostRecord>(Table::Vhosts, "vhost")? {
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
        for (key, record) in self.records::<ExchangeRecord>(Table::Exchanges, "exchange")? {
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
            self.place_exchange(&vhost, record.name.into(), spec)
                .map_err(|error| faulty(error.text))?;
        }
        Ok(())
    }

    fn restore_queues(&self) -> Result<(), RestoreError> {
        for (key, record) in self.records::<QueueRecord>(Table::Queues, "queue")? {
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
            let options = queue_options(&declaration, &resource).map_err(|error| faulty(error.text))?;
            let next = self.next_queue.load(std::sync::atomic::Ordering::Relaxed);
            self.next_queue
                .store(next.max(record.id + 1), std::sync::atomic::Ordering::Relaxed);
            let queue = self.new_queue(&vhost, record.name.into(), QueueId(record.id), declaration, options);
            place_queue(&vhost, &queue);
        }
        Ok(())
    }

    fn restore_bindings(&self) -> Result<(), RestoreError> {
        for (key, record) in self.records::<BindingRecord>(Table::Bindings, "binding")? {
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
    /// forgotten, and so are queue ids that any of them has had.
    fn restore_messages(&mut self) -> Result<Restoration, RestoreError> {
        let queues: BTreeMap<QueueId, Arc<QueueCell>> = self
            .vhosts()
            .into_iter()
            .flat_map(|vhost| vhost.queues())
            .map(|queue| (queue.id, queue))
            .collect();
        let mut restorer = Restorer {
            now: self.now(),
            restoration: Restoration {
                queues: queues.len(),
                messages: 0,
            },
            queues,
            queue: QueueId(0),
            batch: Vec::new(),
            orphans: BTreeSet::new(),
            aftermath: Aftermath::default(),
        };
        let recovered = self.messages.recover(&mut |stored| restorer.take(stored))?;
        restorer.hand_over();
        let above = recovered.highest_queue.map_or(1, |id| id.0 + 1);
        self.next_queue.fetch_max(above, std::sync::atomic::Ordering::Relaxed);
        for orphan in restorer.orphans {
            self.messages.remove_queue(orphan);
        }
        self.settle_aftermath(&mut restorer.aftermath);
        Ok(restorer.restoration)
    }

    fn known_vhost(&self, name: &str) -> Result<Arc<Vhost>, String> {
        self.vhost(name).ok_or_else(|| format!("vhost '{name}' does not exist"))
    }

    pub(super) fn records<T: DeserializeOwned>(
        &self,
        table: Table,
        kind: &'static str,
    ) -> Result<Vec<(String, T)>, RestoreError> {
        let pairs = self.state.scan(table)?;
        pairs
            .into_iter()
            .map(|(key, value)| {
                let key = String::from_utf8_lossy(&key).replace('\0', " ").trim().to_owned();
                match serde_json::from_slice(&value) {
                    Ok(record) => Ok((key, record)),
                    Err(error) => Err(RestoreError::Record {
                        kind,
                        key,
                        reason: error.to_string(),
                    }),
                }
            })
            .collect()
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
        Ok(())
    }
}

/// So many messages are handed to a queue at a time.
const BATCH: usize = 1024;

/// Hands stored messages, which come queue by queue, to their queues.
struct Restorer {
    now: Millis,
    queues: BTreeMap<QueueId, Arc<QueueCell>>,
    /// Whose messages are in the batch.
    queue: QueueId,
    batch: Vec<Restored>,
    /// Queues that are not there.
    orphans: BTreeSet<QueueId>,
    restoration: Restoration,
    aftermath: Aftermath,
}

impl Restorer {
    fn take(&mut self, stored: StoredMessage) {
        if stored.queue != self.queue || self.batch.len() == BATCH {
            self.hand_over();
            self.queue = stored.queue;
        }
        self.batch.push(restored(stored));
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        match self.queues.get(&self.queue) {
            Some(queue) => {
                self.restoration.messages += batch.len();
                queue.restore(batch, self.now, &mut self.aftermath);
            }
            None => _ = self.orphans.insert(self.queue),
        }
    }
}

/// What was kept may have been with a consumer when the process ended: it counts as redelivered.
fn restored(stored: StoredMessage) -> Restored {
    Restored {
        sequence: stored.sequence,
        message: stored.message,
        expires_at: stored.expires_at,
        redelivered: true,
        delivery_count: 0,
    }
}

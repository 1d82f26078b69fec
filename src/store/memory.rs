//! Messages that are gone with the process: for tests of what is above.

use std::collections::BTreeMap;

use crate::model::{Message, Millis};

use super::engine::{Engine, MessageSink, QueueBatch, Recovered, SyncJob, Usage, Written};
use super::{QueueId, StoreError, StoredMessage};

#[derive(Debug, Default)]
pub(super) struct MemoryEngine {
    messages: BTreeMap<(QueueId, u64), (Message, Option<Millis>)>,
    bytes: u64,
}

impl MemoryEngine {
    fn remove(&mut self, queue: QueueId, sequence: u64) {
        if let Some((message, _)) = self.messages.remove(&(queue, sequence)) {
            self.bytes -= message.size() as u64;
        }
    }
}

impl Engine for MemoryEngine {
    fn recover(&mut self, _sink: MessageSink<'_>) -> Result<Recovered, StoreError> {
        Ok(Recovered::default())
    }

    fn write(&mut self, batches: &[QueueBatch]) -> Result<Written, StoreError> {
        let mut kept = 0;
        for batch in batches {
            let queue = batch.queue;
            for keep in &batch.keeps {
                kept += 1;
                self.bytes += keep.message.size() as u64;
                let value = (keep.message.clone(), keep.expires_at);
                self.messages.insert((queue, keep.sequence), value);
            }
            for sequence in &batch.forgets {
                self.remove(queue, *sequence);
            }
            if batch.removed {
                let range = (queue, 0)..=(queue, u64::MAX);
                let all: Vec<u64> = self.messages.range(range).map(|((_, sequence), _)| *sequence).collect();
                all.into_iter().for_each(|sequence| self.remove(queue, sequence));
            }
        }
        Ok(Written { kept, settled: true })
    }

    fn sync_job(&mut self) -> SyncJob {
        Box::new(|| Ok(()))
    }

    fn synced(&mut self) {}

    fn maintain(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn load(
        &mut self,
        queue: QueueId,
        from: u64,
        max_messages: usize,
        max_bytes: u64,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let mut loaded = Vec::new();
        let mut bytes = 0;
        for ((_, sequence), (message, expires_at)) in self.messages.range((queue, from)..=(queue, u64::MAX)) {
            if loaded.len() >= max_messages || bytes >= max_bytes {
                break;
            }
            bytes += message.size() as u64;
            loaded.push(StoredMessage {
                queue,
                sequence: *sequence,
                message: message.clone(),
                expires_at: *expires_at,
            });
        }
        Ok(loaded)
    }

    fn usage(&self) -> Usage {
        Usage {
            live_messages: self.messages.len() as u64,
            live_bytes: self.bytes,
            disk_bytes: 0,
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

//! `/api/consumers`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::broker::{ConsumerInfo, QueueCell};
use crate::model::Name;

use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list};
use super::{Api, blocking};

/// A consumer.
#[derive(Serialize)]
pub struct ConsumerView {
    consumer_tag: Name,
    queue: QueueName,
    channel_details: Value,
    ack_required: bool,
    exclusive: bool,
    prefetch_count: u32,
    active: bool,
    activity_status: &'static str,
    arguments: Value,
    messages_unacknowledged: u32,
}

#[derive(Serialize)]
struct QueueName {
    name: Name,
    vhost: Name,
}

impl ConsumerView {
    pub(super) fn new(api: &Api, queue: &QueueCell, consumer: ConsumerInfo) -> Self {
        let single = queue.declaration.arguments.get("x-single-active-consumer").is_some();
        Self {
            queue: QueueName {
                name: queue.name.clone(),
                vhost: queue.vhost.clone(),
            },
            channel_details: channel_details(api, consumer.place),
            ack_required: consumer.ack_required,
            exclusive: consumer.exclusive,
            prefetch_count: consumer.prefetch,
            active: consumer.active,
            activity_status: match (consumer.active, single) {
                (false, _) => "waiting",
                (true, true) => "single_active",
                (true, false) => "up",
            },
            arguments: match consumer.priority {
                0 => json!({}),
                priority => json!({ "x-priority": priority }),
            },
            messages_unacknowledged: consumer.unacked,
            consumer_tag: consumer.tag,
        }
    }
}

fn channel_details(api: &Api, place: Option<(u64, u16)>) -> Value {
    let found = place.and_then(|(id, number)| Some((api.broker.connection(id)?, number)));
    let Some((connection, number)) = found else {
        return json!({});
    };
    json!({
        "connection_name": connection.name,
        "name": connection.channel_name(number),
        "node": api.settings.node_name,
        "number": number,
        "peer_host": connection.peer.ip().to_string(),
        "peer_port": connection.peer.port(),
        "user": &*connection.user,
    })
}

struct Entry {
    queue: Arc<QueueCell>,
    consumer: ConsumerInfo,
}

impl Listed for Entry {
    fn name(&self) -> &str {
        &self.consumer.tag
    }

    fn vhost(&self) -> &str {
        &self.queue.vhost
    }
}

/// All consumers, of one vhost or of all that the caller sees.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
        let mut consumers = Vec::new();
        for queue in vhosts.iter().flat_map(|vhost| vhost.queues()) {
            consumers.extend(queue.consumers().into_iter().map(|consumer| Entry {
                queue: Arc::clone(&queue),
                consumer,
            }));
        }
        list(&query, consumers, |entry| {
            ConsumerView::new(&api, &entry.queue, entry.consumer.clone())
        })
    })
    .await
}

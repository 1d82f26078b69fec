//! What Prometheus scrapes, under RabbitMQ's names where it has one and under `warren_` where it has none.
//!
//! - `/metrics`: sums over the whole broker.
//! - `/metrics/per-object`: the same, with the families of queues split by queue.
//! - `/metrics/detailed?family=F&vhost=V`: chosen families, by object, under `rabbitmq_detailed_`.
//!
//! `docs/operating.md` lists what each panel of RabbitMQ's dashboard finds here.

mod certificate;
mod detailed;
mod messages;
mod observers;
mod process;
mod store;
mod text;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::error::ApiError;
use super::{Api, blocking};

use text::Text;

pub(super) use text::escaped;

/// Sums over the whole broker.
pub async fn aggregated(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    blocking(move || {
        let mut text = Text::default();
        whole(&mut text, &api, "aggregated");
        messages::depths(&mut text, &api);
        Ok(text.answer())
    })
    .await
}

/// The same, with the families of queues split by queue.
pub async fn per_object(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    blocking(move || {
        let mut text = Text::default();
        whole(&mut text, &api, "per-object");
        detailed::queues(
            &mut text,
            &detailed::rows(&api.broker, &[]),
            "rabbitmq_",
            detailed::ALL_OF_QUEUES,
        );
        Ok(text.answer())
    })
    .await
}

/// The families that the query names.
pub async fn by_family(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let wanted = detailed::Wanted::parse(query.as_deref().unwrap_or_default())?;
    blocking(move || {
        let mut text = Text::default();
        process::identity(&mut text, &api, "detailed");
        detailed::write(&mut text, &api, &wanted);
        Ok(text.answer())
    })
    .await
}

/// Everything that is not of single queues.
fn whole(text: &mut Text, api: &Api, endpoint: &str) {
    process::identity(text, api, endpoint);
    process::resources(text, api);
    process::connections(text, api);
    messages::counters(text, api);
    store::write(text, api);
    observers::write(text, api);
    certificate::write(text, api);
    super::dead_letters::metrics(&mut text.0, &api.broker);
}

//! HTTP: health and metrics.

mod health;
mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::broker::Broker;

/// Starts serving; gives the real address, or `None` where HTTP is off.
///
/// # Errors
/// The address cannot be listened on; the text names it.
pub async fn start(address: Option<SocketAddr>, broker: Arc<Broker>) -> Result<Option<SocketAddr>, String> {
    let Some(address) = address else {
        return Ok(None);
    };
    let refused = |error| format!("cannot listen on {address} (listeners.http): {error}");
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let real = listener.local_addr().map_err(refused)?;
    let routes = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .with_state(broker);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "HTTP ended");
        }
    });
    Ok(Some(real))
}

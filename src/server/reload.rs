//! SIGHUP: takes what a running broker can take, and says what waits for a restart.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use crate::config::Config;

use super::launch::Running;
use super::{ServeArguments, resources, settings, topology};

/// Reads the configuration anew and applies it; a faulty one changes nothing.
pub fn reload(config: &mut Config, running: &Running, arguments: &ServeArguments) {
    let new = match arguments.read() {
        Ok(new) => new,
        Err(report) => {
            for fault in &report.faults {
                tracing::error!(%fault, "the configuration was not reloaded");
            }
            return;
        }
    };
    if let Err(error) = topology::apply(&running.broker, &new) {
        tracing::error!(%error, "the configuration was not reloaded");
        return;
    }
    let changes = config.changes(&new);
    for change in &changes.needs_restart {
        tracing::warn!(key = %change.key, old = %change.old, new = %change.new, "takes effect after a restart");
    }
    for change in &changes.reloadable {
        tracing::info!(key = %change.key, old = %change.old, new = %change.new, "reloaded");
    }
    let tls = reload_tls(&new, running);
    running
        .connections
        .reload(settings::connections(&new, tls, running.name_seed));
    running.broker.set_limits(settings::broker(&new));
    running.broker.alarms().set_limits(resources::limits(&new));
    running.broker.set_history_max_bytes(settings::history_max_bytes(&new));
    running.broker.set_memory_budget(resources::budget(&new));
    running.broker.messages().set_sync(settings::sync(&new));
    running.levels.set(&new.log);
    tracing::info!("configuration reloaded");
    *config = new;
}

/// Reads the files of TLS again, whether or not the configuration changed: certificates are renewed in place. Where
/// that fails, the old ones stay.
fn reload_tls(config: &Config, running: &Running) -> Option<Arc<ServerConfig>> {
    let mut standing = running.tls.lock();
    match settings::tls(config) {
        Ok(Some(tls)) => {
            tracing::info!("certificates reloaded");
            *standing = Some(tls);
        }
        // Listeners stay until a restart, and so do their certificates.
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the certificates were not reloaded; the old ones stay"),
    }
    standing.clone()
}

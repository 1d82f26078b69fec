//! SIGHUP: takes what a running broker can take, and says what waits for a restart.

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
    running.connections.reload(
        settings::sessions(&new, running.name_seed),
        settings::handshake_timeout(&new),
        new.limits.connections_max as usize,
    );
    running.broker.set_limits(settings::broker(&new));
    running.broker.alarms().set_limits(resources::limits(&new));
    running.broker.set_memory_budget(resources::budget(&new));
    running.broker.messages().set_sync(settings::sync(&new));
    running.levels.set(&new.log);
    tracing::info!("configuration reloaded");
    *config = new;
}

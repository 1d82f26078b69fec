//! What a service manager is told, and the sockets that it hands over.

use std::net::TcpListener;
use std::time::Duration;

use sd_notify::NotifyState;

/// The listening TCP sockets that systemd hands over (`LISTEN_FDS`).
pub fn sockets() -> Vec<TcpListener> {
    let mut handed = listenfd::ListenFd::from_env();
    (0..handed.len())
        .filter_map(|index| match handed.take_tcp_listener(index) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(index, %error, "a socket from systemd is no listening TCP socket");
                None
            }
        })
        .collect()
}

/// Tells systemd a state; without systemd nothing happens.
pub fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

/// Half the interval in which systemd wants a sign of life, if it wants one.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|interval| interval / 2)
}

//! Whether the broker lives, for orchestrators.

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The listeners are open: this is answered only since then.
pub(super) async fn ready() -> &'static str {
    "ok\n"
}

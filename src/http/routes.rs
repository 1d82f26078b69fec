//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};

use super::error::ApiError;
use super::{
    Api, absent, actor, bindings, channels, connections, consumers, dead_letters, definitions, exchanges, health,
    limits, messages, metrics, nodes, operations, overview, parameters, permissions, policies, queues, users, vhosts,
};

/// The largest body of a request in bytes: a large file of definitions, or a message in base64. RabbitMQ's default is
/// 20 MB.
const BODY_MAX_BYTES: usize = 20 << 20;

const WELCOME: &str = "Warren, an AMQP 0-9-1 broker.\nThe management API is at /api, metrics are at /metrics.\n";

/// All routes.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/", get(async || WELCOME))
        .route("/api", get(async || WELCOME))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(prometheus(&api))
        .nest(
            "/api",
            whole()
                .merge(topology())
                .merge(accounts())
                .merge(settings())
                .merge(checks()),
        )
        .fallback(async || ApiError::no_object())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(axum::middleware::from_fn(actor::remember))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(api)
}

/// What Prometheus scrapes, as far as the configuration wants it.
fn prometheus(api: &Api) -> Router<Arc<Api>> {
    let mut routes = Router::new();
    if api.settings.metrics {
        routes = routes.route("/metrics", get(metrics::aggregated));
    }
    if api.settings.metrics && api.settings.metrics_per_object {
        routes = routes
            .route("/metrics/per-object", get(metrics::per_object))
            .route("/metrics/detailed", get(metrics::by_family));
    }
    routes
}

/// The broker as a whole and its connections.
fn whole() -> Router<Arc<Api>> {
    Router::new()
        .route("/overview", get(overview::show))
        .route("/cluster-name", get(overview::cluster_name))
        .route("/extensions", get(overview::extensions))
        .route("/feature-flags", get(overview::feature_flags))
        .route("/nodes", get(nodes::index))
        .route("/nodes/{name}", get(nodes::show))
        .route("/definitions", get(definitions::export).post(definitions::import))
        .route(
            "/definitions/{vhost}",
            get(definitions::export_vhost).post(definitions::import_vhost),
        )
        .route("/connections", get(connections::index))
        .route(
            "/connections/{name}",
            get(connections::show).delete(connections::delete),
        )
        .route("/connections/{name}/channels", get(channels::of_connection))
        .route(
            "/connections/username/{user}",
            get(connections::of_user).delete(connections::delete_of_user),
        )
        .route("/vhosts/{vhost}/connections", get(connections::of_vhost))
        .route("/vhosts/{vhost}/channels", get(channels::of_vhost))
        .route("/channels", get(channels::index))
        .route("/channels/{name}", get(channels::show))
        .route("/consumers", get(consumers::index))
        .route("/consumers/{vhost}", get(consumers::index))
}

/// Vhosts, exchanges, queues, bindings and their messages.
fn topology() -> Router<Arc<Api>> {
    Router::new()
        .route("/vhosts", get(vhosts::index))
        .route(
            "/vhosts/{name}",
            get(vhosts::show).put(vhosts::put).delete(vhosts::delete),
        )
        .route("/exchanges", get(exchanges::index))
        .route("/exchanges/{vhost}", get(exchanges::index))
        .route(
            "/exchanges/{vhost}/{name}",
            get(exchanges::show).put(exchanges::put).delete(exchanges::delete),
        )
        .route("/exchanges/{vhost}/{name}/publish", post(messages::publish))
        .route("/exchanges/{vhost}/{name}/bindings/source", get(bindings::of_source))
        .route(
            "/exchanges/{vhost}/{name}/bindings/destination",
            get(bindings::of_destination),
        )
        .route("/queues", get(queues::index))
        .route("/queues/{vhost}", get(queues::index))
        .route(
            "/queues/{vhost}/{name}",
            get(queues::show).put(queues::put).delete(queues::delete),
        )
        .route("/queues/{vhost}/{name}/bindings", get(bindings::of_queue))
        .route("/queues/{vhost}/{name}/contents", delete(queues::purge))
        .route("/queues/{vhost}/{name}/get", post(messages::get))
        .route("/bindings", get(bindings::index))
        .route("/bindings/{vhost}", get(bindings::index))
        .route(
            "/bindings/{vhost}/e/{source}/{kind}/{destination}",
            get(bindings::between_ends).post(bindings::post),
        )
        .route(
            "/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}",
            get(bindings::show).delete(bindings::delete),
        )
}

/// Users and what they may do.
fn accounts() -> Router<Arc<Api>> {
    Router::new()
        .route("/whoami", get(users::whoami))
        .route("/auth/hash_password/{password}", get(users::hash_password))
        .route("/users", get(users::index))
        .route("/users/without-permissions", get(users::without_permissions))
        .route("/users/bulk-delete", post(users::bulk_delete))
        .route("/users/{name}", get(users::show).put(users::put).delete(users::delete))
        .route("/users/{name}/permissions", get(permissions::of_user))
        .route("/users/{name}/topic-permissions", get(permissions::topics_of_user))
        .route("/vhosts/{vhost}/permissions", get(permissions::of_vhost))
        .route("/vhosts/{vhost}/topic-permissions", get(permissions::topics_of_vhost))
        .route("/permissions", get(permissions::index))
        .route(
            "/permissions/{vhost}/{user}",
            get(permissions::show).put(permissions::put).delete(permissions::delete),
        )
        .route("/topic-permissions", get(permissions::topics))
        .route(
            "/topic-permissions/{vhost}/{user}",
            get(permissions::show_topics)
                .put(permissions::put_topic)
                .delete(permissions::delete_topics),
        )
}

/// Policies, limits and parameters, and what there is of our own.
fn settings() -> Router<Arc<Api>> {
    Router::new()
        .merge(policies::routes())
        .merge(operations::routes())
        .merge(dead_letters::routes())
        .route("/vhost-limits", get(limits::of_vhosts))
        .route("/vhost-limits/{vhost}", get(limits::of_vhosts))
        .route(
            "/vhost-limits/{vhost}/{name}",
            put(limits::put_of_vhost).delete(limits::delete_of_vhost),
        )
        .route("/user-limits", get(limits::of_users))
        .route("/user-limits/{user}", get(limits::of_users))
        .route(
            "/user-limits/{user}/{name}",
            put(limits::put_of_user).delete(limits::delete_of_user),
        )
        .route("/parameters", get(parameters::index))
        .route("/parameters/{component}", get(parameters::of_component))
        .route("/parameters/{component}/{vhost}", get(parameters::of_component_in))
        .route(
            "/parameters/{component}/{vhost}/{name}",
            get(parameters::show).put(parameters::put).delete(parameters::delete),
        )
        .route("/global-parameters", absent::collection())
        .route("/global-parameters/{name}", absent::item())
}

/// Health checks.
fn checks() -> Router<Arc<Api>> {
    Router::new()
        .route("/aliveness-test/{vhost}", get(health::aliveness))
        .route("/health/checks/alarms", get(health::alarms))
        .route("/health/checks/local-alarms", get(health::alarms))
        .route("/health/checks/virtual-hosts", get(health::always))
        .route("/health/checks/is-in-service", get(health::always))
        .route("/health/checks/node-is-quorum-critical", get(health::always))
        .route("/health/checks/node-is-mirror-sync-critical", get(health::always))
        .route(
            "/health/checks/certificate-expiration/{within}/{unit}",
            get(health::certificate_expiration),
        )
        .route("/health/checks/port-listener/{port}", get(health::port_listener))
        .route(
            "/health/checks/protocol-listener/{protocol}",
            get(health::protocol_listener),
        )
}

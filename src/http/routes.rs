//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Uri;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tower::ServiceExt;

use super::error::ApiError;
use super::{
    Api, actor, attempts, bindings, certificates, channels, comparison, connections, consumers, dead_letters,
    definitions, exchanges, global_parameters, health, limits, live, messages, metrics, nodes, openapi, operations,
    overview, pages, parameters, permissions, policies, queues, route_tests, sessions, users, vhosts, vitals,
};

const WELCOME: &str = "Warren, an AMQP 0-9-1 broker.\nThe management API is at /api, metrics are at /metrics.\n";

/// All routes. A path that ends with a slash leads where it leads without: clients ask for `cluster-name/` and RabbitMQ
/// answers.
pub fn routes(api: Arc<Api>) -> Router {
    let table = table(api);
    let without_slash = table.clone();
    table.fallback(async move |mut request: Request| match shortened(request.uri()) {
        Some(uri) => {
            *request.uri_mut() = uri;
            // Routing cannot fail; what is not found is an answer.
            without_slash.oneshot(request).await.into_response()
        }
        None => ApiError::no_object().into_response(),
    })
}

/// The same path without the slash at its end; `None` where there is none.
fn shortened(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| path.starts_with("/api/"))?;
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    whole.parse().ok()
}

fn table(api: Arc<Api>) -> Router {
    let body_max_bytes = api.settings.body_max_bytes;
    Router::new()
        .route("/api", get(async || WELCOME))
        .merge(web(&api))
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
        .layer(DefaultBodyLimit::max(body_max_bytes))
        .layer(map_response(secured))
        .with_state(api)
}

/// The pages and what only they ask for; a line of text where they are off.
fn web(api: &Api) -> Router<Arc<Api>> {
    if !api.settings.pages.enabled {
        return Router::new().route("/", get(async || WELCOME));
    }
    let session = get(sessions::show).post(sessions::sign_in).delete(sessions::sign_out);
    Router::new()
        .merge(pages::routes())
        .route("/api/warren/session", session)
        .route("/api/warren/live", get(live::stream))
        .route("/api/warren/route-tests/{vhost}", post(route_tests::run))
        .route("/api/warren/definitions/comparison", post(comparison::compare))
        .route("/api/warren/vitals", get(vitals::show))
        .route("/api/warren/vitals/history", get(vitals::history))
}

/// Every answer tells browsers what they may not do with it.
async fn secured(mut response: Response) -> Response {
    response.headers_mut().extend(pages::SECURITY_HEADERS);
    response
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
        .route("/openapi.json", get(openapi::document))
        .route("/overview", get(overview::show))
        .route(
            "/cluster-name",
            get(global_parameters::cluster_name).put(global_parameters::put_cluster_name),
        )
        .route("/extensions", get(overview::extensions))
        .route("/feature-flags", get(overview::nothing_to_switch))
        .route("/deprecated-features", get(overview::nothing_to_switch))
        .route("/deprecated-features/used", get(overview::nothing_to_switch))
        .route("/rebalance/queues", post(overview::rebalance))
        .route("/reset", delete(overview::reset))
        .route("/reset/{node}", delete(overview::reset))
        .route("/nodes", get(nodes::index))
        .route("/nodes/{name}", get(nodes::show))
        .route("/nodes/{name}/memory", get(nodes::memory))
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
        .route("/vhosts/{vhost}/connections", get(connections::index))
        .route("/vhosts/{vhost}/channels", get(channels::index))
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
        .route("/vhosts/{name}/start/{node}", post(vhosts::start))
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
        .route("/queues/{vhost}/{name}/actions", post(queues::act))
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
        .route("/auth", get(overview::auth))
        .route("/auth/attempts/{node}", get(attempts::index).delete(attempts::reset))
        .route(
            "/auth/attempts/{node}/source",
            get(attempts::by_source).delete(attempts::reset_sources),
        )
        .route("/auth/hash_password/{password}", get(users::hash_password))
        .route("/users", get(users::index))
        .route("/users/without-permissions", get(users::without_permissions))
        .route("/users/bulk-delete", post(users::bulk_delete))
        .route("/users/{name}", get(users::show).put(users::put).delete(users::delete))
        .merge(permissions::routes())
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
        .route("/global-parameters", get(global_parameters::index))
        .route(
            "/global-parameters/{name}",
            get(global_parameters::show)
                .put(global_parameters::put)
                .delete(global_parameters::delete),
        )
}

/// Health checks.
fn checks() -> Router<Arc<Api>> {
    Router::new()
        .route("/aliveness-test/{vhost}", get(health::aliveness))
        .route("/health/checks/alarms", get(health::alarms))
        .route("/health/checks/local-alarms", get(health::alarms))
        .route("/health/checks/virtual-hosts", get(health::always))
        .route("/health/checks/is-in-service", get(health::always))
        .route("/health/checks/ready-to-serve-clients", get(health::always))
        .route("/health/checks/node-is-quorum-critical", get(health::single_node))
        .route("/health/checks/node-is-mirror-sync-critical", get(health::single_node))
        .route(
            "/health/checks/certificate-expiration/{within}/{unit}",
            get(certificates::expiration),
        )
        .route("/health/checks/port-listener/{port}", get(health::port_listener))
        .route(
            "/health/checks/protocol-listener/{protocol}",
            get(health::protocol_listener),
        )
}

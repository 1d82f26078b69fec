//! What holds between options and between entries, whatever source each came
//! from.

use std::collections::BTreeSet;

use super::Config;
use super::entries::strings;
use super::item::Entry;
use super::reader::{Reader, closest};
use super::sections::{ClientCertificates, Mechanism};
use super::topology::ExchangeType;

/// Reports entries that name a vhost or a user that nothing declares.
/// Exchanges and queues may exist in the store alone; the broker checks them.
pub(crate) fn check_references(root: &[Entry], config: &Config, reader: &mut Reader) {
    if reader.is_broken() {
        return;
    }
    let mut vhosts: BTreeSet<&str> = strings(root, "vhosts", "name").map(|found| found.2).collect();
    vhosts.insert("/");
    for array in ["permissions", "exchanges", "queues", "bindings", "policies"] {
        check_names(root, array, "vhost", "vhosts", &vhosts, reader);
    }
    let mut users: BTreeSet<&str> = strings(root, "users", "name").map(|found| found.2).collect();
    users.extend(config.users.iter().map(|user| user.name.as_str()));
    check_names(root, "permissions", "user", "users", &users, reader);
}

fn check_names(
    root: &[Entry],
    array: &str,
    key: &str,
    declared_in: &str,
    declared: &BTreeSet<&str>,
    reader: &mut Reader,
) {
    for (index, at, name) in strings(root, array, key) {
        if declared.contains(name) {
            continue;
        }
        let near = closest(name, declared.iter().copied());
        let hint = near.map(|near| format!("did you mean {near:?}?"));
        let message = format!("{name:?} is not declared under [[{declared_in}]]");
        reader.key_path(&format!("{array}[{index}].{key}"), |reader| {
            reader.fault_with_hint(at, message, hint);
        });
    }
}

/// Reports an `x-match` that a headers exchange does not know. Other exchanges
/// do not look at it.
pub(crate) fn check_matches(config: &Config, reader: &mut Reader) {
    for binding in &config.bindings {
        let Some(found) = binding.arguments.get("x-match") else {
            continue;
        };
        let predeclared = ["amq.headers", "amq.match"].contains(&binding.source.as_str());
        let declared = config.exchanges.iter().any(|exchange| {
            exchange.exchange_type == ExchangeType::Headers
                && exchange.name == binding.source
                && exchange.vhost == binding.vhost
        });
        let known = ["all", "any", "all-with-x", "any-with-x"];
        let right = found.as_str().is_some_and(|name| known.contains(&name));
        if (predeclared || declared) && !right {
            let path = format!("{}.arguments.x-match", binding.path);
            let message = "expected one of \"all\", \"any\", \"all-with-x\", \"any-with-x\"";
            reader.key_path(&path, |reader| reader.fault(&binding.at, message));
        }
    }
}

/// Checks options against each other.
pub(crate) fn check_options(config: &Config, reader: &mut Reader) {
    let limits = &config.limits;
    let before_tune = limits.frame_max_before_tune_bytes;
    let path = "limits.frame_max_before_tune_bytes";
    if before_tune > limits.frame_max_bytes {
        let most = limits.frame_max_bytes;
        let message = format!("{before_tune} is more than limits.frame_max_bytes, {most}");
        reader.fault_of_option(path, message);
    }
    if before_tune > limits.bytes_before_login {
        let most = limits.bytes_before_login;
        let message = format!("{before_tune} is more than limits.bytes_before_login, {most}");
        reader.fault_of_option(path, message);
    }
    check_tls(config, reader);
    let amqp = &config.listeners.amqp;
    for (index, address) in amqp.iter().enumerate() {
        if address.port() != 0 && amqp[..index].contains(address) {
            reader.fault_of_option("listeners.amqp", format!("{address} is listed twice"));
        }
    }
    if let Some(http) = config.listeners.http.address()
        && http.port() != 0
        && amqp.contains(&http)
    {
        reader.fault_of_option("listeners.http", format!("{http} is in listeners.amqp too"));
    }
    for (index, address) in config.listeners.amqps.iter().enumerate() {
        if address.port() == 0 {
            continue;
        }
        let path = "listeners.amqps";
        if config.listeners.amqps[..index].contains(address) {
            reader.fault_of_option(path, format!("{address} is listed twice"));
        }
        if amqp.contains(address) {
            reader.fault_of_option(path, format!("{address} is in listeners.amqp too"));
        }
        if config.listeners.http.address() == Some(*address) {
            reader.fault_of_option(path, format!("{address} is listeners.http too"));
        }
    }
    check_https(config, reader);
    check_oauth(config, reader);
    let mechanisms = &config.auth.mechanisms;
    if mechanisms.contains(&Mechanism::Anonymous) && config.auth.anonymous_user.is_empty() {
        reader.fault_of_option("auth.mechanisms", "ANONYMOUS needs auth.anonymous_user");
    }
    let distinct: BTreeSet<_> = mechanisms.iter().collect();
    if mechanisms.is_empty() || distinct.len() < mechanisms.len() {
        reader.fault_of_option("auth.mechanisms", "needs one mechanism or more, each once");
    }
    let names = [
        ("node.name", config.node.name.as_str()),
        ("auth.default_user", config.auth.default_user.as_str()),
        ("auth.default_password", config.auth.default_password.expose()),
    ];
    for (path, name) in names {
        if name.is_empty() || name.len() > 255 {
            reader.fault_of_option(path, "must have 1 to 255 bytes");
        }
    }
}

/// Reports what HTTPS lacks, and an address that is taken.
fn check_https(config: &Config, reader: &mut Reader) {
    let listeners = &config.listeners;
    let Some(https) = listeners.https.address() else {
        return;
    };
    let path = "listeners.https";
    if https.port() != 0 {
        for (other, taken) in [
            ("listeners.amqp", listeners.amqp.contains(&https)),
            ("listeners.amqps", listeners.amqps.contains(&https)),
            ("listeners.http", listeners.http.address() == Some(https)),
        ] {
            if taken {
                reader.fault_of_option(path, format!("{https} is in {other} too"));
            }
        }
    }
    if config.tls.certificate_file.path().is_none() || config.tls.key_file.path().is_none() {
        reader.fault_of_option(path, "needs tls.certificate_file and tls.key_file");
    }
}

/// Reports what tokens lack.
fn check_oauth(config: &Config, reader: &mut Reader) {
    let oauth = &config.oauth;
    let (file, url) = (oauth.jwks_file.path().is_some(), !oauth.jwks_url.is_empty());
    let path = "oauth.resource_server_id";
    if oauth.resource_server_id.is_empty() {
        for (key, is_set) in [("oauth.jwks_file", file), ("oauth.jwks_url", url)] {
            if is_set {
                reader.fault_of_option(key, "needs oauth.resource_server_id");
            }
        }
        return;
    }
    if file == url {
        reader.fault_of_option(path, "needs one of oauth.jwks_file and oauth.jwks_url");
    }
    if url
        && !["http://", "https://"]
            .iter()
            .any(|scheme| oauth.jwks_url.starts_with(scheme))
    {
        reader.fault_of_option("oauth.jwks_url", "has to begin with http:// or https://");
    }
    if oauth.jwks_ca_file.path().is_some() && !oauth.jwks_url.starts_with("https://") {
        reader.fault_of_option("oauth.jwks_ca_file", "is for an https address in oauth.jwks_url");
    }
    if oauth.algorithms.is_empty() {
        reader.fault_of_option("oauth.algorithms", "needs one algorithm or more");
    }
    if oauth.username_claims.is_empty() {
        reader.fault_of_option("oauth.username_claims", "needs one claim or more");
    }
}

/// Reports what TLS lacks.
fn check_tls(config: &Config, reader: &mut Reader) {
    let tls = &config.tls;
    let serves = !config.listeners.amqps.is_empty();
    if serves && (tls.certificate_file.path().is_none() || tls.key_file.path().is_none()) {
        reader.fault_of_option("listeners.amqps", "needs tls.certificate_file and tls.key_file");
    }
    if tls.further_certificate_files.len() != tls.further_key_files.len() {
        reader.fault_of_option(
            "tls.further_key_files",
            "needs one file for each of tls.further_certificate_files",
        );
    }
    if !tls.further_certificate_files.is_empty() && tls.certificate_file.path().is_none() {
        reader.fault_of_option(
            "tls.further_certificate_files",
            "needs tls.certificate_file, for all other names",
        );
    }
    if tls.client_certificates != ClientCertificates::None && tls.client_ca_file.path().is_none() {
        reader.fault_of_option("tls.client_certificates", "needs tls.client_ca_file");
    }
    if config.auth.mechanisms.contains(&Mechanism::External) && tls.client_certificates == ClientCertificates::None {
        let message = "EXTERNAL needs tls.client_certificates = \"optional\" or \"required\"";
        reader.fault_of_option("auth.mechanisms", message);
    }
}

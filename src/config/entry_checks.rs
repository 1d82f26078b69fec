//! What is checked of each kind of entry beyond the types of its keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::arguments::ArgumentValue;
use super::entries::{Checked, EntryTable};
use super::known_arguments::{check_exchange, check_policy, check_queue};
use super::reader::Reader;
use super::setting::Setting;
use super::topology::{Binding, DestinationType, Exchange, OperatorPolicy, Permission, Policy, Queue, User, Vhost};

/// Reports a regular expression that does not compile, in one line.
fn check_pattern(table: &EntryTable<'_>, key: &str, pattern: &str, reader: &mut Reader) {
    if let Err(error) = Regex::new(pattern) {
        let text = error.to_string();
        let cause = text.lines().last().unwrap_or_default();
        let cause = cause.trim_start_matches("error: ");
        let message = format!("{pattern:?} is not a regular expression: {cause}");
        table.refuse(key, message, reader);
    }
}

/// Reports a name that is the broker's own.
fn check_declarable(table: &EntryTable<'_>, name: &str, reader: &mut Reader) {
    table.check_name("name", name, reader);
    if name.starts_with("amq.") {
        let message = format!("{name:?}: names that start with amq. are the broker's own");
        table.refuse("name", message, reader);
    }
}

impl Checked for Vhost {
    const IDENTIFYING: &'static [&'static str] = &["name"];

    fn identity(&self) -> String {
        format!("vhost {:?}", self.name)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        table.check_name("name", &self.name, reader);
    }
}

impl Checked for User {
    const IDENTIFYING: &'static [&'static str] = &["name"];

    fn identity(&self) -> String {
        format!("user {:?}", self.name)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        table.check_name("name", &self.name, reader);
        let keys = ["password", "password_hash", "password_file"];
        let given = keys.iter().filter(|key| table.item(key).is_some()).count();
        if given == 0 {
            let message = "needs one of password, password_hash and password_file";
            reader.fault(table.at, message);
        } else if given > 1 {
            let message = "takes only one of password, password_hash and password_file";
            reader.fault(table.at, message);
        }
        if self.password.as_ref().is_some_and(|p| p.expose().is_empty()) {
            table.refuse("password", "must not be empty", reader);
        }
        if self.password_hash.as_ref().is_some_and(|hash| !is_hash(hash.expose())) {
            let message = "expected an Argon2 string ($argon2id$…) or base64 of \
                           a 4-byte salt and SHA-256 or SHA-512";
            table.refuse("password_hash", message, reader);
        }
        for (index, tag) in self.tags.iter().enumerate() {
            if tag.is_empty() || tag.contains([',', ' ']) {
                let message = format!("{tag:?} is no tag");
                reader.key("tags", |reader| {
                    reader.index(index, |reader| reader.fault(table.place("tags"), message));
                });
            }
        }
    }

    fn advice(key: &str) -> Option<&'static str> {
        matches!(key, "permissions" | "vhost" | "configure" | "write" | "read")
            .then_some("unknown key; what a user may do stands under [[permissions]]")
    }
}

/// Whether a text has the form of a hash. RabbitMQ's are a salt of four bytes
/// and a digest of 32 or 64 (RabbitMQ: passwords.html).
fn is_hash(text: &str) -> bool {
    let exported = || STANDARD.decode(text).is_ok_and(|bytes| matches!(bytes.len(), 36 | 68));
    text.starts_with("$argon2") || exported()
}

impl Checked for Permission {
    const IDENTIFYING: &'static [&'static str] = &["user", "vhost"];

    fn identity(&self) -> String {
        format!("permission of {:?} in {:?}", self.user, self.vhost)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        check_pattern(table, "configure", &self.configure, reader);
        check_pattern(table, "write", &self.write, reader);
        check_pattern(table, "read", &self.read, reader);
    }
}

impl Checked for Exchange {
    const IDENTIFYING: &'static [&'static str] = &["name", "vhost"];

    fn identity(&self) -> String {
        format!("exchange {:?} in {:?}", self.name, self.vhost)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        check_declarable(table, &self.name, reader);
        check_exchange(&self.arguments, table, reader);
    }
}

impl Checked for Queue {
    const IDENTIFYING: &'static [&'static str] = &["name", "vhost"];

    fn identity(&self) -> String {
        format!("queue {:?} in {:?}", self.name, self.vhost)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        check_declarable(table, &self.name, reader);
        check_queue(&self.arguments, table, reader);
        let kind = self.arguments.get("x-queue-type").and_then(ArgumentValue::as_str);
        if kind == Some("quorum") {
            if !self.durable {
                table.refuse("durable", "a quorum queue is always durable", reader);
            }
            if self.auto_delete {
                table.refuse("auto_delete", "a quorum queue cannot be auto-delete", reader);
            }
        }
    }

    fn advice(key: &str) -> Option<&'static str> {
        match key {
            "exclusive" => Some("a declared queue belongs to no connection, so it cannot be exclusive"),
            "type" => Some("unknown key; write arguments = { x-queue-type = \"…\" }"),
            _ => None,
        }
    }
}

impl Checked for Binding {
    const IDENTIFYING: &'static [&'static str] = &[
        "vhost",
        "source",
        "destination",
        "destination_type",
        "routing_key",
        "arguments",
    ];

    fn identity(&self) -> String {
        let (kind, to) = (self.destination_type.as_str(), &self.destination);
        let (key, vhost) = (&self.routing_key, &self.vhost);
        let mut text = format!("binding of {kind} {to:?} to {:?} by {key:?} in {vhost:?}", self.source);
        if !self.arguments.is_empty() {
            text.push_str(&format!(" with {}", self.arguments.show()));
        }
        text
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        for (key, name) in [("source", &self.source), ("destination", &self.destination)] {
            if name.is_empty() && !(key == "destination" && self.destination_type == DestinationType::Queue) {
                table.refuse(key, "the default exchange cannot be bound", reader);
            } else {
                table.check_name(key, name, reader);
            }
        }
        table.check_short("routing_key", &self.routing_key, reader);
    }
}

impl Checked for Policy {
    const IDENTIFYING: &'static [&'static str] = &["name", "vhost"];

    fn identity(&self) -> String {
        format!("policy {:?} in {:?}", self.name, self.vhost)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        table.check_name("name", &self.name, reader);
        check_pattern(table, "pattern", &self.pattern, reader);
        if self.definition.is_empty() {
            table.refuse("definition", "must not be empty", reader);
        }
        check_policy(&self.definition, false, table, reader);
    }
}

impl Checked for OperatorPolicy {
    const IDENTIFYING: &'static [&'static str] = &["name", "vhost"];

    fn identity(&self) -> String {
        format!("operator policy {:?} in {:?}", self.name, self.vhost)
    }

    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader) {
        table.check_name("name", &self.name, reader);
        check_pattern(table, "pattern", &self.pattern, reader);
        if self.definition.is_empty() {
            table.refuse("definition", "must not be empty", reader);
        }
        check_policy(&self.definition, true, table, reader);
    }
}

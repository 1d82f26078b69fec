//! The claims of a token.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What is read of a token's payload. A claim of another type than its own makes the token unreadable: what cannot be
/// read must not count as absent.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// Seconds since the Unix epoch.
    pub exp: Option<f64>,
    /// Seconds since the Unix epoch.
    pub nbf: Option<f64>,
    /// Who made it.
    pub iss: Option<String>,
    /// For whom.
    #[serde(default)]
    aud: Words,
    /// What is granted.
    #[serde(default)]
    scope: Words,
    /// Everything else.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A list, or text with spaces.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Words {
    fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Text(text) => Box::new(text.split(' ').filter(|word| !word.is_empty())),
            Self::List(words) => Box::new(words.iter().map(String::as_str)),
        }
    }
}

impl Claims {
    /// Whether the token is meant for `resource_server_id`.
    pub fn is_for(&self, resource_server_id: &str) -> bool {
        self.aud.iter().any(|audience| audience == resource_server_id)
    }

    /// The scopes: those of `scope`, and of further claims, each a path of keys with dots between
    /// (RabbitMQ: `additional_scopes_key`). A further claim may be a list, text with spaces, or a table with such a
    /// list or text for each resource server, whose scopes are without prefix.
    pub fn scopes(&self, additional: &[String], resource_server_id: &str, prefix: &str) -> Vec<String> {
        let mut scopes: Vec<String> = self.scope.iter().map(str::to_owned).collect();
        for path in additional {
            match self.claim(path) {
                Some(Value::Object(servers)) => {
                    let own = servers.get(resource_server_id).map(words).unwrap_or_default();
                    scopes.extend(own.into_iter().map(|scope| format!("{prefix}{scope}")));
                }
                Some(claim) => scopes.extend(words(claim).into_iter().map(str::to_owned)),
                None => {}
            }
        }
        scopes
    }

    /// The first of these claims that is there.
    pub fn name(&self, claims: &[String]) -> Option<&str> {
        claims.iter().find_map(|path| self.claim(path)?.as_str())
    }

    /// Claims are looked for by their whole name first: `https://example/roles` has dots of its own.
    fn claim(&self, path: &str) -> Option<&Value> {
        if let Some(claim) = self.others.get(path) {
            return Some(claim);
        }
        let mut keys = path.split('.');
        let first = self.others.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }
}

fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split(' ').filter(|word| !word.is_empty()).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

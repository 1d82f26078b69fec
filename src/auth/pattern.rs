//! Permission patterns.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// The largest compiled pattern, in bytes: enough for long lists of names, little enough for many users.
const MOST_COMPILED_BYTES: usize = 1 << 20;

/// A regular expression that names are matched against, compiled once. Matching takes time linear in the name,
/// whatever the pattern.
///
/// As in RabbitMQ it matches anywhere in the name unless it is anchored, and the empty pattern matches the empty name
/// only. Look-around and back references, which Perl's expressions have, are refused.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    /// `.*`, which nearly every user has.
    Everything,
    /// The empty pattern.
    EmptyName,
    Regex(Regex),
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern '{pattern}' is not valid: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is no regular expression, has look-around or back references, or is too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::compiled(text, text)
    }

    /// Compiles a topic pattern for one user and virtual host, whose names stand for `{username}` and `{vhost}` in it
    /// (RabbitMQ: "Topic Authorisation"), literally.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn for_topics(text: &str, user: &str, vhost: &str) -> Result<Self, PatternError> {
        let expression = text
            .replace("{username}", &regex::escape(user))
            .replace("{vhost}", &regex::escape(vhost))
            // Only MQTT clients have one; for others the braces are literal, as in RabbitMQ.
            .replace("{client_id}", r"\{client_id\}");
        Self::compiled(text, &expression)
    }

    fn compiled(text: &str, expression: &str) -> Result<Self, PatternError> {
        let matcher = match expression {
            "" => Matcher::EmptyName,
            ".*" => Matcher::Everything,
            _ => {
                let compiled = RegexBuilder::new(expression).size_limit(MOST_COMPILED_BYTES).build();
                Matcher::Regex(compiled.map_err(|error| PatternError {
                    pattern: text.to_owned(),
                    reason: reason(&error),
                })?)
            }
        };
        Ok(Self {
            text: text.to_owned(),
            matcher,
        })
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the name matches.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::EmptyName => name.is_empty(),
            Matcher::Regex(regex) => regex.is_match(name),
        }
    }
}

/// The last line of the error, which says what is wrong; those before it draw where.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

//! Scopes of tokens: `read:vhost/name/routing-key` (RabbitMQ: "OAuth 2.0 Authentication Backend").

use percent_encoding::percent_decode_str;

use crate::auth::denied::Access;

/// One permission that a scope grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    access: Access,
    vhost: Wildcard,
    name: Wildcard,
    /// Routing keys of topic exchanges; a scope without grants none, as with RabbitMQ.
    key: Option<Wildcard>,
}

impl Scope {
    /// Reads a scope without its prefix; `None` for one that grants nothing here, such as `openid`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (access, pattern) = text.split_once(':')?;
        let access = match access {
            "configure" => Access::Configure,
            "write" => Access::Write,
            "read" => Access::Read,
            _ => return None,
        };
        let mut parts = pattern.split('/').map(Wildcard::parse);
        let (vhost, name) = (parts.next()??, parts.next()??);
        let key = match parts.next() {
            Some(key) => Some(key?),
            None => None,
        };
        parts.next().is_none().then_some(Self {
            access,
            vhost,
            name,
            key,
        })
    }

    /// Whether it is about the vhost.
    #[must_use]
    pub fn is_in(&self, vhost: &str) -> bool {
        self.vhost.is_match(vhost)
    }

    /// Whether it grants that access to the exchange or queue.
    #[must_use]
    pub fn grants(&self, vhost: &str, name: &str, access: Access) -> bool {
        self.access == access && self.vhost.is_match(vhost) && self.name.is_match(name)
    }

    /// Whether it grants that access with the routing key of a topic exchange.
    #[must_use]
    pub fn grants_key(&self, vhost: &str, exchange: &str, key: &str, access: Access) -> bool {
        self.grants(vhost, exchange, access) && self.key.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

/// A pattern in which `*` stands for any text; a star, a slash and a space themselves are percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wildcard {
    /// What stands between the stars, decoded; never empty.
    pieces: Vec<String>,
}

impl Wildcard {
    /// `None` where it decodes to something that is not UTF-8.
    fn parse(text: &str) -> Option<Self> {
        let decode = |piece| {
            percent_decode_str(piece)
                .decode_utf8()
                .ok()
                .map(|text| text.into_owned())
        };
        let pieces = text.split('*').map(decode).collect::<Option<_>>()?;
        Some(Self { pieces })
    }

    /// Looks for each piece once, left to right: no pattern makes it try twice.
    fn is_match(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            // One piece: there is no star.
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for piece in middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Wildcard::parse(pattern).unwrap().is_match(text)
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("ab*ba", "aba", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
            ("*a*a*", "a", false),
            ("a", "A", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_encoded_is_text() {
        assert!(matches("%2F", "/"));
        assert!(matches("a%2Ab", "a*b"));
        assert!(!matches("a%2Ab", "axb"), "an encoded star is no wildcard");
        assert!(matches("a%20b", "a b"));
        assert!(matches("a+b", "a+b"));
        assert!(matches("100%", "100%"));
        assert!(matches("caf%C3%A9*", "café au lait"));
        assert_eq!(Wildcard::parse("%FF"), None);
    }

    #[test]
    fn a_long_pattern_against_a_long_name_is_quick() {
        let pattern = "a*".repeat(4_000);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(255)));
    }

    #[test]
    fn a_scope_is_an_access_and_two_or_three_patterns() {
        let scope = Scope::parse("read:shop/orders.*/eu.*").unwrap();
        assert!(scope.grants("shop", "orders.new", Access::Read));
        assert!(!scope.grants("shop", "orders.new", Access::Write));
        assert!(!scope.grants("other", "orders.new", Access::Read));
        assert!(!scope.grants("shop", "invoices", Access::Read));
        assert!(scope.grants_key("shop", "orders.new", "eu.paid", Access::Read));
        assert!(!scope.grants_key("shop", "orders.new", "us.paid", Access::Read));
        assert!(scope.is_in("shop") && !scope.is_in("/"));
        let no_key = Scope::parse("write:%2F/*").unwrap();
        assert!(no_key.grants("/", "x", Access::Write));
        assert!(!no_key.grants_key("/", "x", "key", Access::Write));
        for nothing in [
            "openid",
            "read",
            "read:",
            "read:vhost",
            "READ:a/b",
            "admin:a/b",
            "read:a/b/c/d",
            "tag:administrator",
            "read:%FF/b",
        ] {
            assert_eq!(Scope::parse(nothing), None, "{nothing}");
        }
    }
}

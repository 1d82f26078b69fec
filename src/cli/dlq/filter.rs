//! Which letters are meant: the options and what the API is asked with.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::super::client::encode;

/// Which letters are meant: those to which all of this applies.
#[derive(Debug, Args)]
pub struct Filter {
    /// Only letters that died for this reason
    #[arg(long, value_enum)]
    reason: Option<Reason>,
    /// Only letters that have been there for longer than this, such as 90s, 15m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    older_than: Option<u64>,
    /// Only letters with this header; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Reason {
    /// A consumer did not want it
    Rejected,
    /// Its time was up
    Expired,
    /// The queue was full
    Maxlen,
    /// It was returned too often
    DeliveryLimit,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no number with ms, s, m, h or d behind it");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(':') => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not NAME=VALUE")),
    }
}

impl Filter {
    fn parts(&self) -> Vec<(&'static str, String)> {
        let reason = self.reason.and_then(|reason| reason.to_possible_value());
        let reason = reason.map(|value| ("reason", value.get_name().to_owned()));
        let age = self.older_than.map(|age| ("older_than_ms", age.to_string()));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| ("header", format!("{name}:{value}")));
        reason.into_iter().chain(age).chain(headers).collect()
    }

    pub fn query(&self, more: &[(&str, String)]) -> String {
        let parts = self.parts();
        let pairs = parts
            .iter()
            .chain(more)
            .map(|(name, value)| format!("{name}={}", encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    pub fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut headers = Vec::new();
        for (name, value) in self.parts() {
            match name {
                "header" => headers.push(Value::from(value)),
                _ => {
                    body.insert(name.to_owned(), value.into());
                }
            }
        }
        if !headers.is_empty() {
            body.insert("header".to_owned(), headers.into());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, expected) in [
            ("5ms", 5),
            ("90s", 90_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected));
        }
        for text in ["", "5", "s", "5 s", "-5s", "5w", "99999999999999999d"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_have_a_name() {
        assert_eq!(header("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(header("=b").is_err() && header("b").is_err() && header("a:b=c").is_err());
    }
}

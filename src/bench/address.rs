//! `amqp://user:password@host:port/vhost`.

use std::fmt;
use std::str::FromStr;

/// Where a broker listens and who calls, from an AMQP URI
/// (RabbitMQ: "RabbitMQ URI Specification"). Without user it is guest/guest, without port 5672,
/// without vhost (also with a bare `/` at the end) it is `/`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// User name, percent-decoded.
    pub user: String,
    /// Password, percent-decoded.
    pub password: String,
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Virtual host, percent-decoded.
    pub vhost: String,
}

/// Why a text is no AMQP URI.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("an AMQP URL starts with amqp:// (amqps is not supported by the load generator)")]
    Scheme,
    /// There is no host.
    #[error("the URL names no host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` is not a port")]
    Port(String),
    /// A `%` is not followed by two hexadecimal digits, or the result is not UTF-8.
    #[error("`{0}` is not percent-encoded UTF-8")]
    Encoding(String),
}

/// The password is left out: an address is printed in errors and reports.
impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// The password is left out here too.
impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "amqp://{}@{self}/{}", self.user, self.vhost)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("amqp://").ok_or(AddressError::Scheme)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let (user, password) = match credentials {
            Some(both) => both.split_once(':').unwrap_or((both, "")),
            None => ("guest", "guest"),
        };
        let (host, port) = split_port(place)?;
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        let path = path.split('?').next().unwrap_or("");
        Ok(Self {
            user: percent_decoded(user)?,
            password: percent_decoded(password)?,
            host: host.to_owned(),
            port,
            vhost: if path.is_empty() {
                "/".to_owned()
            } else {
                percent_decoded(path)?
            },
        })
    }
}

/// Splits `host:port` and `[v6]:port`.
fn split_port(place: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    if port.is_empty() {
        return Ok((host, 5672));
    }
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok((host, number)),
        _ => Err(AddressError::Port(port.to_owned())),
    }
}

fn percent_decoded(text: &str) -> Result<String, AddressError> {
    let wrong = || AddressError::Encoding(text.to_owned());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(bytes.next().ok_or_else(wrong)?);
            digit.to_digit(16).ok_or_else(wrong)
        };
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    String::from_utf8(decoded).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, password: &str) {
        let address: Address = text.parse().unwrap();
        assert_eq!(format!("{address:?}"), expected);
        assert_eq!(address.password, password);
    }

    #[test]
    fn parts_and_their_defaults() {
        check("amqp://localhost", "amqp://guest@localhost:5672//", "guest");
        check("amqp://localhost/", "amqp://guest@localhost:5672//", "guest");
        check("amqp://a:b@h:1/v", "amqp://a@h:1/v", "b");
        check("amqp://a%40x:p%3A%2f@h/%2f", "amqp://a@x@h:5672//", "p:/");
        check("amqp://[::1]:7/q", "amqp://guest@[::1]:7/q", "guest");
        check("amqp://[::1]", "amqp://guest@[::1]:5672//", "guest");
        check("amqp://h/v?heartbeat=1", "amqp://guest@h:5672/v", "guest");
    }

    #[test]
    fn refused() {
        let refused = |text: &str| text.parse::<Address>().unwrap_err();
        assert_eq!(refused("amqps://h"), AddressError::Scheme);
        assert_eq!(refused("h:5672"), AddressError::Scheme);
        assert_eq!(refused("amqp://:5672/"), AddressError::Host);
        assert_eq!(refused("amqp://h:0"), AddressError::Port("0".into()));
        assert_eq!(refused("amqp://h:x"), AddressError::Port("x".into()));
        assert_eq!(refused("amqp://h/%2"), AddressError::Encoding("%2".into()));
        assert_eq!(refused("amqp://h/%zz"), AddressError::Encoding("%zz".into()));
    }
}

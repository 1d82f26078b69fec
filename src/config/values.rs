//! Types of options that the standard library does not have.

use std::fmt;
use std::net::SocketAddr;

use super::item::{Item, Value};
use super::reader::{Reader, closest};
use super::setting::Setting;

/// A password or a hash of one. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The secret itself, for comparing or hashing; not for a log or a reply.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

impl Setting for Secret {
    fn expects() -> String {
        "a string".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let text = item.as_str();
        if text.is_none() {
            let message = format!("expected a string, found {}", item.kind());
            reader.fault(&item.at, message);
        }
        text.map(Secret::new)
    }

    fn placeholder() -> Self {
        Secret::new("")
    }

    fn show(&self) -> String {
        "[secret]".into()
    }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Listen here; port 0 takes any free port.
    On(SocketAddr),
    /// Do not listen.
    Off,
}

impl Listener {
    /// The address, unless the listener is off.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Listener::On(address) => Some(address),
            Listener::Off => None,
        }
    }
}

impl Setting for Listener {
    fn expects() -> String {
        "\"ADDR:PORT\" or \"off\"".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        match item.as_str() {
            Some("off") => Some(Listener::Off),
            _ => SocketAddr::read(item, reader).map(Listener::On),
        }
    }

    fn placeholder() -> Self {
        Listener::Off
    }

    fn show(&self) -> String {
        match self {
            Listener::On(address) => address.show(),
            Listener::Off => "\"off\"".into(),
        }
    }
}

/// A share, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub f64);

impl Setting for Ratio {
    fn expects() -> String {
        "a number from 0 to 1".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let number = match &item.value {
            Value::Text(text) => text.trim().parse().ok(),
            // Only 0 and 1 are in range, and those a float holds.
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        let ratio = number.filter(|number| (0.0..=1.0).contains(number)).map(Ratio);
        if ratio.is_none() {
            reader.wrong(item, &Self::expects());
        }
        ratio
    }

    fn placeholder() -> Self {
        Ratio(0.0)
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// How much memory the broker may use before it blocks publishers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MemoryLimit {
    /// A share of the machine's memory (or of the cgroup's), over 0 to 1.
    Share(f64),
    /// Bytes.
    Bytes(u64),
}

/// Below this a number of bytes is surely meant as something else.
const LEAST_MEMORY: u64 = 16 << 20;

impl MemoryLimit {
    /// The limit in bytes, on a machine (or in a cgroup) with `total` bytes.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            // A share of at most 1 of a u64 fits; the fraction is dropped.
            MemoryLimit::Share(share) => (share * total as f64) as u64,
            MemoryLimit::Bytes(bytes) => bytes,
        }
    }
}

impl Setting for MemoryLimit {
    fn expects() -> String {
        format!("a share over 0 and up to 1.0, or at least {LEAST_MEMORY} bytes")
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let number = match &item.value {
            Value::Text(text) => match text.trim().parse::<u64>() {
                Ok(bytes) => Ok(Some(bytes)),
                Err(_) => Err(text.trim().parse::<f64>().ok()),
            },
            Value::Integer(number) => Ok(u64::try_from(*number).ok()),
            Value::Float(share) => Err(Some(*share)),
            _ => Ok(None),
        };
        let limit = match number {
            Ok(Some(bytes)) if bytes >= LEAST_MEMORY => Some(MemoryLimit::Bytes(bytes)),
            Err(Some(share)) if share > 0.0 && share <= 1.0 => Some(MemoryLimit::Share(share)),
            _ => None,
        };
        if limit.is_none() {
            reader.wrong(item, &Self::expects());
        }
        limit
    }

    fn placeholder() -> Self {
        MemoryLimit::Share(1.0)
    }

    fn show(&self) -> String {
        match self {
            MemoryLimit::Share(share) => format!("{share:?}"),
            MemoryLimit::Bytes(bytes) => bytes.to_string(),
        }
    }
}

/// Reads one of a fixed set of names.
pub(crate) fn choose<T: Copy>(
    item: &Item,
    reader: &mut Reader,
    choices: &[(&'static str, T)],
    expected: &str,
) -> Option<T> {
    let name = item.as_str().map(str::trim).unwrap_or_default();
    if let Some((_, choice)) = choices.iter().find(|(known, _)| *known == name) {
        return Some(*choice);
    }
    let hint = closest(name, choices.iter().map(|(known, _)| *known))
        .filter(|_| !name.is_empty())
        .map(|known| format!("did you mean {known:?}?"));
    let message = format!("expected {expected}, found {}", item.describe());
    reader.fault_with_hint(&item.at, message, hint);
    None
}

/// Declares an enumeration whose values are written as strings, each once.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        $name:ident { $( $(#[doc = $help:literal])+ $variant:ident = $text:literal, )+ }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $( $(#[doc = $help])+ $variant, )+ }

        impl $name {
            const CHOICES: &[(&'static str, $name)] = &[$(($text, $name::$variant)),+];

            /// The value as it is written in TOML, without quotes.
            pub fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $text, )+ }
            }
        }

        impl $crate::config::setting::Setting for $name {
            fn expects() -> String {
                let names: Vec<String> =
                    Self::CHOICES.iter().map(|(name, _)| format!("{name:?}")).collect();
                format!("one of {}", names.join(", "))
            }

            fn read(
                item: &$crate::config::item::Item,
                reader: &mut $crate::config::reader::Reader,
            ) -> Option<Self> {
                $crate::config::values::choose(item, reader, Self::CHOICES, &Self::expects())
            }

            fn placeholder() -> Self {
                Self::CHOICES[0].1
            }

            fn show(&self) -> String {
                format!("{:?}", self.as_str())
            }
        }
    };
}

pub(crate) use choice;

//! How a value of each type is read from a file, a variable or a flag, and how
//! it is written in the reference.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::item::{Item, Value};
use super::reader::Reader;

/// A type that an option may have.
pub(crate) trait Setting: Clone + PartialEq + Sized {
    /// What a fault says was expected, and the reference lists as the type.
    fn expects() -> String;
    /// Reads the value, or reports why it cannot be one.
    fn read(item: &Item, reader: &mut Reader) -> Option<Self>;
    /// Any value, to go on checking an entry in which this one is faulty.
    fn placeholder() -> Self;
    /// The value as it is written in TOML; a secret is masked.
    fn show(&self) -> String;
}

macro_rules! integer_setting {
    ($($kind:ty),+) => { $(
        impl Setting for $kind {
            fn expects() -> String {
                "an integer".into()
            }

            fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
                let number = match &item.value {
                    Value::Integer(number) => i128::from(*number),
                    Value::Text(text) => match text.trim().replace('_', "").parse() {
                        Ok(number) => number,
                        Err(_) => {
                            reader.wrong(item, &Self::expects());
                            return None;
                        }
                    },
                    _ => {
                        reader.wrong(item, &Self::expects());
                        return None;
                    }
                };
                let fitting = Self::try_from(number).ok();
                if fitting.is_none() {
                    let message = match reader.range() {
                        Some((least, most)) => format!("{number} is not between {least} and {most}"),
                        None => format!("{number} is not between {} and {}", Self::MIN, Self::MAX),
                    };
                    reader.fault(&item.at, message);
                }
                fitting
            }

            fn placeholder() -> Self {
                0
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}

integer_setting!(u8, u16, u32, u64, i32, usize);

impl Setting for bool {
    fn expects() -> String {
        "true or false".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        match &item.value {
            Value::Boolean(flag) => Some(*flag),
            Value::Text(text) if text.trim() == "true" => Some(true),
            Value::Text(text) if text.trim() == "false" => Some(false),
            _ => {
                reader.wrong(item, &Self::expects());
                None
            }
        }
    }

    fn placeholder() -> Self {
        false
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn expects() -> String {
        "a string".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let text = item.as_str();
        if text.is_none() {
            reader.wrong(item, &Self::expects());
        }
        text.map(str::to_owned)
    }

    fn placeholder() -> Self {
        String::new()
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for PathBuf {
    fn expects() -> String {
        "a path".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        match item.as_str() {
            Some(text) if !text.is_empty() && !text.contains('\0') => Some(PathBuf::from(text)),
            _ => {
                reader.wrong(item, &Self::expects());
                None
            }
        }
    }

    fn placeholder() -> Self {
        PathBuf::new()
    }

    fn show(&self) -> String {
        format!("{:?}", self.to_string_lossy())
    }
}

impl Setting for SocketAddr {
    fn expects() -> String {
        "\"ADDR:PORT\"".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let address = item.as_str().and_then(|text| text.trim().parse().ok());
        if address.is_none() {
            let found = item.describe();
            reader.fault_with_hint(
                &item.at,
                format!("expected {}, found {found}", Self::expects()),
                Some("an IP address and a port, such as 127.0.0.1:5672 or [::]:5672".into()),
            );
        }
        address
    }

    fn placeholder() -> Self {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl<T: Setting> Setting for Option<T> {
    fn expects() -> String {
        T::expects()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        T::read(item, reader).map(Some)
    }

    fn placeholder() -> Self {
        None
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "not set".into(), T::show)
    }
}

/// A list; a variable or a flag separates its elements by commas.
impl<T: Setting> Setting for Vec<T> {
    fn expects() -> String {
        format!("a list of: {}", T::expects())
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let split;
        let elements = match &item.value {
            Value::Array(elements) => elements,
            Value::Text(text) => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                split = parts
                    .map(|part| Item::text(item.at.source.clone(), part))
                    .collect();
                &split
            }
            _ => {
                reader.wrong(item, &Self::expects());
                return None;
            }
        };
        let read: Vec<Option<T>> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| reader.index(index, |reader| T::read(element, reader)))
            .collect();
        read.into_iter().collect()
    }

    fn placeholder() -> Self {
        Vec::new()
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(T::show).collect();
        format!("[{}]", shown.join(", "))
    }
}

/// A table of values of one type; a variable or a flag writes
/// `name=value,name=value`.
impl<T: Setting> Setting for BTreeMap<String, T> {
    fn expects() -> String {
        format!("a table of: {}", T::expects())
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        let mut whole = true;
        let mut values = BTreeMap::new();
        let mut insert = |name: &str, value: &Item, reader: &mut Reader| {
            if name.is_empty() || name.len() > 255 {
                reader.fault(&value.at, "a name has 1 to 255 bytes");
                whole = false;
                return;
            }
            match reader.key(name, |reader| T::read(value, reader)) {
                Some(value) => {
                    values.insert(name.to_owned(), value);
                }
                None => whole = false,
            }
        };
        match &item.value {
            Value::Table(entries) => {
                for entry in entries {
                    insert(&entry.key, &entry.item, reader);
                }
            }
            Value::Text(text) => {
                for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
                    let Some((name, value)) = pair.split_once('=') else {
                        reader.wrong(item, "name=value, separated by commas");
                        return None;
                    };
                    let value = Item::text(item.at.source.clone(), value.trim());
                    insert(name.trim(), &value, reader);
                }
            }
            _ => {
                reader.wrong(item, &Self::expects());
                return None;
            }
        }
        whole.then_some(values)
    }

    fn placeholder() -> Self {
        BTreeMap::new()
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return "{}".into();
        }
        let shown = self
            .iter()
            .map(|(key, value)| format!("{key} = {}", value.show()));
        format!("{{ {} }}", shown.collect::<Vec<_>>().join(", "))
    }
}

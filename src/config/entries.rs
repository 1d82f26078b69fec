//! Reads arrays of tables: the elements' keys, unknown ones, duplicates.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;

use super::declare::OptionSpec;
use super::item::{Entry, Item, Value};
use super::reader::Reader;
use super::report::{Location, Source};
use super::setting::Setting;

/// An entry of the configuration and the place where it is declared, so that
/// whoever applies it can name that place.
#[derive(Clone, Debug)]
pub struct Declared<T> {
    /// File, line and column of the entry.
    pub at: Location,
    /// What is declared.
    pub entry: T,
    /// Its path for a report, such as `queues[2]`; empty for a default.
    pub(crate) path: String,
}

impl<T> Declared<T> {
    /// An entry that nobody wrote.
    pub(crate) fn by_default(entry: T) -> Self {
        let at = Location::whole(Source::Default);
        let path = String::new();
        Declared { at, entry, path }
    }
}

impl<T> Deref for Declared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entry
    }
}

/// What `entry!` generates.
pub(crate) trait Fields: Clone + PartialEq + Sized {
    const ARRAY: &'static str;
    const KEYS: &'static [&'static str];

    fn options() -> Vec<OptionSpec>;
    /// Reads the keys; one that is missing or faulty gets a placeholder.
    fn read(table: &EntryTable<'_>, reader: &mut Reader) -> Self;
    /// The entry as a TOML table without what is as usual; secrets are masked.
    fn show(&self) -> String;
}

/// What each kind of entry adds by hand.
pub(crate) trait Checked: Fields {
    /// The keys that make the identity.
    const IDENTIFYING: &'static [&'static str];

    /// What two entries may not have in common, as a fault names it.
    fn identity(&self) -> String;
    /// Reports what is wrong with the entry in itself.
    fn check(&self, table: &EntryTable<'_>, reader: &mut Reader);
    /// What to say of a key that people may look for here in vain.
    fn advice(_key: &str) -> Option<&'static str> {
        None
    }
}

/// One element of an array of tables.
pub(crate) struct EntryTable<'a> {
    pub at: &'a Location,
    entries: &'a [Entry],
    /// Keys that hold a placeholder, and are not to be reported again.
    failed: RefCell<Vec<String>>,
}

impl<'a> EntryTable<'a> {
    /// The item under a key.
    pub fn item(&self, key: &str) -> Option<&'a Item> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.item)
    }

    /// The place of a key's value; the entry's own without one.
    pub fn place(&self, key: &str) -> &'a Location {
        self.item(key).map_or(self.at, |item| &item.at)
    }

    /// The place of a key in the table of arguments under `table`.
    pub fn place_within(&self, table: &str, key: &str) -> &'a Location {
        let found = self.item(table).and_then(|item| match &item.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        });
        found.map_or_else(|| self.place(table), |entry| &entry.item.at)
    }

    /// Reads a key, or gives its default.
    pub fn take<T: Setting>(&self, key: &str, usual: Option<T>, reader: &mut Reader) -> T {
        let value = match self.item(key) {
            Some(item) => reader.key(key, |reader| T::read(item, reader)),
            None => {
                if usual.is_none() {
                    reader.missing(self.at, key);
                }
                usual
            }
        };
        value.unwrap_or_else(|| {
            self.failed.borrow_mut().push(key.to_owned());
            T::placeholder()
        })
    }

    /// Whether a key holds a placeholder.
    fn has_failed(&self, key: &str) -> bool {
        self.failed.borrow().iter().any(|failed| failed == key)
    }

    /// Reports that the value of a key is wrong.
    pub fn refuse(&self, key: &str, message: impl Into<String>, reader: &mut Reader) {
        if !self.has_failed(key) {
            let at = self.place(key);
            reader.key(key, |reader| reader.fault(at, message));
        }
    }

    /// Reports a name that AMQP's short strings cannot carry.
    pub fn check_short(&self, key: &str, name: &str, reader: &mut Reader) {
        if name.len() > 255 {
            let message = format!("{} bytes long; a name has at most 255", name.len());
            self.refuse(key, message, reader);
        }
    }

    /// The same, and no empty name.
    pub fn check_name(&self, key: &str, name: &str, reader: &mut Reader) {
        if name.is_empty() {
            self.refuse(key, "must not be empty", reader);
        }
        self.check_short(key, name, reader);
    }
}

/// Reads all entries of one kind. Those with a fault hold placeholders; they
/// serve to find further faults, since no configuration comes of them.
pub(crate) fn read_all<T: Checked>(root: &[Entry], reader: &mut Reader) -> Vec<Declared<T>> {
    let Some(array) = root.iter().find(|entry| entry.key == T::ARRAY) else {
        return Vec::new();
    };
    let mut seen = BTreeMap::new();
    reader.key(T::ARRAY, |reader| {
        let Value::Array(items) = &array.item.value else {
            reader.wrong(&array.item, &format!("tables headed [[{}]]", T::ARRAY));
            return Vec::new();
        };
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let entry = reader.index(index, |reader| read_one::<T>(item, reader, &mut seen));
            read.extend(entry);
        }
        read
    })
}

fn read_one<T: Checked>(
    item: &Item,
    reader: &mut Reader,
    seen: &mut BTreeMap<String, u32>,
) -> Option<Declared<T>> {
    let entries = reader.table(item)?;
    let table = EntryTable {
        at: &item.at,
        entries,
        failed: RefCell::default(),
    };
    for entry in entries {
        if T::KEYS.contains(&entry.key.as_str()) {
            continue;
        }
        match T::advice(&entry.key) {
            Some(advice) => reader.key(&entry.key, |reader| reader.fault(&entry.key_at, advice)),
            None => reader.unknown_key(&entry.key_at, &entry.key, T::KEYS.iter().copied()),
        }
    }
    let entry = T::read(&table, reader);
    entry.check(&table, reader);
    let at = item.at.clone();
    let path = reader.path().to_owned();
    if !T::IDENTIFYING.iter().any(|key| table.has_failed(key)) {
        let identity = entry.identity();
        match seen.get(&identity) {
            Some(line) => {
                let message = format!("{identity} is declared twice, first in line {line}");
                reader.fault(&at, message);
            }
            None => {
                seen.insert(identity, at.line);
            }
        }
    }
    Some(Declared { at, entry, path })
}

/// The values of `key` in the elements of an array that are strings, with
/// their index and place; also of entries that have other faults, so that one
/// fault does not bring forth a second.
pub(crate) fn strings<'a>(
    root: &'a [Entry],
    array: &str,
    key: &'a str,
) -> impl Iterator<Item = (usize, &'a Location, &'a str)> {
    let found = root.iter().find(|entry| entry.key == array);
    let items: &[Item] = match found.map(|entry| &entry.item.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    let tables = items.iter().enumerate();
    tables.filter_map(move |(index, item)| match &item.value {
        Value::Table(entries) => {
            let entry = entries.iter().find(|entry| entry.key == key)?;
            Some((index, &entry.item.at, entry.item.as_str()?))
        }
        _ => None,
    })
}

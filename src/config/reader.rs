//! Collects faults while a configuration is read, and knows the path of the
//! key that is being read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::item::{Item, Value};
use super::report::{Fault, Location, Source};

/// Where reading stands, and what it has found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: String,
    faults: Vec<Fault>,
    /// The file did not parse as a whole: what is missing may be there.
    broken: bool,
    /// Where each option got its value.
    places: BTreeMap<String, Location>,
    /// The range of the option that is being read.
    range: Option<(String, String)>,
}

impl Reader {
    /// Starts with the faults of syntax. What follows from a hole in the file
    /// (a missing key, a name that nothing declares) is then not reported.
    pub fn new(syntax: Vec<Fault>) -> Self {
        Reader {
            broken: !syntax.is_empty(),
            faults: syntax,
            ..Reader::default()
        }
    }

    /// The path of the key that is being read.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads what stands under a key.
    pub fn key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(&shown_key(key));
        let value = read(self);
        self.path.truncate(before);
        value
    }

    /// Reads what stands under a path that is written as it is shown.
    pub fn key_path<T>(&mut self, path: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.path, path.to_owned());
        let value = read(self);
        self.path = before;
        value
    }

    /// Reads an element of an array; the index counts from 0.
    pub fn index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let value = read(self);
        self.path.truncate(before);
        value
    }

    pub fn fault(&mut self, at: &Location, message: impl Into<String>) {
        self.fault_with_hint(at, message, None);
    }

    pub fn fault_with_hint(
        &mut self,
        at: &Location,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.faults.push(Fault {
            at: at.clone(),
            key: self.path.clone(),
            message: message.into(),
            hint,
        });
    }

    /// Remembers where the option that is being read got its value.
    pub fn placed(&mut self, at: &Location) {
        self.places.insert(self.path.clone(), at.clone());
    }

    /// Reports an option by its path, in the place that set it last.
    pub fn fault_of_option(&mut self, path: &str, message: impl Into<String>) {
        let place = self.places.get(path).cloned();
        let at = place.unwrap_or_else(|| Location::whole(Source::Default));
        self.key_path(path, |reader| reader.fault(&at, message));
    }

    pub fn expect_range<T: Display>(&mut self, range: &RangeInclusive<T>) {
        self.range = Some((range.start().to_string(), range.end().to_string()));
    }

    pub fn forget_range(&mut self) {
        self.range = None;
    }

    pub fn range(&self) -> Option<(&str, &str)> {
        let (least, most) = self.range.as_ref()?;
        Some((least, most))
    }

    pub fn wrong(&mut self, item: &Item, expected: &str) {
        let found = item.describe();
        self.fault(&item.at, format!("expected {expected}, found {found}"));
    }

    /// Reports a missing key, unless the file is broken anyway.
    pub fn missing(&mut self, at: &Location, key: &str) {
        if !self.broken {
            self.key(key, |reader| reader.fault(at, "is missing"));
        }
    }

    pub fn unknown_key<'a>(
        &mut self,
        at: &Location,
        key: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let hint = closest(key, known).map(|name| format!("did you mean {name}?"));
        self.key(key, |reader| {
            reader.fault_with_hint(at, "unknown key", hint);
        });
    }

    /// Whether a value lies in its range; reports it if not.
    pub fn within<T: PartialOrd + Display>(
        &mut self,
        value: &T,
        range: &RangeInclusive<T>,
        at: &Location,
    ) -> bool {
        let inside = range.contains(value);
        if !inside {
            let (least, most) = (range.start(), range.end());
            self.fault(at, format!("{value} is not between {least} and {most}"));
        }
        inside
    }

    /// The entries of a table, or a fault.
    pub fn table<'i>(&mut self, item: &'i Item) -> Option<&'i [super::item::Entry]> {
        match &item.value {
            Value::Table(entries) => Some(entries),
            _ => {
                self.wrong(item, "a table");
                None
            }
        }
    }

    /// The faults in order. A line whose syntax is wrong is reported for that
    /// alone.
    pub fn finish(mut self) -> Vec<Fault> {
        let line = |fault: &Fault| (fault.at.source.clone(), fault.at.line);
        let of_syntax = self.faults.iter().filter(|fault| fault.key.is_empty());
        let torn: BTreeSet<(Source, u32)> = of_syntax.map(line).collect();
        self.faults
            .retain(|fault| fault.key.is_empty() || !torn.contains(&line(fault)));
        self.faults.sort();
        self.faults.dedup();
        self.faults
    }
}

/// A key as it would be written in TOML.
fn shown_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// The known name that somebody who wrote `name` most likely meant.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    // Names share prefixes and suffixes with units, which Jaro-Winkler is
    // lenient about; 0.84 still tells `sync` from `messages`.
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.84)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

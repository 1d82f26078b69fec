//! The two macros by which each option is declared once: `section!` for a
//! table of options, `entry!` for one element of an array of tables. Name,
//! type, default, range, help and reloadability stand on one line; struct,
//! defaults, reading, comparison and the reference come of it.

use super::item::Item;
use super::reader::Reader;

/// Whether a running broker takes a changed option on SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// Takes effect on SIGHUP (for limits of connections and channels: for
    /// those opened after it).
    Reload,
    /// Needs a restart.
    Restart,
}

/// What is known about an option, for help texts and the reference.
#[derive(Clone, Debug)]
pub struct OptionSpec {
    /// The section's name.
    pub section: &'static str,
    /// The key in it.
    pub key: &'static str,
    /// What the option does, and why it has its default; one or more sentences.
    pub help: String,
    /// The type, or the values it takes.
    pub expects: String,
    /// The default as TOML; `None` if the key must be given (arrays only).
    pub default: Option<String>,
    /// `least to most`, where there is a range.
    pub range: Option<String>,
    /// Whether SIGHUP applies a change.
    pub apply: Apply,
}

impl OptionSpec {
    /// The key's path in TOML.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The variable that sets the option. Arrays of tables have none.
    pub fn variable(&self) -> String {
        let (section, key) = (self.section.to_uppercase(), self.key.to_uppercase());
        format!("WARREN_{section}__{key}")
    }
}

/// A changed option, with both values as TOML; secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's path, or `queues: NAME in VHOST` for a declared entry.
    pub key: String,
    /// The value until now.
    pub old: String,
    /// The value in the new configuration.
    pub new: String,
    /// Whether it can be applied now. Read by [`Changes`](super::Changes).
    pub(crate) apply: Apply,
}

/// A table of options.
pub(crate) trait Section {
    fn options(&self) -> Vec<OptionSpec>;
    /// Sets an option; false if there is none of that name.
    fn set(&mut self, key: &str, item: &Item, reader: &mut Reader) -> bool;
}

/// The doc comment of an option as one line.
pub(crate) fn help(lines: &str) -> String {
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn range_text<T: std::fmt::Display>(range: &std::ops::RangeInclusive<T>) -> String {
    format!("{} to {}", range.start(), range.end())
}

/// `key: type = default, reload|restart [, range];`
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident = $toml:literal {
            $(
                $(#[doc = $help:literal])+
                $key:ident : $kind:ty = $default:expr, $apply:ident $(, $range:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[doc = $help])+ pub $key: $kind, )+ }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $key: $default, )+ }
            }
        }

        impl $crate::config::declare::Section for $name {
            fn options(&self) -> Vec<$crate::config::declare::OptionSpec> {
                use $crate::config::setting::Setting;
                let defaults = Self::default();
                vec![$( $crate::config::declare::OptionSpec {
                    section: $toml,
                    key: stringify!($key),
                    help: $crate::config::declare::help(concat!($($help, "\n"),+)),
                    expects: <$kind>::expects(),
                    default: Some(defaults.$key.show()),
                    range: section!(@range $kind $(, $range)?),
                    apply: section!(@apply $apply),
                } ),+]
            }

            fn set(
                &mut self,
                key: &str,
                item: &$crate::config::item::Item,
                reader: &mut $crate::config::reader::Reader,
            ) -> bool {
                use $crate::config::setting::Setting;
                match key {
                    $( stringify!($key) => reader.key(key, |reader| {
                        $( reader.expect_range::<$kind>(&$range); )?
                        let value = <$kind>::read(item, reader);
                        reader.forget_range();
                        if let Some(value) = value {
                            $( if !reader.within(&value, &$range, &item.at) { return; } )?
                            reader.placed(&item.at);
                            self.$key = value;
                        }
                    }), )+
                    _ => return false,
                }
                true
            }
        }

        impl $name {
            pub(crate) fn compare(
                &self,
                new: &Self,
                changes: &mut Vec<$crate::config::declare::Change>,
            ) {
                use $crate::config::setting::Setting;
                $( if self.$key != new.$key {
                    changes.push($crate::config::declare::Change {
                        key: concat!($toml, ".", stringify!($key)).into(),
                        old: self.$key.show(),
                        new: new.$key.show(),
                        apply: section!(@apply $apply),
                    });
                } )+
            }
        }
    };
    (@apply reload) => { $crate::config::declare::Apply::Reload };
    (@apply restart) => { $crate::config::declare::Apply::Restart };
    (@range $kind:ty) => { None };
    (@range $kind:ty, $range:expr) => {
        Some($crate::config::declare::range_text::<$kind>(&$range))
    };
}

/// `key: type [= default];` in an array of tables; no default means that the
/// key must be given. `field as "key": …` where Rust has the key's word itself.
macro_rules! entry {
    (
        $(#[doc = $about:literal])+
        $name:ident = $toml:literal {
            $(
                $(#[doc = $help:literal])+
                $key:ident $(as $toml_key:literal)? : $kind:ty $(= $default:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[doc = $help])+ pub $key: $kind, )+ }

        impl $crate::config::entries::Fields for $name {
            const ARRAY: &'static str = $toml;
            const KEYS: &'static [&'static str] = &[$(entry!(@key $key $(, $toml_key)?)),+];

            fn options() -> Vec<$crate::config::declare::OptionSpec> {
                use $crate::config::setting::Setting;
                vec![$( $crate::config::declare::OptionSpec {
                    section: $toml,
                    key: entry!(@key $key $(, $toml_key)?),
                    help: $crate::config::declare::help(concat!($($help, "\n"),+)),
                    expects: <$kind>::expects(),
                    default: entry!(@default $kind $(, $default)?)
                        .map(|value: $kind| value.show()),
                    range: None,
                    apply: $crate::config::declare::Apply::Reload,
                } ),+]
            }

            fn read(
                table: &$crate::config::entries::EntryTable<'_>,
                reader: &mut $crate::config::reader::Reader,
            ) -> Self {
                $( let $key: $kind =
                    table.take(entry!(@key $key $(, $toml_key)?), entry!(@default $kind $(, $default)?), reader); )+
                $name { $( $key, )+ }
            }

            fn show(&self) -> String {
                use $crate::config::setting::Setting;
                let mut shown = Vec::new();
                $( {
                    let usual: Option<$kind> = entry!(@default $kind $(, $default)?);
                    if usual.as_ref() != Some(&self.$key) {
                        shown.push(format!("{} = {}", entry!(@key $key $(, $toml_key)?), self.$key.show()));
                    }
                } )+
                format!("{{ {} }}", shown.join(", "))
            }
        }
    };
    (@key $key:ident) => { stringify!($key) };
    (@key $key:ident, $toml_key:literal) => { $toml_key };
    (@default $kind:ty) => { None::<$kind> };
    (@default $kind:ty, $default:expr) => { Some::<$kind>($default) };
}

pub(crate) use {entry, section};

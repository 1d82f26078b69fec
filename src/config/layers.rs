//! Lays file, environment and flags over the defaults, and checks what holds
//! between options and between entries.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{check_matches, check_options, check_references};
use super::declare::Section;
use super::entries::Declared;
use super::item::{self, Entry, Item, Value};
use super::reader::{Reader, closest};
use super::report::{Fault, Location, Report, Source};
use super::topology::{Permission, User};
use super::values::Secret;
use super::{ARRAYS, Config};

/// A configuration file that has been read.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where it was read from; relative `password_file`s start at its folder.
    pub path: PathBuf,
    /// What it holds; a file that is not UTF-8 is a fault.
    pub bytes: Vec<u8>,
}

/// Values of command-line flags, which win over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(String, String, String)>);

impl Overrides {
    /// Sets the option at `path` (`listeners.amqp`) to `text`, as given with
    /// `flag` (`--listen`). A list takes its elements separated by commas.
    pub fn set(&mut self, flag: &str, path: &str, text: &str) -> &mut Self {
        self.0.push((flag.into(), path.into(), text.into()));
        self
    }
}

/// Everything that a configuration is made of. Reads nothing by itself but
/// through `read_file`.
pub struct Inputs<'a> {
    /// Flags.
    pub flags: &'a Overrides,
    /// The environment; variables that do not start with `WARREN_` are ignored.
    pub environment: &'a BTreeMap<String, String>,
    /// The file, if there is one.
    pub file: Option<&'a ConfigFile>,
    /// Reads a file of a secret: a `password_file`, or what a `…__FILE` names.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Makes a configuration of its inputs.
///
/// # Errors
/// Every fault of file, environment and flags at once.
pub fn load(inputs: &Inputs<'_>) -> Result<Config, Report> {
    let mut config = Config::bare();
    let (root, syntax) = inputs.file.map_or_else(Default::default, parse_file);
    let mut reader = Reader::new(syntax);
    read_sections(&mut config, &root, &mut reader);
    config.read_arrays(&root, &mut reader);
    check_matches(&config, &mut reader);
    read_environment(&mut config, inputs, &mut reader);
    for (flag, path, text) in &inputs.flags.0 {
        let item = Item::text(Source::Flag(flag.as_str().into()), text);
        set_at(&mut config, path, &item, &mut reader);
    }
    check_options(&config, &mut reader);
    read_password_files(&mut config, inputs, &mut reader);
    add_default_user(&mut config, &root);
    check_references(&root, &config, &mut reader);
    config.file = inputs.file.map(|file| file.path.clone());
    let faults = reader.finish();
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(Report { faults })
    }
}

fn parse_file(file: &ConfigFile) -> (Vec<Entry>, Vec<Fault>) {
    let name: Arc<str> = file.path.to_string_lossy().into();
    match std::str::from_utf8(&file.bytes) {
        Ok(text) => item::parse(&name, text),
        Err(error) => {
            let before = &file.bytes[..error.valid_up_to()];
            let lines = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let column = String::from_utf8_lossy(last).chars().count() + 1;
            let fault = Fault {
                at: Location {
                    source: Source::File(name),
                    line: u32::try_from(lines).unwrap_or(u32::MAX),
                    column: u32::try_from(column).unwrap_or(u32::MAX),
                },
                key: String::new(),
                message: "not UTF-8".into(),
                hint: None,
            };
            (Vec::new(), vec![fault])
        }
    }
}

fn read_sections(config: &mut Config, root: &[Entry], reader: &mut Reader) {
    for entry in root {
        if ARRAYS.contains(&entry.key.as_str()) {
            continue;
        }
        let Some(section) = config.section(&entry.key) else {
            unknown_section(entry, reader);
            continue;
        };
        reader.key(&entry.key, |reader| {
            for option in reader.table(&entry.item).unwrap_or_default() {
                set_option(section, &option.key, &option.key_at, &option.item, reader);
            }
        });
    }
}

/// Reports what stands at the top of the file and is no section.
fn unknown_section(entry: &Entry, reader: &mut Reader) {
    let is_section = match &entry.item.value {
        Value::Table(options) => !(options.is_empty() && reader.is_broken()),
        Value::Array(_) => true,
        _ => false,
    };
    let (what, hint) = if is_section {
        let known = Config::section_names().iter().chain(ARRAYS).copied();
        let near = closest(&entry.key, known);
        ("unknown section", near.map(|name| format!("did you mean {name}?")))
    } else if reader.is_broken() {
        // Its section's header may be what does not parse.
        return;
    } else {
        ("unknown key", home_of(&entry.key))
    };
    reader.key(&entry.key, |reader| {
        reader.fault_with_hint(&entry.key_at, what, hint);
    });
}

/// Names the section to which a key belongs that stands elsewhere.
fn home_of(key: &str) -> Option<String> {
    let mut options = Config::options().into_iter();
    let option = options.find(|option| option.key == key)?;
    Some(format!("{key} belongs under [{}]", option.section))
}

/// Sets an option, or reports that there is none of that name.
fn set_option(section: &mut dyn Section, key: &str, key_at: &Location, item: &Item, reader: &mut Reader) {
    if !section.set(key, item, reader) {
        let options = section.options();
        let near = closest(key, options.iter().map(|option| option.key));
        let hint = home_of(key).or(near.map(|name| format!("did you mean {name}?")));
        reader.key(key, |reader| reader.fault_with_hint(key_at, "unknown key", hint));
    }
}

/// Sets the option at a path, or reports that there is none.
fn set_at(config: &mut Config, path: &str, item: &Item, reader: &mut Reader) {
    let (name, key) = path.split_once('.').unwrap_or((path, ""));
    let section = config.section(name);
    reader.key(name, |reader| match section {
        Some(section) => set_option(section, key, &item.at, item, reader),
        None => reader.fault(&item.at, "unknown section"),
    });
}

/// Variables that start like options but are read elsewhere.
const OTHER_VARIABLES: &[&str] = &["WARREN_CONFIG", "WARREN_URL"];

fn read_environment(config: &mut Config, inputs: &Inputs<'_>, reader: &mut Reader) {
    for (variable, value) in inputs.environment {
        if !variable.starts_with("WARREN_") || OTHER_VARIABLES.contains(&variable.as_str()) {
            continue;
        }
        let source = Source::Environment(variable.as_str().into());
        let at = Location::whole(source.clone());
        let option = variable.strip_suffix("__FILE").unwrap_or(variable);
        let known = option_at(option);
        let Some(path) = known else {
            let hint = advice_for_variable(option);
            reader.fault_with_hint(&at, "no option has this variable", hint);
            continue;
        };
        let text = if option == variable {
            Ok(value.clone())
        } else if inputs.environment.contains_key(option) {
            reader.fault(&at, format!("{option} is set too; use one of them"));
            continue;
        } else {
            read_secret(inputs, Path::new(value))
        };
        match text {
            Ok(text) => set_at(config, &path, &Item::text(source, text), reader),
            Err(message) => reader.fault(&at, message),
        }
    }
}

fn advice_for_variable(variable: &str) -> Option<String> {
    let lower = variable.to_lowercase();
    let of_array = |name: &&&str| lower.starts_with(&format!("warren_{name}"));
    if let Some(array) = ARRAYS.iter().find(of_array) {
        return Some(format!("[[{array}]] can only be declared in a file"));
    }
    let variables: Vec<String> = Config::options().iter().map(|o| o.variable().to_lowercase()).collect();
    closest(&lower, variables.iter().map(String::as_str)).map(|name| format!("did you mean {}?", name.to_uppercase()))
}

/// Reads a secret from its file, without the newline at the end.
fn read_secret(inputs: &Inputs<'_>, path: &Path) -> Result<String, String> {
    match (inputs.read_file)(path) {
        Ok(mut text) => {
            if text.ends_with('\n') {
                text.pop();
                if text.ends_with('\r') {
                    text.pop();
                }
            }
            Ok(text)
        }
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn read_password_files(config: &mut Config, inputs: &Inputs<'_>, reader: &mut Reader) {
    let folder = inputs.file.and_then(|file| file.path.parent());
    for user in &mut config.users {
        let Some(path) = &user.entry.password_file else {
            continue;
        };
        let path = folder.map_or_else(|| path.clone(), |folder| folder.join(path));
        let wrong = match read_secret(inputs, &path) {
            Ok(text) if text.is_empty() => format!("{} is empty", path.display()),
            Ok(text) => {
                user.entry.password = Some(Secret::new(text));
                continue;
            }
            Err(message) => message,
        };
        let path = format!("{}.password_file", user.path);
        reader.key_path(&path, |reader| reader.fault(&user.at, wrong));
    }
}

/// Where no user is declared, there is the default one.
pub(crate) fn add_default_user(config: &mut Config, root: &[Entry]) {
    if root.iter().any(|entry| entry.key == "users") {
        return;
    }
    let name = config.auth.default_user.clone();
    config.users.push(Declared::by_default(User {
        name: name.clone(),
        password: Some(config.auth.default_password.clone()),
        password_hash: None,
        password_file: None,
        max_connections: None,
        max_channels: None,
        message_rate_per_s: None,
        byte_rate_per_s: None,
        tags: vec!["administrator".into()],
    }));
    let stated = config.permissions.iter().any(|p| p.user == name && p.vhost == "/");
    if !stated {
        let all = || ".*".to_owned();
        config.permissions.push(Declared::by_default(Permission {
            user: name,
            vhost: "/".into(),
            configure: all(),
            write: all(),
            read: all(),
        }));
    }
}

/// The path of the option that a variable sets.
fn option_at(variable: &str) -> Option<String> {
    let mut options = Config::options().into_iter();
    let found = options.find(|option| option.variable() == variable);
    found.map(|option| option.path())
}

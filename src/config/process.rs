//! Reads the configuration of this process: the thin part that touches files
//! and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Config;
use super::layers::{ConfigFile, Inputs, Overrides, load};
use super::report::{Fault, Location, Report, Source};

/// The file that is used if nothing names one and it exists.
pub const DEFAULT_FILE: &str = "/etc/warren/warren.toml";

/// Reads the configuration of this process. The file is the one of the flag
/// (`--config`), else of `WARREN_CONFIG`, else [`DEFAULT_FILE`] if it exists,
/// else none.
///
/// # Errors
/// Every fault of file, environment and flags at once; the file's path if it
/// cannot be read.
pub fn read(config_flag: Option<&Path>, flags: &Overrides) -> Result<Config, Report> {
    let environment = environment();
    let path = choose(config_flag, &environment, &|path| path.exists());
    let file = path.map(open).transpose()?;
    load(&Inputs {
        flags,
        environment: &environment,
        file: file.as_ref(),
        read_file: &|path| std::fs::read_to_string(path),
    })
}

/// Which file to read, if any.
fn choose(
    config_flag: Option<&Path>,
    environment: &BTreeMap<String, String>,
    exists: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let variable = || {
        environment
            .get("WARREN_CONFIG")
            .filter(|path| !path.is_empty())
    };
    let usual = || Some(Path::new(DEFAULT_FILE)).filter(|path| exists(path));
    let path = config_flag
        .or_else(|| variable().map(Path::new))
        .or_else(usual);
    path.map(Path::to_owned)
}

/// Checks a file by itself, without environment and flags.
///
/// # Errors
/// Every fault of the file at once; its path if it cannot be read.
pub fn check_file(path: &Path) -> Result<Config, Report> {
    let file = open(path.to_owned())?;
    load(&Inputs {
        flags: &Overrides::default(),
        environment: &BTreeMap::new(),
        file: Some(&file),
        read_file: &|path| std::fs::read_to_string(path),
    })
}

fn open(path: PathBuf) -> Result<ConfigFile, Report> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(ConfigFile { path, bytes }),
        Err(error) => {
            let name = path.to_string_lossy();
            Err(Report::from(Fault {
                at: Location::whole(Source::File(name.as_ref().into())),
                key: String::new(),
                message: format!("cannot be read: {error}"),
                hint: None,
            }))
        }
    }
}

/// The variables that concern the broker. One that is not UTF-8 becomes one
/// that no option can take, or a path that does not exist.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(name, _)| name.starts_with("WARREN_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_then_the_variable_then_the_usual_file() {
        let none = BTreeMap::new();
        let set = BTreeMap::from([("WARREN_CONFIG".to_owned(), "b.toml".to_owned())]);
        let empty = BTreeMap::from([("WARREN_CONFIG".to_owned(), String::new())]);
        let flag = Some(Path::new("a.toml"));
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(choose(flag, &set, &|_| true), path("a.toml"));
        assert_eq!(choose(None, &set, &|_| true), path("b.toml"));
        assert_eq!(choose(None, &empty, &|_| true), path(DEFAULT_FILE));
        assert_eq!(choose(None, &none, &|_| true), path(DEFAULT_FILE));
        assert_eq!(choose(None, &none, &|_| false), None);
    }
}

//! The configuration from outside: text in, values or the exact report out.

mod faults;
mod files;
mod sources;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use warren::config::{Config, ConfigFile, Inputs, Overrides, Report, load};

/// Inputs of one test; secrets' files by path.
#[derive(Default)]
struct Given {
    flags: Overrides,
    environment: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

impl Given {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn secret(mut self, path: &str, text: &str) -> Self {
        self.secrets.insert(path.into(), text.into());
        self
    }

    fn flag(mut self, flag: &str, path: &str, text: &str) -> Self {
        self.flags.set(flag, path, text);
        self
    }

    fn load(&self, file: Option<&[u8]>) -> Result<Config, Report> {
        let file = file.map(|bytes| ConfigFile {
            path: "etc/test.toml".into(),
            bytes: bytes.to_vec(),
        });
        let read_file = |path: &Path| {
            let text = self.secrets.get(&path.to_string_lossy().into_owned());
            text.cloned()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
        };
        load(&Inputs {
            flags: &self.flags,
            environment: &self.environment,
            file: file.as_ref(),
            read_file: &read_file,
        })
    }
}

fn load_text(text: &str) -> Result<Config, Report> {
    Given::default().load(Some(text.as_bytes()))
}

/// The lines of the report on a text that must not load.
fn report(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(config) => panic!("loaded: {config:?}"),
        Err(report) => report.to_string().lines().map(str::to_owned).collect(),
    }
}

//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// Where a value came from, in the order in which a report lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A file, by the path under which it was named.
    File(Arc<str>),
    /// An environment variable, by its name.
    Environment(Arc<str>),
    /// A command-line flag, with its dashes.
    Flag(Arc<str>),
    /// Built in.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(name) | Source::Environment(name) | Source::Flag(name) => {
                out.write_str(name)
            }
            Source::Default => out.write_str("built-in default"),
        }
    }
}

/// A place in a configuration; line and column count from 1, and are 0
/// together where the source has no lines (a flag, a variable).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, variable or flag.
    pub source: Source,
    /// Line, from 1; 0 for none.
    pub line: u32,
    /// Column in characters, from 1; 0 for none.
    pub column: u32,
}

impl Location {
    /// A source as a whole.
    pub fn whole(source: Source) -> Self {
        Location {
            source,
            line: 0,
            column: 0,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(out)?;
        if self.line > 0 {
            write!(out, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands.
    pub at: Location,
    /// The key's path (`limits.channel_max`, `queues[2].arguments.x-expires`);
    /// empty for a fault of the file itself.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.at)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(out, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Every fault of a configuration, in the order of the file, then of the
/// environment, then of the flags. Displays one fault a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The faults; never empty in a `Report` that was returned as an error.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            fault.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

impl From<Fault> for Report {
    fn from(fault: Fault) -> Self {
        Report {
            faults: vec![fault],
        }
    }
}

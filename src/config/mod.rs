//! The configuration: one struct a TOML section, each option declared once.
//!
//! ```no_run
//! use warren::config::{self, Overrides};
//!
//! let mut flags = Overrides::default();
//! flags.set("--listen", "listeners.amqp", "127.0.0.1:0");
//! match config::read(Some("config/warren.toml".as_ref()), &flags) {
//!     Ok(config) => println!("{:?}", config.listeners.amqp),
//!     Err(report) => eprintln!("{report}"),
//! }
//! ```
//!
//! - [`read`] reads file, environment and flags; [`load`] does the same from
//!   [`Inputs`] and touches nothing else; [`check_file`] checks one file alone.
//!   Each gives a [`Config`] or a [`Report`] with every fault, one a line:
//!   `FILE:LINE:COLUMN: key.path: what is wrong; hint`.
//! - A [`Config`] holds the sections ([`Node`], [`Listeners`], [`Tls`], [`Limits`],
//!   [`Store`], [`Auth`], [`Log`], [`Metrics`], [`Tracing`], [`Events`]) and the declared entries
//!   ([`Vhost`], [`User`], [`Permission`], [`Exchange`], [`Queue`],
//!   [`Binding`], [`Policy`]), each with the place where it stands
//!   ([`Declared::at`]), so that the broker can name it when an entry
//!   contradicts what is stored. The users hold the default one where none is
//!   declared.
//! - [`ArgumentValue`] is a value in a table of arguments; the broker turns it
//!   into its own field type.
//! - [`Config::changes`] tells SIGHUP what it can apply.
//! - [`Config::options`], [`Config::entry_options`] and [`markdown`] list every
//!   key with type, default, range and help.
//!
//! To add an option, add one line in `sections.rs` (or in `topology.rs` for a
//! key of an entry) and mention it in `config/warren.toml`; a test tells if it
//! is missing there. To add a section, declare it there and name it below.

mod arguments;
mod changes;
mod check;
mod declare;
mod entries;
mod entry_checks;
mod item;
mod known_arguments;
mod layers;
mod network_values;
mod process;
mod reader;
mod reference;
mod report;
mod sections;
mod setting;
mod topology;
mod values;

use std::path::PathBuf;

pub use arguments::{ArgumentValue, Arguments};
pub use changes::Changes;
pub use declare::{Apply, Change, OptionSpec};
pub use entries::Declared;
pub use layers::{ConfigFile, Inputs, Overrides, load};
pub use network_values::{AddressRange, OptionalFile};
pub use process::{DEFAULT_FILE, check_file, read};
pub use reference::markdown;
pub use report::{Fault, Location, Report, Source};
pub use sections::{
    Auth, CertificateName, ClientCertificates, Events, Limits, Listeners, Log, LogFormat, LogLevel, Mechanism,
    MessageEngine, Metrics, Node, Store, SyncMode, Tls, TlsVersion, Tracing,
};
pub use topology::{
    ApplyTo, Binding, Credential, DestinationType, Exchange, ExchangeType, Permission, Policy, Queue, User, Vhost,
};
pub use values::{Listener, MemoryLimit, Ratio, Secret};

use declare::Section;
use entries::{Fields, read_all};
use item::Entry;
use reader::Reader;

/// Declares `Config` from the lists of its sections and arrays.
macro_rules! config {
    (
        sections { $($section:ident : $options:ident,)+ }
        arrays { $($array:ident : $entry:ident,)+ }
    ) => {
        /// A configuration without faults.
        #[derive(Clone, Debug)]
        pub struct Config {
            /// The file that it was read from, if there was one.
            pub file: Option<PathBuf>,
            $(
                #[doc = concat!("The section `[", stringify!($section), "]`.")]
                pub $section: $options,
            )+
            $(
                #[doc = concat!("The entries `[[", stringify!($array), "]]`, in order.")]
                pub $array: Vec<Declared<$entry>>,
            )+
        }

        /// The names of the arrays of tables.
        const ARRAYS: &[&str] = &[$(stringify!($array)),+];

        impl Config {
            /// The defaults without any entry.
            fn bare() -> Self {
                Config {
                    file: None,
                    $( $section: $options::default(), )+
                    $( $array: Vec::new(), )+
                }
            }

            fn section_names() -> &'static [&'static str] {
                &[$(stringify!($section)),+]
            }

            fn section(&mut self, name: &str) -> Option<&mut dyn Section> {
                match name {
                    $( stringify!($section) => Some(&mut self.$section), )+
                    _ => None,
                }
            }

            fn read_arrays(&mut self, root: &[Entry], reader: &mut Reader) {
                $( self.$array = read_all(root, reader); )+
            }

            /// Every option of every section, in order.
            pub fn options() -> Vec<OptionSpec> {
                let mut options = Vec::new();
                $( options.extend($options::default().options()); )+
                options
            }

            /// Every key of the arrays of tables, in order.
            pub fn entry_options() -> Vec<OptionSpec> {
                let mut options = Vec::new();
                $( options.extend($entry::options()); )+
                options
            }

            /// What differs in `new`: what a running broker can take, and what
            /// waits for a restart. Entries are compared by what they declare,
            /// not by where they stand.
            pub fn changes(&self, new: &Config) -> Changes {
                let mut changes = Vec::new();
                $( self.$section.compare(&new.$section, &mut changes); )+
                $( changes::compare_entries(&self.$array, &new.$array, &mut changes); )+
                Changes::sorted(changes)
            }
        }
    };
}

/// What [`load`] makes of no input at all.
impl Default for Config {
    fn default() -> Self {
        let mut config = Config::bare();
        layers::add_default_user(&mut config, &[]);
        config
    }
}

config! {
    sections {
        node: Node,
        listeners: Listeners,
        tls: Tls,
        limits: Limits,
        store: Store,
        auth: Auth,
        log: Log,
        metrics: Metrics,
        tracing: Tracing,
        events: Events,
    }
    arrays {
        vhosts: Vhost,
        users: User,
        permissions: Permission,
        exchanges: Exchange,
        queues: Queue,
        bindings: Binding,
        policies: Policy,
    }
}

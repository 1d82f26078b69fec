//! The reference of all options, in Markdown.

use super::Config;
use super::declare::{Apply, OptionSpec};

/// A table for each section and each array of tables, with every key. What the
/// README and the documentation print; tests compare it with them.
pub fn markdown() -> String {
    let mut text = String::new();
    section_tables(&mut text, &Config::options(), true);
    section_tables(&mut text, &Config::entry_options(), false);
    text
}

fn section_tables(text: &mut String, options: &[OptionSpec], sections: bool) {
    let mut current = "";
    for option in options {
        if option.section != current {
            current = option.section;
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&heading(current, sections));
        }
        let help = cell(&option.help);
        let kind = cell(&match &option.range {
            Some(range) => range.clone(),
            None => option.expects.clone(),
        });
        let default = option.default.as_deref().map_or_else(
            || "must be given".to_owned(),
            |value| format!("`{}`", cell(value)),
        );
        let key = option.key;
        let line = match (sections, option.apply) {
            (true, Apply::Reload) => {
                format!("| `{key}` | {default} | {kind} | SIGHUP | {help} |\n")
            }
            (true, Apply::Restart) => {
                format!("| `{key}` | {default} | {kind} | restart | {help} |\n")
            }
            (false, _) => format!("| `{key}` | {default} | {kind} | {help} |\n"),
        };
        text.push_str(&line);
    }
}

fn heading(name: &str, section: bool) -> String {
    if section {
        format!(
            "### `[{name}]`\n\n| key | default | values | applied by | what it does |\n\
             |---|---|---|---|---|\n"
        )
    } else {
        format!("### `[[{name}]]`\n\n| key | default | values | what it is |\n|---|---|---|---|\n")
    }
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

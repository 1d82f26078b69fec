//! `warren manual` and `warren completion`: made of the same declarations that arguments are read with.

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::REFUSED;

/// Writes the manual page of the program, or of one of its commands, in roff.
pub fn page(program: &Command, words: &[String]) -> ExitCode {
    let mut program = program.clone();
    // Names such as `warren-list` and the usage lines of commands.
    program.build();
    let mut command = &program;
    for word in words {
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => {
                eprintln!("warren: there is no command '{word}'; `warren help` lists what there is");
                return REFUSED.into();
            }
        }
    }
    let title = command.get_display_name().unwrap_or("warren").replace(' ', "-");
    let man = Man::new(command.clone()).title(title.to_uppercase());
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = man.render(&mut text);
    print(&text)
}

/// Writes what a shell needs to complete commands and options.
pub fn completion(program: &mut Command, shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, program, "warren", &mut text);
    print(&text)
}

/// Whoever reads may have gone, as with `warren manual | head`.
fn print(text: &[u8]) -> ExitCode {
    let _ = stdout().write_all(text);
    ExitCode::SUCCESS
}

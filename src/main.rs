//! The `warren` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    warren::server::main()
}

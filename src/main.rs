//! The `warren` program: arguments in, exit code out.

use std::process::ExitCode;

/// What was freed goes back to the system, so that a memory alarm ends when a backlog was drained: glibc kept 450 of the
/// 470 MiB that 400,000 messages had taken, mimalloc 400, jemalloc 190 at once and less as its threads clear up.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    warren::server::main()
}

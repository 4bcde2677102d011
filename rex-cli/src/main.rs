//! The `rex` command. Everything is in the library.

use std::process::ExitCode;

/// Counts the allocations of runs, so that their memory is bounded.
#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

fn main() -> ExitCode {
    rex_cli::main(std::env::args_os())
}

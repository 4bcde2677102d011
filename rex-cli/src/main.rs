//! The `rex` command. Everything is in the library.

use std::process::ExitCode;

/// The allocator that counts the allocations of runs, so that their memory is bounded.
#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

fn main() -> ExitCode {
    rex_cli::main(std::env::args_os())
}

//! The `rex` command with a gate that lets everything through: the kernel alone holds the reach of the policy.

use std::process::ExitCode;
use std::sync::Arc;

use rex_core::{Authorize, Decision, Request};

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// Permits whatever is asked.
struct Open;

impl Authorize for Open {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::allow(&["open"])
    }
}

fn main() -> ExitCode {
    rex_cli::main_with(std::env::args_os(), |_| Arc::new(Open))
}

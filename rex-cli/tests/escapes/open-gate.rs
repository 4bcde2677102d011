//! The `rex` command with a gate that permits everything: only the kernel enforces the reach of the policy.
//!
//! With `REX_FORGE=KIND:TEXT`, the worker also sends its supervisor what only a compromised worker would send: a frame of that kind
//! with that text; after `*TIMES:`, that many times. `REX_FORGE=!TEXT` sends the text as it is.
#![expect(clippy::disallowed_methods, reason = "a program for tests, told by its environment what to do")]

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use nix::sys::socket::{MsgFlags, send};
use rex_core::{Authorize, Decision, Request};

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// An authorizer that permits everything, and sends the forged frame at the first request.
struct Open {
    sent: OnceLock<()>,
}

impl Authorize for Open {
    fn decide(&self, _: &Request<'_>) -> Decision {
        self.sent.get_or_init(|| {
            if let Ok(forged) = std::env::var("REX_FORGE") {
                // The worker has one socket, and no other descriptor that takes this.
                for descriptor in 3..16 {
                    let _ = send(descriptor, &frame(&forged), MsgFlags::empty());
                }
            }
        });
        Decision::allow(&["open"])
    }
}

fn frame(forged: &str) -> Vec<u8> {
    if let Some(raw) = forged.strip_prefix('!') {
        return raw.as_bytes().to_vec();
    }
    if let Some((times, one)) = forged.strip_prefix('*').and_then(|rest| rest.split_once(':')) {
        return frame(one).repeat(times.parse().unwrap_or(1));
    }
    let (kind, text) = forged.split_once(':').unwrap_or(("", ""));
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    [kind.as_bytes(), &length, text.as_bytes()].concat()
}

fn main() -> ExitCode {
    rex_cli::main_with(std::env::args_os(), |_| Arc::new(Open { sent: OnceLock::new() }))
}

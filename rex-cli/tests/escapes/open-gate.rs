//! The `rex` command with a gate that lets everything through: the kernel alone holds the reach of the policy.
//!
//! With `REX_FORGE=KIND:TEXT` the worker also tells its supervisor something that no worker tells, as one that was taken over
//! would: a frame of that kind with that text, after `*TIMES:` so often. `REX_FORGE=!TEXT` sends the text as it is.
#![expect(clippy::disallowed_methods, reason = "a program for tests, told by its environment what to do")]

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use nix::sys::socket::{MsgFlags, send};
use rex_core::{Authorize, Decision, Request};

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// Permits whatever is asked, and sends what is forged when it is asked first.
struct Open {
    sent: OnceLock<()>,
}

impl Authorize for Open {
    fn decide(&self, _: &Request<'_>) -> Decision {
        self.sent.get_or_init(|| {
            if let Ok(forged) = std::env::var("REX_FORGE") {
                // It has one socket, and nothing else that anything could be sent to.
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

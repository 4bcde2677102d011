//! Has the linker put the functions together that each start of `rex` touches. Otherwise they are all over the program, of which the
//! kernel then maps most: a page with those around it for each.
#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script by the environment what it builds")]

use std::env::var;
use std::io::Write;

/// The list of those functions, which `cargo xtask startup` writes. Missing functions are left out.
const LIST: &str = "startup.ld";

fn main() -> std::io::Result<()> {
    let mut cargo = std::io::stdout().lock();
    writeln!(cargo, "cargo::rerun-if-changed={LIST}")?;
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    let is_released = is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    // The linkers of Rust and of GNU take it. Whoever has chosen another one may have one that does not.
    let is_chosen =
        var("RUSTC_LINKER").is_ok() || var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if let (true, false, Ok(folder)) = (is_released, is_chosen, var("CARGO_MANIFEST_DIR")) {
        writeln!(cargo, "cargo::rustc-link-arg-bin=rex=-Xlinker")?;
        writeln!(cargo, "cargo::rustc-link-arg-bin=rex=--script={folder}/{LIST}")?;
    }
    Ok(())
}

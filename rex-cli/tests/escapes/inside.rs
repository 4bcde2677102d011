//! Runs foreign code where a script runs, and where a program that a script starts runs: confined to a policy's reach.
//!
//! `inside worker POLICY LIBRARY ATTACK` loads a library, confines itself, and calls it: this is what a worker can do that
//! was taken over. `inside program POLICY PROGRAM ARGUMENT...` starts a program, `inside forking ...` one that may make
//! processes. Each ends with the errno that the
//! attack met, 0 if it worked, and with 128 and the number of the signal that ended it.

#[cfg(target_os = "linux")]
use linux::main;

#[cfg(target_os = "linux")]
mod linux {
    #![expect(
        unsafe_code,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::print_stderr,
        reason = "this calls what no Rust program should"
    )]

    use std::error::Error;
    use std::ffi::{CString, OsStr, OsString};
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{ExitCode, Stdio};
    use std::time::Duration;

    use rex_core::Reach;
    use rex_policy::{Policy, PolicyLimits, Source, Vocabulary};
    use rex_sdk::host::confine::{Bounds, Mode, Program, confine};

    fn bounds() -> Bounds {
        Bounds { address_space: 512 << 20, file_bytes: 1 << 20, descriptors: 64, cpu: Duration::from_secs(2) }
    }

    fn reach(policy: &str) -> Result<Reach, Box<dyn Error>> {
        let source = Source::new(policy, std::fs::read_to_string(policy)?);
        let policy = Policy::compile(&Vocabulary::rex(), &[source], None, &PolicyLimits::default())
            .map_err(|rejected| format!("{rejected:?}"))?;
        Ok(policy.reach(None))
    }

    fn worker(policy: &str, library: &str, attack: &str) -> Result<u8, Box<dyn Error>> {
        let reach = reach(policy)?;
        let (library, attack) = (CString::new(library)?, CString::new(attack)?);
        // SAFETY: the library is the one that the test has built, and its `attack` takes a text and gives an int.
        let call = unsafe {
            let library = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return Err("the library cannot be loaded".into());
            }
            let symbol = libc::dlsym(library, c"attack".as_ptr());
            if symbol.is_null() {
                return Err("the library has no `attack`".into());
            }
            std::mem::transmute::<*mut libc::c_void, extern "C" fn(*const libc::c_char) -> libc::c_int>(symbol)
        };
        confine(&reach, &bounds(), Mode::Require)?;
        Ok(u8::try_from(call(attack.as_ptr())).unwrap_or(255))
    }

    fn program(policy: &str, program: &str, arguments: &[String], processes: bool) -> Result<u8, Box<dyn Error>> {
        // What a careless parent leaves open for its children.
        let leak = std::fs::File::open("/dev/null")?;
        // SAFETY: the descriptor is open, and only its flag is changed.
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&leak), libc::F_SETFD, 0) };
        let file = std::fs::File::open(program)?.into();
        let arguments: Vec<&OsStr> =
            std::iter::once(OsStr::new(program)).chain(arguments.iter().map(OsStr::new)).collect();
        let world: OsString = std::env::var_os("W").ok_or("W is not set")?;
        let program = Program {
            file: &file,
            arguments: &arguments,
            environment: &[(OsStr::new("W"), &world)],
            directory: Path::new("/"),
            stdin: Stdio::null(),
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
            user: None,
            processes,
        };
        let mut running = program.start(&reach(policy)?, &bounds())?;
        let status = running.wait(Duration::from_secs(20))?.ok_or("it did not end in time")?;
        let signal = status.signal().map(|signal| 128 | signal);
        Ok(u8::try_from(status.code().or(signal).unwrap_or(255)).unwrap_or(255))
    }

    pub(crate) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["worker", policy, library, attack] => worker(policy, library, attack),
            [how @ ("program" | "forking"), policy, path, ..] => {
                program(policy, path, arguments.get(3..).unwrap_or_default(), how == "forking")
            }
            _ => Err("this takes `worker POLICY LIBRARY ATTACK` or `program POLICY PROGRAM ARGUMENT...`".into()),
        };
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(254)
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("this needs Linux")
}
